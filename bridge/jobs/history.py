"""What finished jobs left behind, so that a client that was away can fetch it; in memory, bounded."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.protocol import Message, picture_bytes

KEPT_JOBS = 256
"""How many finished jobs are remembered."""

KEPT_BYTES = 512 * 1024 * 1024
"""How many bytes of their pictures are."""


@dataclass(frozen=True, slots=True)
class Record:
    """A finished job: whose it was, and everything its client must see (results, last word)."""

    job: str
    session: str
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
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, job: str, session: str, messages: Sequence[Message]) -> None:
        """Remember a job that has come to its end."""
        record = Record(job, session, tuple(messages))
        self._records[job] = record
        self._bytes += record.picture_bytes
        while len(self._records) > 1 and self._is_over_budget:
            _, oldest = self._records.popitem(last=False)
            self._bytes -= oldest.picture_bytes

    def find(self, job: str) -> Record | None:
        """Return the job's record if it is still remembered."""
        return self._records.get(job)

    @property
    def _is_over_budget(self) -> bool:
        return len(self._records) > self._kept_jobs or self._bytes > self._kept_bytes
