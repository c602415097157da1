"""Jobs: one at a time, none is dropped; first come, first served, unless their numbers say otherwise.

1. A job waits, runs, and ends with exactly one ``Finished``, which goes to its client and, with its
   results, into the history.
2. Each step is on the disk before anybody is told: a job is accepted, and has ended, once that is written.
   The next one begins after that.
3. A job under which the worker or the daemon died waits again, before all others; it begins
   ``MAX_RETRIES`` + 1 times at most.
4. A job that waits and is cancelled has ended before ``cancel`` returns. That one which runs was cancelled
   is on the disk by then; it does not begin again.
5. The lowest number goes first, among equal ones the oldest. A job without one gets the next number,
   from 1; one that wants to the front gets minus that. What runs is not interrupted.
6. A job belongs to the session that submitted it; to others it does not exist. Whoever may see all jobs
   asks in the name of the session "".
7. When the daemon leaves, what waits or runs waits for its next start, if the store is lasting; else it
   is cancelled.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from bridge.engine import Executing, Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Candidate, Dispatcher
from bridge.jobs.history import History
from bridge.jobs.journal import Journal
from bridge.jobs.queued import MAX_RESULT_BYTES, QueuedJob
from bridge.jobs.record import JobRecord
from bridge.jobs.sessions import Sessions
from bridge.jobs.store import JobStore, Unfinished
from bridge.protocol import Finished, Message, Progress, Result

MAX_WAITING = 1000
"""Jobs that one session may have waiting."""

MAX_WAITING_IN_ALL = 4000
"""Jobs of all sessions that may wait."""

MAX_WAITING_BYTES = 1024**3
"""Memory that the workflows and frames of all jobs that wait may take."""

BYTES_IN_MEMORY = 5
"""What a byte of JSON takes once it is read; measured on workflows of ComfyUI's editor."""

MAX_RETRIES = 2
"""How often what the worker died under is tried again."""

T = TypeVar("T")


class JobQueue:
    """The jobs of all clients.

    Args:
        dispatcher: Where they run.
        sessions: Where their messages go.
        store: Where they are written down; yet to be opened.
        on_change: Called when a job came, began or ended.
    """

    def __init__(
        self, dispatcher: Dispatcher, sessions: Sessions, store: JobStore, on_change: Callable[[], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._store = store
        self._journal = Journal(store)
        self._on_change = on_change
        self._arriving: dict[str, QueuedJob] = {}  # not on the disk yet
        self._waiting: dict[str, QueuedJob] = {}
        self._running: QueuedJob | None = None  # until its end is on the disk
        self._ending: dict[str, QueuedJob] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._seq = 0
        self._changed_at = -math.inf

    def open(self) -> None:
        """Open the store, and take up what an earlier process left behind.

        Raises:
            BridgeError: ``newer_database`` or ``bad_folder``.
        """
        self._store.open()
        self._seq = self._store.last_seq
        for left in self._store.unfinished():
            self._restore(left)

    async def close(self) -> None:
        """Write down what is still to be written, and close the store; nothing comes after this."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._journal.close()

    def __len__(self) -> int:
        return len(self._waiting) + self.is_running

    @property
    def idle_s(self) -> float:
        """Seconds since a job was last accepted or ended; 0 while there is one."""
        return 0.0 if len(self) else _now() - self._changed_at

    @property
    def is_running(self) -> bool:
        """Whether a job is in the worker, or its end not yet on the disk."""
        return self._running is not None

    @property
    def history(self) -> History:
        """The jobs that have ended."""
        return self._store.history

    @property
    def problem(self) -> str:
        """What is wrong with the store; empty if nothing is."""
        return self._journal.problem or self._store.warning

    @property
    def is_kept(self) -> bool:
        """Whether jobs can be written down at present."""
        return not self._journal.problem

    def jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that have not ended: what runs, then what waits, in the order of its turns."""
        running = [self._running.record("running")] if self._running else []
        waiting = sorted(self._waiting.values(), key=lambda job: job.place)
        return [*running, *(job.record("waiting") for job in waiting)]

    def record(self, job_id: str) -> JobRecord | None:
        """Return a job in any state."""
        if self._running and self._running.run.job == job_id:
            return self._running.record("running")
        if job := self._waiting.get(job_id) or self._ending.get(job_id):
            return job.record("waiting")
        return self._journal.unsaved(job_id) or self.history.find(job_id)

    def raise_if_full(self, session: str) -> None:
        """Refuse a job while too many wait, of the session or of all.

        Raises:
            BridgeError: ``queue_full``.
        """
        waiting = [*self._arriving.values(), *self._waiting.values()]
        hint = "Wait until one has finished, or cancel some."
        if sum(job.session == session for job in waiting) >= MAX_WAITING:
            text = f"{MAX_WAITING} jobs of this client are waiting already"
            raise BridgeError(text, code="queue_full", hint=hint)
        if len(waiting) >= MAX_WAITING_IN_ALL or sum(job.bytes for job in waiting) >= MAX_WAITING_BYTES:
            raise BridgeError("too many jobs of all clients are waiting", code="queue_full", hint=hint)

    async def has(self, session: str, job_id: str) -> bool:
        """Tell whether a session has this job, in any state; waits for one that is being written down."""
        while job_id in self._arriving:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        record = self.record(job_id)
        return record is not None and record.session == session

    async def add(self, session: str, run: Run, number: float | None = None, *, front: bool = False) -> int:
        """Queue a job; return how many are ahead of it once it is on the disk.

        Args:
            session: Whose it is.
            run: What the worker will be asked to do.
            number: See rule 5.
            front: Whether it goes before all that wait; a number overrules it.

        Raises:
            BridgeError: ``queue_full``, ``job_exists``, or ``queue_unavailable``.
        """
        self.raise_if_full(session)
        if run.job in self._arriving or self.record(run.job):
            raise BridgeError(
                f'there is a job "{run.job[:80]}" already',
                code="job_exists",
                hint="Choose another id, or let the daemon choose one.",
            )
        self._seq += 1
        if number is None:
            number = -self._seq if front else self._seq
        job = self._arriving[run.job] = QueuedJob(self._seq, session, run, number, _now())
        return await asyncio.shield(self._soon(self._accept(job)))

    async def cancel(self, session: str, job_id: str) -> bool:
        """Have a job's last word be ``cancelled``; return whether it is not too late.

        Raises:
            BridgeError: ``job_not_found``.
        """
        job = self._find(session, job_id)
        if job is None or job_id in self._ending:
            return False
        if job is self._running:
            job.is_cancelled = True
            self._dispatcher.cancel(job_id)
            await asyncio.shield(self._soon(self._journal.cancel(job)))
        else:
            await asyncio.shield(self._end_soon(job, Finished("cancelled", job=job_id)))
        return True

    async def attach(self, session: str, job_id: str) -> None:
        """Send the results of a job again, and its last word if it has ended.

        Raises:
            BridgeError: ``job_not_found``, or ``results_lost``.
        """
        for message in await self.messages(session, job_id):
            self._sessions.deliver(session, message)

    async def messages(self, session: str, job_id: str) -> list[Message]:
        """Return the results of a job so far, and its last word if it has ended.

        Raises:
            BridgeError: As ``attach``.
        """
        job = self._find(session, job_id)
        if job:
            return list(job.results)
        last_word = self._journal.unsaved_word(job_id)
        return [last_word] if last_word else await asyncio.to_thread(self.history.messages, job_id)

    async def forget(self, job_ids: Collection[str] | None, session_prefix: str = "") -> int:
        """Remove jobs from the history; return how many.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        return await self._journal.forget(job_ids, session_prefix)

    def candidates(self) -> Sequence[Candidate]:
        """Return the job whose turn it is, unless one is running."""
        if self._running or not self._waiting:
            return ()
        job = min(self._waiting.values(), key=lambda job: job.place)
        candidate = Candidate(
            job.run,
            is_suspect=job.is_interrupted,
            on_begin=partial(self._begin, job),
            on_message=partial(self._hear, job),
            on_finish=partial(self._finish, job),
            on_lost=partial(self._lose, job),
            session=job.session,
            attempt=job.attempts + 1,
        )
        return (candidate,)

    def end_waiting(self, state: str, problem: Problem) -> None:
        """End all jobs that wait."""
        for job in list(self._waiting.values()):
            self._end_soon(job, Finished(state, job=job.run.job, problems=(problem,)))

    def leave(self) -> int:
        """Begin nothing more, and stop what runs (rule 7); return how many jobs wait for the next start."""
        running = self._running
        if running and running.run.job not in self._ending:
            if self._store.is_lasting and not running.is_cancelled:
                running.is_put_back = True
                self._journal.put_back(running)
            self._dispatcher.cancel(running.run.job)
        if not self._store.is_lasting:
            self.end_waiting("cancelled", Problem("daemon_stopped", "the daemon was stopped"))
            return 0
        return len(self._waiting) + bool(running and running.is_put_back)

    def _find(self, session: str, job_id: str) -> QueuedJob | None:
        """Return a session's job; ``None`` if its end is on the disk."""
        job = self._waiting.get(job_id) or self._ending.get(job_id)
        if job is None and self._running and self._running.run.job == job_id:
            job = self._running
        owner = job or self.record(job_id)
        if owner is None or session not in ("", owner.session):
            raise BridgeError(
                f'there is no job "{job_id[:80]}"',
                code="job_not_found",
                hint="It may have been forgotten; submit it again.",
            )
        return job

    def _restore(self, left: Unfinished) -> None:
        job = QueuedJob(
            left.seq,
            left.session,
            left.run,
            left.number,
            _now(),
            queued_time=left.queued_at,
            began_time=left.began_at,
            attempts=left.attempts,
            is_interrupted=left.is_begun,
        )
        self._waiting[left.run.job] = job
        if left.is_cancelled:
            self._end_soon(job, Finished("cancelled", job=left.run.job))
            return
        problem = LOST if left.is_damaged else crashed("the daemon or its worker died", job.attempts)
        if left.is_damaged or job.attempts > MAX_RETRIES:
            self._end_soon(job, Finished("failed", job=left.run.job, problems=(problem,)))

    async def _accept(self, job: QueuedJob) -> int:
        try:
            job.bytes += BYTES_IN_MEMORY * await self._journal.accept(job)
        finally:
            del self._arriving[job.run.job]
        ahead = sum(other.place < job.place for other in self._waiting.values())
        self._waiting[job.run.job] = job
        self._changed_at = _now()
        self._on_change()
        return ahead + self.is_running

    def _begin(self, job: QueuedJob) -> None:
        del self._waiting[job.run.job]
        self._running = job
        job.begin(_now())
        self._journal.begin(job)
        self._on_change()

    def _hear(self, job: QueuedJob, message: Message) -> None:
        if isinstance(message, Executing | Progress):
            job.node = message.node if isinstance(message, Progress) else message.display
        elif isinstance(message, Result):
            job.take(message)
            if job.has_too_many_results:
                self._dispatcher.cancel(job.run.job)
                return
        self._sessions.deliver(job.session, message)

    def _lose(self, job: QueuedJob, reason: str) -> None:
        if job.attempts > MAX_RETRIES:
            problem = crashed(reason, job.attempts, job.node, job.class_type)
            self._finish(job, Finished("failed", job=job.run.job, problems=(problem,)))
            return
        self._dispatcher.metrics.run_again()
        job.interrupt()
        self._running = None
        self._waiting[job.run.job] = job
        self._on_change()

    def _finish(self, job: QueuedJob, finished: Finished) -> None:
        """Take the last word about the job that runs."""
        if job.is_put_back and finished.state == "cancelled":
            self._running = None
            return
        finished = replace(finished, timings={"queue": job.began_at - job.queued_at, **finished.timings})
        if job.has_too_many_results:
            finished = replace(finished, state="failed", problems=(TOO_MUCH_OUTPUT,))
        self._end_soon(job, finished)

    def _end_soon(self, job: QueuedJob, finished: Finished) -> "asyncio.Task[None]":
        self._waiting.pop(job.run.job, None)
        self._ending[job.run.job] = job
        return self._soon(self._end(job, finished))

    async def _end(self, job: QueuedJob, finished: Finished) -> None:
        finished = await self._journal.end(job, finished)
        del self._ending[job.run.job]
        if job is self._running:
            self._running = None
        self._dispatcher.metrics.job_ended(finished.state, finished.timings)
        self._sessions.deliver(job.session, finished)
        self._changed_at = _now()
        self._on_change()

    def _soon(self, step: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Take a step that goes on even if whoever waits for it goes away."""
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


TOO_MUCH_OUTPUT = Problem(
    "too_much_output",
    f"the workflow hands back more than {MAX_RESULT_BYTES // 2**20} MiB of pictures",
    "Save them with SaveImage instead of SendToHost, or make fewer.",
)

LOST = Problem(
    "queue_damaged",
    "the daemon was started again, and what this job looks at is lost: its file is missing or damaged",
    "Submit it again.",
)


def crashed(reason: str, times: int, node: str = "", class_type: str = "") -> Problem:
    """Say that something takes the worker down; a node, if it is known which ran last."""
    return Problem(
        "worker_crashed",
        f"{reason} while {class_type or 'this'} ran, {times} times",
        "The daemon's log has the details. A model file may be damaged, a node faulty, or memory short.",
        node_id=node,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
