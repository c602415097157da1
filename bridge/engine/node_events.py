"""Telling of each node of a run, for clients of ComfyUI's API; says nothing where nobody wants to know.

1. What comes from the cache when a run begins is told at once, in one message; then what those nodes show.
2. A node that runs is told when it begins and when it ends. One that takes over the result of another,
   or finds it in the cache later, is told of only if it shows something.
3. What a node of an expansion shows is told by that node; the node that expanded tells only its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bridge.engine.cache import Entry
from bridge.engine.job import Job
from bridge.engine.messages import Cached, Executed, Executing, NodeFailed
from bridge.engine.plan import Plan
from bridge.engine.step import Step
from bridge.errors import BridgeError, Interrupted, sound

MAX_TOLD = 200
"""Characters of a text among the inputs of a node that has failed."""


class NodeEvents:
    """What is told of the nodes of one run.

    Args:
        job: Whose client may want to know.
        plan: Knows which node speaks for which.
    """

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job = job
        self._plan = plan
        self._found: list[tuple[Step, Entry]] | None = []  # in the cache, until the run begins

    def begin(self, cached: Iterable[str]) -> None:
        """Tell what the cache knew when the run began (rule 1): all of it, lazy inputs included."""
        found, self._found = self._found or [], None
        if self._job.wants_nodes:
            self._job.emit(Cached(self._job.id, tuple(cached)))
            for step, entry in found:
                self.finish(step, entry)

    def start(self, step: Step) -> None:
        """Tell that a node begins; at once, if it may keep the event loop for a while."""
        if self._job.wants_nodes:
            self._job.emit(Executing(self._job.id, *self._place(step)))
            if step.node.class_type not in self._job.quick:
                self._job.flush()

    def finish(self, step: Step, entry: Entry) -> None:
        """Tell that a node has ended, and what it shows (rules 2 and 3)."""
        if not self._job.wants_nodes:
            return
        if self._found is not None:
            self._found.append((step, entry))
            return
        has_run = step.calls is not None
        shown = step.own_shown if has_run else entry.shown
        if has_run or shown:
            self._job.emit(Executed(self._job.id, *self._place(step), shown))

    @contextmanager
    def failure(self, step: Step, inputs: Callable[[Step], Mapping[str, list[Any]]]) -> Iterator[None]:
        """Tell the details of what a node fails with."""
        try:
            yield
        except BridgeError as error:
            if self._job.wants_nodes and not isinstance(error, Interrupted):
                cause = error.__cause__ or error
                text = (str(cause) if error.__cause__ else error.message) or type(cause).__name__
                told = {name: _told(values) for name, values in inputs(step).items()}
                safe = sound(text[: 10 * MAX_TOLD])
                self._job.emit(
                    NodeFailed(self._job.id, error.node_id or step.node.id, type(cause).__name__, safe, told)
                )
            raise

    def _place(self, step: Step) -> tuple[str, str, str]:
        node_id = step.node.id
        return node_id, self._plan.display(node_id), self._plan.parent(node_id) or ""


def _told(values: list[Any]) -> list[str | float | bool | None]:
    """Return what of an input's values a message may repeat: no pictures, no models, no long texts."""
    return [_plain(value) for value in values[:4]]


def _plain(value: Any) -> str | float | bool | None:
    if isinstance(value, str):
        return sound(value[:MAX_TOLD])
    if value is None or (isinstance(value, (bool, int, float)) and abs(value) < 2**53):
        return value
    return type(value).__name__
