"""When the store writes what, and what becomes of a last word that the disk does not take.

1. Rows are written at once, on the event loop: that takes some microseconds, a tenth of what it takes to
   ask another thread. Pictures, which take milliseconds, and bringing the log into the database, which may
   wait for the disk, are for a thread of their own.
2. Pictures come before the row that speaks of them.
3. Whoever fears power cuts waits for the disk after each row, on that thread.
4. A last word that the disk does not take is kept here, and tried again; its job counts as ended meanwhile.
5. While the disk takes nothing, it is asked now and then whether it does again, though nobody wants anything.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from bridge.errors import BridgeError, LocalProtocolError, Problem
from bridge.jobs.queued import QueuedJob
from bridge.jobs.record import JobRecord
from bridge.jobs.store import JobStore
from bridge.protocol import Finished

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""How often a disk that was full is tried again."""

SETTLED_EVERY = 500
"""So many rows are written between two calls of ``JobStore.settle``."""

MAX_LOG_PAGES = 8192
"""When rows come so fast that the log never begins anew, it is settled on the event loop once it is longer:
what the thread has left of it, which takes some milliseconds."""

T = TypeVar("T")


class _Row(NamedTuple):
    seq: int
    finished: Finished
    ended_at: float
    results: int
    size: int


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A job that has ended without the disk having taken it.

    Args:
        row: What ``JobStore.end`` is to be told.
        record: The job as it is seen.
        has_frame: Whether its frame lies on the disk.
    """

    row: _Row
    record: JobRecord
    has_frame: bool


class Journal:
    """Writes what becomes of jobs.

    Args:
        store: Nobody else writes to it.

    Attributes:
        problem: Why the last row could not be written; empty if it was.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "queue")
        self._written = 0
        self._unsaved: dict[str, _Unsaved] = {}
        self._retry: asyncio.TimerHandle | None = None
        self.problem = ""

    def unsaved(self, job_id: str) -> JobRecord | None:
        """Return a job that has ended without the disk having taken it."""
        entry = self._unsaved.get(job_id)
        return entry.record if entry else None

    def unsaved_word(self, job_id: str) -> Finished | None:
        """Return the last word of such a job."""
        entry = self._unsaved.get(job_id)
        return entry.row.finished if entry else None

    async def accept(self, job: QueuedJob) -> int:
        """Write down a job that waits; return the bytes of its workflow.

        Raises:
            LocalProtocolError: If it is too large.
            BridgeError: ``queue_unavailable``.
        """
        try:
            if job.run.frame:
                await self._in_thread(lambda: self._store.keep_frame(job.seq, job.run))
            size = self._write(
                lambda: self._store.accept(job.seq, job.session, job.number, job.run, job.queued_time)
            )
            await self._sync()
            return size
        except BridgeError:
            self._withdraw(job)
            raise

    def begin(self, job: QueuedJob) -> None:
        """Write down that a job runs; it runs in any case."""
        try:
            self._write(lambda: self._store.begin(job.seq, job.began_time, job.attempts))
        except BridgeError as error:
            log.error("%s", error)

    async def cancel(self, job: QueuedJob) -> None:
        """Write down that a job that runs was told to stop; it is told in any case."""
        try:
            self._write(lambda: self._store.cancel(job.seq))
            await self._sync()
        except BridgeError as error:
            log.error("%s", error)

    def put_back(self, job: QueuedJob) -> None:
        """Write down that a job waits again; if that fails, it has begun once more than it should."""
        try:
            self._write(lambda: self._store.put_back(job.seq))
        except BridgeError as error:
            log.error("%s", error)

    async def end(self, job: QueuedJob, finished: Finished) -> Finished:
        """Write down a job's last word, after its results; return it, with a warning if that failed."""
        ended_time = job.next_time()
        kept = size = 0
        try:
            if job.results:
                size = await self._in_thread(lambda: self._store.keep_results(job.seq, job.results))
                kept = len(job.results)
        except BridgeError as error:
            finished = _warned(finished, error)
        try:
            self._end(_Row(job.seq, finished, ended_time, kept, size), bool(job.run.frame))
            await self._sync()
        except BridgeError as error:
            finished = _warned(finished, error)
            if isinstance(error, LocalProtocolError):  # it shows more than a message may hold
                finished = replace(finished, outputs={})
            row = _Row(job.seq, finished, ended_time, kept, size)
            record = job.ended_record(finished, ended_time)
            self._unsaved[job.run.job] = _Unsaved(row, record, bool(job.run.frame))
            self._try_again_later()
        return finished

    async def forget(self, job_ids: Collection[str] | None, session_prefix: str) -> int:
        """Remove jobs from the history; return how many.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        forgotten = 0
        for count in self._store.forget(job_ids, session_prefix):
            forgotten += count
            await asyncio.sleep(0)
        return forgotten

    async def close(self) -> None:
        """Write what is left to write, and close the store."""
        self._save_the_unsaved()
        if self._retry:
            self._retry.cancel()
        await self._in_thread(self._store.close)
        self._thread.shutdown()

    def _end(self, row: _Row, has_frame: bool) -> None:
        self._write(lambda: self._store.end(*row))
        if has_frame:
            self._store.drop_frame(row.seq)

    def _withdraw(self, job: QueuedJob) -> None:
        try:
            self._store.withdraw(job.seq)
        except BridgeError as error:
            log.error("job %s is refused, but may be found by another daemon: %s", job.run.job, error)

    def _write(self, write: Callable[[], T]) -> T:
        try:
            written = write()
        except BridgeError as error:
            if error.code == "queue_unavailable":
                self.problem = error.message
                self._try_again_later()
            raise
        self.problem = ""
        self._written += 1
        if self._written % SETTLED_EVERY == 0:
            self._in_thread(self._store.settle).add_done_callback(self._settled)
        return written

    async def _sync(self) -> None:
        if self._store.survives_power_cuts:
            await self._in_thread(self._store.sync)

    def _in_thread(self, action: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, action)

    def _settled(self, settled: asyncio.Future[int]) -> None:
        try:
            if settled.result() > MAX_LOG_PAGES:
                self._store.settle()
        except BridgeError as error:
            log.error("%s", error)

    def _try_again_later(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._save_the_unsaved()
        if self.problem:
            with suppress(BridgeError):  # which is the problem still, and tried again later
                self._write(self._store.touch)

    def _save_the_unsaved(self) -> None:
        for job_id, entry in list(self._unsaved.items()):
            try:
                self._end(entry.row, entry.has_frame)
            except BridgeError as error:
                log.error("the end of job %s is not on the disk yet: %s", job_id, error.message)
                self._try_again_later()
                return
            del self._unsaved[job_id]


def _warned(finished: Finished, error: BridgeError) -> Finished:
    warning = Problem(
        "output_failed", f"this job cannot be fetched again: {error.message}", error.hint, is_warning=True
    )
    return replace(finished, problems=(*finished.problems, warning))
