"""The store off the event loop: one thread writes, in the order in which it was asked to.

1. Whoever promises something to a client waits for the write; a caller that goes away does not stop it.
2. What only makes a restart more exact (that a job has begun) is written without anybody waiting.
3. A last word that the disk does not take is kept here, and written as soon as the disk takes something
   again; its job counts as ended meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from bridge.errors import BridgeError, Problem
from bridge.jobs.queued import QueuedJob
from bridge.jobs.record import JobRecord
from bridge.jobs.store import JobStore
from bridge.protocol import Finished

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""How often a disk that was full is tried again."""

T = TypeVar("T")


class Journal:
    """Writes what becomes of jobs.

    Args:
        store: Open; nobody else writes to it.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "queue")
        self._unsaved: dict[str, tuple[int, JobRecord, Finished]] = {}
        self._retry: asyncio.TimerHandle | None = None
        self.problem = ""

    def unsaved(self, job_id: str) -> JobRecord | None:
        """Return a job that has ended without the disk having taken it."""
        entry = self._unsaved.get(job_id)
        return entry[1] if entry else None

    async def accept(self, job: QueuedJob) -> None:
        """Write down a job that waits.

        Raises:
            LocalProtocolError: If it is too large.
            BridgeError: ``queue_unavailable``.
        """
        await self._do(lambda: self._store.accept(job.seq, job.session, job.number, job.run, job.queued_time))

    def begin(self, job: QueuedJob) -> None:
        """Have it written down soon that a job runs."""
        began_time, attempts = job.began_time, job.attempts
        self._do_soon(lambda: self._store.begin(job.seq, began_time, attempts))

    def put_back(self, job: QueuedJob) -> None:
        """Have it written down soon that a job waits again."""
        self._do_soon(lambda: self._store.put_back(job.seq))

    async def end(self, job: QueuedJob, finished: Finished) -> Finished:
        """Write down a job's last word, after its results; return it, with a warning if that failed."""
        ended_time = time.time()
        finished, is_saved = await self._in_thread(lambda: self._write_end(job, finished, ended_time))
        if not is_saved:
            self._unsaved[job.run.job] = job.seq, job.ended_record(finished, ended_time), finished
            self._try_again_later()
        return finished

    async def forget(self, job_ids: Collection[str] | None, session_prefix: str) -> None:
        """Remove jobs from the history.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        await self._do(lambda: self._store.forget(job_ids, session_prefix))

    async def close(self) -> None:
        """Write what is left to write, and close the store."""
        if self._retry:
            self._retry.cancel()
        await self._in_thread(self._save_the_unsaved)
        await self._in_thread(self._store.close)
        self._thread.shutdown()

    async def _do(self, action: Callable[[], T]) -> T:
        try:
            outcome = await self._in_thread(action)
        except BridgeError as error:
            if error.code == "queue_unavailable":
                self.problem = error.message
            raise
        self.problem = ""
        return outcome

    def _do_soon(self, action: Callable[[], object]) -> None:
        self._in_thread(action).add_done_callback(_complain)

    def _in_thread(self, action: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, action)

    def _write_end(self, job: QueuedJob, finished: Finished, ended_time: float) -> tuple[Finished, bool]:
        """Write results and last word, on the thread; return the word, and whether it is on the disk."""
        kept = size = 0
        try:
            size = self._store.keep_results(job.seq, job.results)
            kept = len(job.results)
        except BridgeError as error:
            finished = _warned(finished, error)
        try:
            self._store.end(job.seq, finished, ended_time, kept, size)
        except BridgeError as error:
            self.problem = error.message
            return _warned(finished, error), False
        self.problem = ""
        return finished, True

    def _try_again_later(self) -> None:
        self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._in_thread(self._save_the_unsaved).add_done_callback(self._tried_again)

    def _tried_again(self, tried: asyncio.Future[None]) -> None:
        if self._unsaved and not self._retry:
            self._try_again_later()

    def _save_the_unsaved(self) -> None:
        for job_id, (seq, record, finished) in list(self._unsaved.items()):
            try:
                self._store.end(seq, finished, record.ended_at)
            except BridgeError as error:
                log.error("the end of job %s is not on the disk yet: %s", job_id, error.message)
                return
            del self._unsaved[job_id]
        self.problem = ""


def _complain(written: asyncio.Future[object]) -> None:
    if not written.cancelled() and (error := written.exception()):
        log.error("%s", error)


def _warned(finished: Finished, error: BridgeError) -> Finished:
    warning = Problem(
        "output_failed", f"this job cannot be fetched again: {error.message}", error.hint, is_warning=True
    )
    return replace(finished, problems=(*finished.problems, warning))
