"""What finished jobs left behind, so that a client that was away can fetch it; in memory, bounded."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from bridge.jobs.record import JobRecord
from bridge.protocol import Message, picture_bytes

KEPT_JOBS = 256
"""How many finished jobs are remembered."""

KEPT_BYTES = 512 * 1024 * 1024
"""How many bytes of their pictures are."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended, and everything its client must see (results, last word)."""

    record: JobRecord
    messages: tuple[Message, ...]

    @property
    def picture_bytes(self) -> int:
        """Size of the pictures it keeps alive."""
        return sum(picture_bytes(message) for message in self.messages)


class History:
    """The last finished jobs; the oldest make room.

    Args:
        kept_jobs: How many jobs are remembered.
        kept_bytes: How many bytes of pictures are; the newest job stays whatever its size.
    """

    def __init__(self, kept_jobs: int = KEPT_JOBS, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_jobs = kept_jobs
        self._kept_bytes = kept_bytes
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, record: JobRecord, messages: Sequence[Message]) -> None:
        """Remember a job that has come to its end."""
        ended = Ended(record, tuple(messages))
        self._ended[record.id] = ended
        self._bytes += ended.picture_bytes
        while len(self._ended) > 1 and self._is_over_budget:
            self._drop(next(iter(self._ended)))

    def find(self, job: str) -> Ended | None:
        """Return the job if it is still remembered."""
        return self._ended.get(job)

    def page(
        self, limit: int, offset: int = 0, *, newest_first: bool = False, session_prefix: str = ""
    ) -> Sequence[JobRecord]:
        """Return some records in the order of their ends."""
        ended = list(self._ended.values())
        records = (
            entry.record
            for entry in (reversed(ended) if newest_first else ended)
            if entry.record.session.startswith(session_prefix)
        )
        return list(islice(records, offset, offset + limit))

    def size(self, session_prefix: str = "") -> int:
        """Return how many records there are of such sessions."""
        return sum(entry.record.session.startswith(session_prefix) for entry in self._ended.values())

    def forget(self, job_ids: Collection[str] | None, session_prefix: str = "") -> None:
        """Drop records of such sessions: those named, or all."""
        for job, entry in list(self._ended.items()):
            if entry.record.session.startswith(session_prefix) and (job_ids is None or job in job_ids):
                self._drop(job)

    def _drop(self, job: str) -> None:
        self._bytes -= self._ended.pop(job).picture_bytes

    @property
    def _is_over_budget(self) -> bool:
        return len(self._ended) > self._kept_jobs or self._bytes > self._kept_bytes
