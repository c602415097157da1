"""Jobs: one at a time, none is dropped; first come, first served, unless their numbers say otherwise.

1. A job waits, runs, and ends with exactly one ``Finished``, which goes to its client and, with its
   results, into the history.
2. A job under which the worker died waits again, before all others, ``MAX_RETRIES`` times at most.
3. A job that waits and is cancelled has ended before ``cancel`` returns.
4. The lowest number goes first, among equal ones the oldest. A job without one gets the next number,
   from 1; one that wants to the front gets minus that. What runs is not interrupted.
5. A job belongs to the session that submitted it; to others it does not exist. Whoever may see all jobs
   asks in the name of the session "".
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from math import inf

from bridge.engine import Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Candidate, Dispatcher
from bridge.jobs.history import History
from bridge.jobs.record import JobRecord
from bridge.jobs.sessions import Sessions
from bridge.protocol import Finished, Message, Result, picture_bytes

MAX_WAITING = 64
"""Jobs that one session may have waiting."""

MAX_WAITING_IN_ALL = 512
"""Jobs of all sessions that may wait."""

MAX_WAITING_BYTES = 1024**3
"""Size of the frames of all jobs that wait."""

MAX_RESULT_BYTES = 256 * 1024**2
"""Size of the pictures that one job may hand back."""

MAX_RETRIES = 2
"""How often what the worker died under is tried again."""


@dataclass(slots=True, eq=False)
class QueuedJob:
    """A job between its submission and its last word.

    Args:
        session: Whose it is.
        run: What the worker is asked to do.
        number: Its place among those that wait.
        queued_at: The event loop's time of its submission, in seconds.
        began_at: The same of its (last) beginning.
        queued_time: Unix seconds of its submission, for display.
        began_time: The same of its (last) beginning.
        results: What it has handed back so far.
        result_bytes: Size of their pictures.
        attempts: How often it has begun.
        crashes: How often the worker died under it.
    """

    session: str
    run: Run
    number: float
    queued_at: float
    began_at: float = 0.0
    queued_time: float = field(default_factory=time.time)
    began_time: float = 0.0
    results: list[Message] = field(default_factory=list)
    result_bytes: int = 0
    attempts: int = 0
    crashes: int = 0

    @property
    def has_too_many_results(self) -> bool:
        """Whether it has handed back more than ``MAX_RESULT_BYTES``."""
        return self.result_bytes > MAX_RESULT_BYTES

    def record(self, state: str) -> JobRecord:
        """Return the job as everybody may see it."""
        run = self.run
        return JobRecord(
            run.job,
            self.session,
            self.number,
            run.prompt or run.workflow,
            run.extra,
            run.outputs,
            state,
            self.queued_time,
            self.began_time,
            attempts=self.attempts,
        )


class JobQueue:
    """The jobs of all clients.

    Args:
        dispatcher: Where they run.
        sessions: Where their messages go.
        on_change: Called when a job came, began or ended.
    """

    def __init__(self, dispatcher: Dispatcher, sessions: Sessions, on_change: Callable[[], None]) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._on_change = on_change
        self._waiting: dict[str, QueuedJob] = {}
        self._running: QueuedJob | None = None
        self._history = History()
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._waiting) + self.is_running

    @property
    def is_running(self) -> bool:
        """Whether a job is in the worker."""
        return self._running is not None

    def jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that have not ended: what runs, then what waits, in the order of its turns."""
        running = [self._running.record("running")] if self._running else []
        waiting = sorted(self._waiting.values(), key=lambda job: job.number)
        return [*running, *(job.record("waiting") for job in waiting)]

    def record(self, job_id: str) -> JobRecord | None:
        """Return a job in any state."""
        for record in self.jobs():
            if record.id == job_id:
                return record
        ended = self._history.find(job_id)
        return ended.record if ended else None

    @property
    def history(self) -> History:
        """The jobs that have ended."""
        return self._history

    def raise_if_full(self, session: str) -> None:
        """Refuse a job while too many wait, of the session or of all.

        Raises:
            BridgeError: ``queue_full``.
        """
        waiting = self._waiting.values()
        hint = "Wait until one has finished, or cancel some."
        if sum(job.session == session for job in waiting) >= MAX_WAITING:
            text = f"{MAX_WAITING} jobs of this client are waiting already"
            raise BridgeError(text, code="queue_full", hint=hint)
        if (
            len(waiting) >= MAX_WAITING_IN_ALL
            or sum(picture_bytes(job.run) for job in waiting) >= MAX_WAITING_BYTES
        ):
            raise BridgeError("too many jobs of all clients are waiting", code="queue_full", hint=hint)

    def add(self, session: str, run: Run, number: float | None = None, *, front: bool = False) -> int:
        """Queue a job; return how many are ahead of it.

        Args:
            session: Whose it is.
            run: What the worker will be asked to do.
            number: See rule 4.
            front: Whether it goes before all that wait; a number overrules it.

        Raises:
            BridgeError: ``queue_full``, or ``job_exists``.
        """
        self.raise_if_full(session)
        if self.record(run.job):
            raise BridgeError(
                f'there is a job "{run.job[:80]}" already',
                code="job_exists",
                hint="Choose another id, or let the daemon choose one.",
            )
        following = next(self._numbers)
        if number is None:
            number = -following if front else following
        ahead = sum(job.number <= number for job in self._waiting.values())
        self._waiting[run.job] = QueuedJob(session, run, number, _now())
        self._on_change()
        return ahead + self.is_running

    def cancel(self, session: str, job_id: str) -> bool:
        """Have a job's last word be ``cancelled``; return whether it is not too late.

        Raises:
            BridgeError: ``job_not_found``.
        """
        job = self._find(session, job_id)
        if job is None:
            return False
        if job is self._running:
            self._dispatcher.cancel(job_id)
        else:
            self._end(job, Finished("cancelled", job=job_id))
        return True

    def attach(self, session: str, job_id: str) -> None:
        """Send the results of a job again, and its last word if it has ended.

        Raises:
            BridgeError: ``job_not_found``.
        """
        job = self._find(session, job_id)
        record = self._history.find(job_id)
        for message in job.results if job else record.messages if record else ():
            self._sessions.deliver(session, message)

    def candidates(self) -> Sequence[Candidate]:
        """Return the job whose turn it is, unless one is running."""
        if self._running or not self._waiting:
            return ()
        job = min(self._waiting.values(), key=lambda job: job.number)
        candidate = Candidate(
            job.run,
            is_suspect=job.crashes > 0,
            on_begin=partial(self._begin, job),
            on_message=partial(self._hear, job),
            on_finish=partial(self._end, job),
            on_lost=partial(self._lose, job),
            session=job.session,
            attempt=job.crashes + 1,
        )
        return (candidate,)

    def end_waiting(self, state: str, problem: Problem) -> None:
        """End all jobs that wait."""
        for job in list(self._waiting.values()):
            self._end(job, Finished(state, job=job.run.job, problems=(problem,)))

    def cancel_running(self) -> None:
        """Cancel the job that runs, if one does."""
        if self._running:
            self._dispatcher.cancel(self._running.run.job)

    def _find(self, session: str, job_id: str) -> QueuedJob | None:
        """Return a session's job; ``None`` if it has ended."""
        job = self._waiting.get(job_id)
        if job is None and self._running and self._running.run.job == job_id:
            job = self._running
        ended = self._history.find(job_id)
        owner = job.session if job else ended.record.session if ended else None
        if owner is None or session not in ("", owner):
            raise BridgeError(
                f'there is no job "{job_id[:80]}"',
                code="job_not_found",
                hint="It may have been forgotten; submit it again.",
            )
        return job

    def _begin(self, job: QueuedJob) -> None:
        del self._waiting[job.run.job]
        self._running = job
        job.began_at, job.began_time = _now(), time.time()
        job.attempts += 1
        self._on_change()

    def _hear(self, job: QueuedJob, message: Message) -> None:
        if isinstance(message, Result):
            job.result_bytes += picture_bytes(message)
            if job.has_too_many_results:
                self._dispatcher.cancel(job.run.job)
                return
            job.results.append(message)
        self._sessions.deliver(job.session, message)

    def _lose(self, job: QueuedJob, reason: str) -> None:
        job.crashes += 1
        if job.crashes > MAX_RETRIES:
            self._end(job, Finished("failed", job=job.run.job, problems=(crashed(reason, job.crashes),)))
            return
        job.results.clear()
        job.result_bytes = 0
        self._running = None
        job.number = -inf
        self._waiting[job.run.job] = job
        self._on_change()

    def _end(self, job: QueuedJob, finished: Finished) -> None:
        if job is self._running:
            self._running = None
            timings = {"queue": job.began_at - job.queued_at, **finished.timings}
            finished = replace(finished, timings=timings)
            if job.has_too_many_results:
                finished = replace(finished, state="failed", problems=(TOO_MUCH_OUTPUT,))
        else:
            del self._waiting[job.run.job]
        record = replace(
            job.record(finished.state),
            ended_at=time.time(),
            shown=finished.outputs,
            problems=finished.problems,
            timings=finished.timings,
        )
        self._dispatcher.metrics.job_ended(finished.state, finished.timings)
        self._history.add(record, [*job.results, finished])
        self._sessions.deliver(job.session, finished)
        self._on_change()


TOO_MUCH_OUTPUT = Problem(
    "too_much_output",
    f"the workflow hands back more than {MAX_RESULT_BYTES // 2**20} MiB of pictures",
    "Save them with SaveImage instead of SendToHost, or make fewer.",
)


def crashed(reason: str, times: int) -> Problem:
    """Say that something takes the worker down."""
    return Problem(
        "worker_crashed",
        f"{reason} while this ran, {times} times",
        "The daemon's log has the details. A model file may be damaged, or memory may run out.",
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
