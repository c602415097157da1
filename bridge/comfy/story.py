"""What ComfyUI's clients are told about one job, in ComfyUI's words and order.

1. ``execution_start``, ``execution_cached``; of each node ``progress_state``, ``executing``, perhaps
   ``progress`` and pictures, ``executed`` if it shows something, ``progress_state``; then one of
   ``execution_success``, ``execution_error`` and ``execution_interrupted``.
2. ``status`` and the final ``executing`` without a node are not about the job alone; ``Hub`` adds them.
3. No traceback is told: ``traceback`` holds our advice, line by line, or nothing.
4. No time is earlier than the one told before, though the clock was set back: clients subtract them.
5. ``progress`` is told in whole numbers, as clients in typed languages read no others, and of nodes that run:
   a model's loader has long ended when its weights are read, which is told in words.
6. Of a workflow of many nodes the state is told ``STATE_EVERY_S`` apart, as it names every node each time.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.comfy.told import Event, Picture, Told, Words
from bridge.engine import BLOCKED, PROGRESS_TEXT, Cached, Executed, Executing, NodeFailed, PackEvent
from bridge.errors import Problem
from bridge.protocol import Buffer, Finished, Message, Preview, Progress, Result, Started

MANY_NODES = 64
"""From so many on, not every change of a node's state is told."""

STATE_EVERY_S = 0.05


@dataclass(slots=True)
class _NodeState:
    display: str
    parent: str | None
    value: float = 0.0
    maximum: float = 1.0
    state: str = "running"


class Story:
    """Turns what the worker says about a job into what its client hears.

    Args:
        job_id: The job.
        prompt: Returns its workflow; for the classes of nodes that fail.
    """

    def __init__(self, job_id: str, prompt: Callable[[], Mapping[str, Any]]) -> None:
        self.job_id = job_id
        self.milestones: list[tuple[str, Mapping[str, Any]]] = []
        self.running = ""
        self._prompt = prompt
        self._states: dict[str, _NodeState] = {}
        self._told_at = 0
        self._state_told_at = 0.0
        self._is_state_due = False
        self._failed: NodeFailed | None = None

    def tell(self, message: Message) -> Iterator[Told]:
        """Yield what the client hears about a message."""
        match message:
            case Started():
                yield self._milestone("execution_start")
            case Cached():
                yield self._milestone("execution_cached", nodes=list(message.nodes))
            case Executing():
                yield from self._begin(message)
            case Progress():
                yield from self._progress(message.node, message.value, message.maximum)
                yield from _words(message.node, message.detail)
            case Executed():
                yield from self._end(message)
            case Preview():
                for plane in message.planes:
                    yield self._picture(message.node, plane.codec, plane.data, is_passing=True)
            case Result():
                yield from self._result(message)
            case PackEvent():
                yield from _of_pack(message)
            case NodeFailed():
                self._failed = message
            case Finished():
                yield from self._finish(message)

    def _begin(self, message: Executing) -> Iterator[Event]:
        self._states[message.node] = _NodeState(message.display, message.parent or None)
        self.running = message.display
        yield from self._state_event()
        yield self._event("executing", node=message.node, display_node=message.display)

    def _end(self, message: Executed) -> Iterator[Event]:
        state = self._states.setdefault(
            message.node, _NodeState(message.display, message.parent or None, maximum=1)
        )
        state.value, state.state = state.maximum, "finished"
        if message.shown:
            node, display = message.node, message.display
            yield self._event("executed", node=node, display_node=display, output=message.shown)
        yield from self._state_event()

    def _progress(self, node: str, value: float, maximum: float) -> Iterator[Event]:
        state = self._states.get(node)
        if state and state.state != "running":
            return
        if state:
            state.value, state.maximum = value, maximum
            yield from self._state_event()
        done, whole = _whole(value, maximum)
        yield self._event("progress", is_passing=True, value=done, max=whole, node=node)

    def _result(self, message: Result) -> Iterator[Event | Picture]:
        count = len(message.planes)
        for index, plane in enumerate(message.planes):
            progress = list(self._progress(message.node, index, count))
            yield from progress[:-1]
            yield self._picture(message.node, plane.codec, plane.data, is_passing=False)
            yield from progress[-1:]

    def _picture(self, node: str, codec: str, data: Buffer, *, is_passing: bool) -> Picture:
        return Picture(f"image/{codec}", data, self._about(node), is_passing)

    def _finish(self, message: Finished) -> Iterator[Event]:
        self.running = ""
        if self._is_state_due:
            yield from self._state_event(is_last=True)
        if not self.milestones:  # its client was away, or the daemon began anew
            for node, output in message.outputs.items():
                yield self._event("executed", node=node, display_node=node, output=output)
        if message.state == "done":
            for problem in message.problems:
                if problem.code == BLOCKED:
                    yield self._milestone("execution_error", **self._blocked(problem))
            yield self._milestone("execution_success")
        elif message.state == "cancelled":
            node = next((name for name, state in self._states.items() if state.state == "running"), "")
            yield self._milestone("execution_interrupted", **self._blamed(node))
        else:
            yield self._milestone("execution_error", **self._failure(message.problems))

    def _failure(self, problems: tuple[Problem, ...]) -> dict[str, Any]:
        problem, failed = problems[0], self._failed
        told = {
            **self._blamed(problem.node_id),
            "exception_message": problem.message,
            "exception_type": problem.code,
            "traceback": [problem.hint] if problem.hint else [],
            "current_inputs": {},
            "current_outputs": [],
        }
        if failed and failed.node == problem.node_id:
            told |= {"exception_type": failed.kind, "current_inputs": failed.inputs}
            told |= {"exception_message": failed.text if problem.code == "node_failed" else problem.message}
        return told

    def _blocked(self, problem: Problem) -> dict[str, Any]:
        told = {"exception_message": problem.message, "exception_type": "ExecutionBlocked", "traceback": []}
        return {**self._blamed(problem.node_id), **told, "current_inputs": {}, "current_outputs": []}

    def _blamed(self, node: str) -> dict[str, Any]:
        executed = [name for name, state in self._states.items() if state.state == "finished"]
        node_type = self._prompt().get(node, {}).get("class_type", "")
        return {"node_id": node, "node_type": node_type, "executed": executed}

    def _milestone(self, kind: str, **data: Any) -> Event:
        self._told_at = max(self._told_at, int(time.time() * 1000))
        event = self._event(kind, **data, timestamp=self._told_at)
        self.milestones.append((kind, event.data))
        return event

    def _state_event(self, *, is_last: bool = False) -> Iterator[Event]:
        now = time.monotonic()
        self._is_state_due = len(self._states) >= MANY_NODES and now - self._state_told_at < STATE_EVERY_S
        if self._is_state_due and not is_last:
            return
        self._state_told_at = now
        nodes = {
            name: {
                "value": state.value,
                "max": state.maximum,
                "state": state.state,
                **self._about(name),
            }
            for name, state in self._states.items()
        }
        yield self._event("progress_state", is_passing=True, nodes=nodes)

    def _about(self, node: str) -> dict[str, Any]:
        state = self._states.get(node)
        return {
            "node_id": node,
            "prompt_id": self.job_id,
            "display_node_id": state.display if state else node,
            "parent_node_id": state.parent if state else None,
            "real_node_id": node,
        }

    def _event(self, kind: str, *, is_passing: bool = False, **data: Any) -> Event:
        return Event(kind, {**data, "prompt_id": self.job_id}, is_passing)


def _whole(value: float, maximum: float) -> tuple[int, int]:
    """Return progress in whole numbers; in percent, if it is counted in none."""
    if value == int(value) and maximum == int(maximum):
        return int(value), int(maximum)
    return round(100 * value / maximum) if maximum else 0, 100


def _of_pack(message: PackEvent) -> Iterator[Told]:
    """Yield what a pack tells in words of its own."""
    if message.event == PROGRESS_TEXT:
        yield from _words(str(message.data.get("node", "")), str(message.data.get("text", "")))
    else:
        yield Event(message.event, message.data)


def _words(node: str, text: str) -> Iterator[Words]:
    if text:
        yield Words(node, text)
