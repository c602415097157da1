"""A job between its submission and its last word."""

import time
from dataclasses import dataclass, field, replace

from bridge.engine import Run
from bridge.jobs.record import JobRecord
from bridge.protocol import Finished, Message, Result, picture_bytes

MAX_RESULT_BYTES = 256 * 1024**2
"""Size of the pictures that one job may hand back."""


@dataclass(slots=True, eq=False)
class QueuedJob:
    """A job that has not ended.

    Args:
        seq: Counts the jobs of all times.
        session: Whose it is.
        run: What the worker is asked to do.
        number: Its place among those that wait.
        queued_at: The event loop's time of its submission, in seconds; of its restoration after a restart.
        began_at: The same of its (last) beginning.
        queued_time: Unix seconds of its submission, for display.
        began_time: The same of its (last) beginning.
        attempts: How often it has begun.
        is_interrupted: Whether it was running when its worker or daemon died.
        is_cancelled: Whether its run was told to stop.
        node: The node of its workflow that was heard of last; empty where none is told of.
        is_put_back: Whether it is to wait for the next start of the daemon.
        results: What it has handed back so far.
        result_bytes: Size of their pictures.

    Attributes:
        bytes: Memory that the pictures take that it looks at, and its workflow once that is written down.
    """

    seq: int
    session: str
    run: Run
    number: float
    queued_at: float
    began_at: float = 0.0
    queued_time: float = field(default_factory=time.time)
    began_time: float = 0.0
    attempts: int = 0
    is_interrupted: bool = False
    is_cancelled: bool = False
    is_put_back: bool = False
    node: str = ""
    results: list[Message] = field(default_factory=list)
    result_bytes: int = 0
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = picture_bytes(self.run)

    @property
    def place(self) -> tuple[bool, float, int]:
        """Where it stands among those that wait: the smallest goes first."""
        return not self.is_interrupted, self.number, self.seq

    @property
    def has_too_many_results(self) -> bool:
        """Whether it has handed back more than ``MAX_RESULT_BYTES``."""
        return self.result_bytes > MAX_RESULT_BYTES

    @property
    def class_type(self) -> str:
        """The class of that node; empty if the workflow has no such node."""
        return str(self.run.workflow.get(self.node, {}).get("class_type", ""))

    def begin(self, now: float) -> None:
        """Note that it runs."""
        self.began_at, self.began_time = now, self.next_time()
        self.attempts += 1

    def next_time(self) -> float:
        """Return Unix seconds for what is noted next: not less than before, though the clock was set back."""
        return max(time.time(), self.queued_time, self.began_time)

    def take(self, result: Result) -> None:
        """Note what it hands back; too much is not kept."""
        self.result_bytes += picture_bytes(result)
        if not self.has_too_many_results:
            self.results.append(result)

    def interrupt(self) -> None:
        """Note that its run was lost, and what it had handed back with it."""
        self.results.clear()
        self.result_bytes = 0
        self.is_interrupted = True

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

    def ended_record(self, finished: Finished, ended_time: float) -> JobRecord:
        """Return the same after its last word."""
        return replace(
            self.record(finished.state),
            ended_at=ended_time,
            shown=finished.outputs,
            problems=finished.problems,
            timings=finished.timings,
        )
