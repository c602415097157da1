"""What daemon and worker say to each other.

1. The daemon speaks first: ``Configure``. The worker answers ``Ready`` or ``WorkerFailed``; only then
   does it get work.
2. About a run the worker says ``Started``, then anything, then ``Finished``, and nothing after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bridge.errors import Problem
from bridge.graph import Question
from bridge.protocol import Finished, Frame, Message, Preview, Progress, Result, Started

# ---- to the worker ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configure(Message):
    """The first message: where things lie, and on what to compute.

    Args:
        settings: ``models`` (list), ``input``, ``output``, ``temp``, ``frames``, ``device``, ``dtype``,
            ``cache_bytes``, ``threads``, ``custom_nodes`` (folders), ``without_packs`` (names).
    """

    type: ClassVar[str] = "configure"
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run(Message):
    """Run a workflow once: a job, or a frame of a stream.

    Args:
        job: Names the run in everything said about it.
        workflow: API JSON, validated, with converted values.
        outputs: The nodes that are wanted.
        prompt: The workflow as it was submitted, for pictures to keep; empty where it is the same.
        extra: Kept with pictures beside it.
        frame: What ``ViewportFrame`` sees.
        wants_preview: Whether somebody looks at pictures while sampling.
        wants_nodes: Whether to tell of each node (``Cached``, ``Executing``, ``Executed``, ``NodeFailed``),
            and to hand pictures over as JPEG and PNG: what clients of ComfyUI's API are told.
    """

    type: ClassVar[str] = "run"
    job: str
    workflow: Mapping[str, Any]
    outputs: tuple[str, ...]
    prompt: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    frame: Frame | None = None
    wants_preview: bool = False
    wants_nodes: bool = False


@dataclass(frozen=True, slots=True)
class CancelRun(Message):
    """Stop a run at its next step."""

    type: ClassVar[str] = "cancel_run"
    job: str


@dataclass(frozen=True, slots=True)
class FreeMemory(Message):
    """Once nothing runs, forget cached results and unload models; answered with ``Freed``."""

    type: ClassVar[str] = "free_memory"


@dataclass(frozen=True, slots=True)
class Judge(Message):
    """Ask nodes what is wrong with their inputs; answered with ``Judged``, while runs go on.

    Args:
        request: Repeated by the answer.
        questions: For nodes that judge inputs themselves.
    """

    type: ClassVar[str] = "judge"
    request: int
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Measure(Message):
    """Say how much memory is taken, and the like; answered with ``Measured``, while runs go on."""

    type: ClassVar[str] = "measure"


@dataclass(frozen=True, slots=True)
class WarmUp(Message):
    """Prepare for a picture, as somebody is here who may want one soon; answered with ``Warm``.

    No run begins before that; one that has begun waits.
    """

    type: ClassVar[str] = "warm_up"


@dataclass(frozen=True, slots=True)
class Stop(Message):
    """Cancel what runs, and leave."""

    type: ClassVar[str] = "stop"


# ---- to the daemon ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """The nodes are loaded.

    Args:
        definitions: Node class → ``NodeDefinition.to_json()``.
        environment: What a picture depends on besides its workflow; see ``NodeLibrary``.
        failures: Module whose nodes are missing → why.
        packs: Name of a pack that others wrote → its folders; see ``NodeLibrary``.
    """

    type: ClassVar[str] = "ready"
    definitions: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Any] = field(default_factory=dict)
    packs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warm(Message):
    """The worker is prepared for a picture, as far as it can be."""

    type: ClassVar[str] = "warm"


@dataclass(frozen=True, slots=True)
class Judged(Message):
    """What is wrong with the inputs of the nodes that ``Judge`` asked."""

    type: ClassVar[str] = "judged"
    request: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured(Message):
    """How much memory is taken, and the like.

    Args:
        figures: What ``NodeLibrary.measure`` tells, ``model_cache_hits`` (nodes that load models and did not
            have to run) and ``cache_bytes``.
    """

    type: ClassVar[str] = "measured"
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Freed(Message):
    """Memory has been given back."""

    type: ClassVar[str] = "freed"


@dataclass(frozen=True, slots=True)
class WorkerFailed(Message):
    """The nodes cannot be loaded; the worker leaves."""

    type: ClassVar[str] = "worker_failed"
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Cached(Message):
    """A run begins, and these nodes have nothing to do: the cache knows their results."""

    type: ClassVar[str] = "cached"
    job: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing(Message):
    """A node begins.

    Args:
        job: The run.
        node: The node.
        display: The node of the workflow that speaks for it.
        parent: The node that expanded to it; empty for a node of the workflow.
    """

    type: ClassVar[str] = "executing"
    job: str
    node: str
    display: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Executed(Message):
    """A node has ended, or its result was taken over from a node like it or from the cache.

    Args:
        job: The run.
        node: The node.
        display: The node of the workflow that speaks for it.
        parent: The node that expanded to it; empty for a node of the workflow.
        shown: What it shows, in ComfyUI's form.
    """

    type: ClassVar[str] = "executed"
    job: str
    node: str
    display: str
    parent: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)


PROGRESS_TEXT = "progress_text"
"""The event of a pack that has a ``node`` show a line of ``text``."""


@dataclass(frozen=True, slots=True)
class PackEvent(Message):
    """What a node of a pack tells its client in words of its own.

    Args:
        job: The run.
        event: What it is.
        data: The rest.
    """

    type: ClassVar[str] = "pack_event"
    job: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeFailed(Message):
    """What a run fails with, in more detail than its last word has.

    Args:
        job: The run.
        node: The node of the workflow that is blamed.
        kind: The class of the exception.
        text: What it says.
        inputs: Input → its values, those that are texts and numbers.
    """

    type: ClassVar[str] = "node_failed"
    job: str
    node: str
    kind: str
    text: str
    inputs: Mapping[str, Any] = field(default_factory=dict)


TO_WORKER: Mapping[str, type[Message]] = {
    kind.type: kind for kind in (Configure, Run, CancelRun, FreeMemory, Judge, Measure, WarmUp, Stop)
}
"""What a worker understands."""

TO_DAEMON: Mapping[str, type[Message]] = {
    kind.type: kind
    for kind in (
        *(Ready, Warm, Freed, Judged, Measured, WorkerFailed, Started, Progress, Preview, Result, Finished),
        *(Cached, Executing, Executed, NodeFailed, PackEvent),
    )
}
"""What a daemon understands from a worker."""
