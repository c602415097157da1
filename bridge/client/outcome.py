"""What became of a job, for scripts: pictures, or the error that the daemon described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    BridgeError,
    ConnectionLost,
    ExecutionError,
    InputError,
    Interrupted,
    ModelError,
    ModelNotFound,
    OutOfMemory,
    Problem,
    UnsupportedModel,
    WorkflowError,
)
from ..protocol import Finished, Plane, Result

CANCELLED = Problem("cancelled", "the job was cancelled")
UNEXPLAINED = Problem("node_failed", "it failed, and the daemon did not say why", "Its log may have more.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job that is done.

    Args:
        job: Its id.
        results: What ``SendToHost`` nodes handed back, in the order of arrival.
        finished: The daemon's last word, with the outputs of all nodes and timings.
        warnings: What was odd about the workflow or in its nodes, and what kept some of these from running.
        texts: Name → what a dynamic prompt has become.
    """

    job: str
    results: tuple[Result, ...]
    finished: Finished
    warnings: tuple[Problem, ...] = ()
    texts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> tuple[Plane, ...]:
        """All pictures that were handed back."""
        return tuple(plane for result in self.results for plane in result.planes)


def error_of(finished: Finished) -> BridgeError:
    """Return why a job is not done; its last word need not say."""
    unexplained = CANCELLED if finished.state == "cancelled" else UNEXPLAINED
    return error_from(finished.problems or (unexplained,), ExecutionError)


def error_from(problems: Sequence[Problem], default: type[BridgeError] = BridgeError) -> BridgeError:
    """Return the error that a peer, or another thread, has described.

    Args:
        problems: At least one.
        default: The class where the code names none of ours.
    """
    first = problems[0]
    kind = _KINDS.get(first.code, default) if len(problems) == 1 else default
    if kind is WorkflowError:
        return WorkflowError(problems)
    return kind(
        first.message,
        code=first.code,
        hint=first.hint,
        node_id=first.node_id,
        input_name=first.input_name,
    )


_KINDS: Mapping[str, type[BridgeError]] = {
    kind.code: kind
    for kind in (
        ConnectionLost,
        InputError,
        Interrupted,
        ModelError,
        ModelNotFound,
        OutOfMemory,
        UnsupportedModel,
    )
}
"""The classes that a caller treats differently, by the code on the wire."""
