"""What was asked of the daemon and has not ended: one task a job, from sending to its last word.

Rules:
1. A task ends exactly once, with ``done``, ``failed`` or ``cancelled``; then whoever waits for it is called,
   on the main thread.
2. Results are kept until then: half a job's pictures are never shown as its result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import protocol
from ..client.outcome import UNEXPLAINED
from ..errors import Problem
from .session import Session

ENDS = ("done", "failed", "cancelled")


@dataclass
class Task:
    """A job of ours.

    Args:
        request: What it was sent with.
        on_end: Called with the task when it has ended.

    Attributes:
        state: ``sent``, ``queued``, ``running``, or one of ``ENDS``.
        job: The daemon's name for it, once accepted.
        position: Jobs that were ahead of it.
        node: Id of the node that works.
        value: How far the node is.
        maximum: How far it has to go; 0 while unknown.
        preview: What the picture looks like so far.
        results: What came back, in order; node ids and planes.
        timings: What it took by phase, in seconds, once it has ended.
        outputs: What its nodes showed: node id → JSON data.
        problems: Why it failed, or brought nothing.
        warnings: What was odd, and no fault.
        texts: Name → what a dynamic prompt has become.
    """

    request: str
    on_end: Callable[[Task], None]
    on_preview: Callable[[Task], None] | None = None
    state: str = "sent"
    job: str = ""
    position: int = 0
    node: str = ""
    value: float = 0.0
    maximum: float = 0.0
    detail: str = ""
    preview: protocol.Plane | None = None
    results: list[protocol.Result] = field(default_factory=list)
    timings: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    texts: Mapping[str, Any] = field(default_factory=dict)
    wants_cancel: bool = False
    _known: set[bytes] = field(default_factory=set)

    def keep(self, result: protocol.Result) -> None:
        """Add a result, unless it is there: after a reconnect they come again."""
        digest = hashlib.sha1(result.node.encode(), usedforsecurity=False)
        for plane in result.planes:
            digest.update(plane.data)
        if digest.digest() not in self._known:
            self._known.add(digest.digest())
            self.results.append(result)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDS

    @property
    def pictures(self) -> list[protocol.Plane]:
        """All pictures that came back."""
        return [plane for result in self.results for plane in result.planes]

    @property
    def fraction(self) -> float:
        """How far its node is, 0..1."""
        return min(max(self.value / self.maximum, 0.0), 1.0) if self.maximum else 0.0


class Tasks:
    """The tasks that have not ended."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []

    def __iter__(self) -> Iterator[Task]:
        return iter(tuple(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: Task) -> Task:
        """Follow a task from now on."""
        self._tasks.append(task)
        return task

    def cancel(self, task: Task, session: Session | None) -> None:
        """Have a task end: when the daemon says so, or at once if it cannot be asked, or is asked again."""
        if task.has_ended:
            return
        if session is None or not session.status.is_ready or task.wants_cancel:
            if session is not None:
                session.give_up(task.request, task.job)
            self._end(task, "cancelled")
        elif task.job:
            session.cancel(task.job)
        task.wants_cancel = True

    def lose_all(self, problem: Problem) -> None:
        """Note that there is no connection any more."""
        for task in tuple(self._tasks):
            self._end(task, "failed", (problem,))

    def receive(self, message: protocol.Message, session: Session | None) -> None:
        """Take note of a message, if it is about a task."""
        task = self._task_of(message)
        if task is None:
            return
        match message:
            case protocol.Accepted(job=job, position=position, warnings=warnings, texts=texts):
                task.job, task.position, task.warnings, task.state = job, position, warnings, "queued"
                task.texts = texts
                if task.wants_cancel and session is not None:
                    session.cancel(job)
            case protocol.Started():
                task.state = "running"
                task.results.clear()  # a worker died, and the job begins anew
                task._known.clear()
            case protocol.Progress(node=node, value=value, maximum=maximum, detail=detail):
                task.node, task.value, task.maximum, task.detail = node, value, maximum, detail
            case protocol.Preview(planes=planes) if planes:
                task.preview = planes[0]
                if task.on_preview:
                    task.on_preview(task)
            case protocol.Result():
                task.keep(message)
            case protocol.Failure(problems=problems):
                self._end(task, "failed", problems)
            case protocol.Finished(state=state, problems=problems, outputs=outputs, timings=timings):
                task.outputs, task.timings = outputs, timings
                if state == "done" and task.results:
                    task.warnings, problems = (*task.warnings, *problems), ()
                self._end(task, state, problems or ((UNEXPLAINED,) if state == "failed" else ()))

    def _task_of(self, message: protocol.Message) -> Task | None:
        job, request = getattr(message, "job", ""), getattr(message, "request", "")
        for task in self._tasks:
            if (job and task.job == job) or (request and task.request == request):
                return task
        return None

    def _end(self, task: Task, state: str, problems: tuple[Problem, ...] = ()) -> None:
        self._tasks.remove(task)
        task.state, task.problems = state, problems
        task.on_end(task)
