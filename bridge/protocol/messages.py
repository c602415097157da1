"""The vocabulary of the wire: every message of protocol version 1, as frozen dataclasses.

A message is JSON. One that carries a picture (``frame`` or ``planes``) travels as a binary envelope
whose header is the same JSON; all others travel as text. ``docs/protocol.md`` tells the story.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from ..errors import Problem
from .frame import Frame, Plane
from .message import Id, Message, Name, OptionalId
from .model_messages import MODEL_REQUESTS, PullState
from .planes import MAX_PLANES
from .preset_messages import PRESET_REQUESTS
from .schema import MAX_INTEGER, Bounds, Length, OneOf

VERSION = 1
"""The protocol version this code speaks."""

VERSIONS = (VERSION,)
"""All versions this code speaks."""

MAX_HELLO_BYTES = 64 * 1024
"""The largest message before the peer has said hello."""

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest message afterwards."""

MAX_JSON_BYTES = 4 * 1024 * 1024
"""The largest text, or header of an envelope: JSON is read where everybody waits. Pictures are no JSON."""

HELLO_TIMEOUT_S = 5.0
"""How long a peer may take to say hello."""


Versions = Annotated[tuple[int, ...], Length(0, 32)]
"""Protocol versions."""

Names = Annotated[tuple[Name, ...], Length(0, 256)]
"""Of values."""

Pictures = Annotated[tuple[Plane, ...], Length(0, MAX_PLANES)]
"""Planes, each of its own size."""


_JOB = re.compile("[0-9A-Za-z-]+")

_BOTH = "a workflow and a preset are given; one is wanted"


# ---- from a client to the daemon -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """The first message of a client.

    Args:
        protocols: Versions the client speaks.
        client: What it is: ``blender``, ``unreal``, ``cli``, ``script`` …
        client_version: For people.
        session: The session to take up again after a lost connection; empty for a new one.
    """

    type: ClassVar[str] = "hello"
    protocols: Annotated[tuple[int, ...], Length(1, 32)]
    client: Annotated[str, Length(1, 128)]
    client_version: Name = ""
    session: OptionalId = ""


@dataclass(frozen=True, slots=True)
class Submit(Message):
    """Queue a job: a workflow or a preset with its values, and the frame it looks at.

    Args:
        request: Chosen by the client; comes back in ``accepted`` or ``error``.
        workflow: ComfyUI API JSON; empty where ``preset`` is given.
        preset: Name of a preset; empty where ``workflow`` is given.
        values: Control name → value for a preset; ``"node.input"`` → value for a workflow.
        frame: What ``ViewportFrame`` nodes see.
        wants_preview: Whether to send a small picture after each sampling step.
        extra: Kept with the pictures as ``extra_pnginfo`` (ComfyUI's ``workflow`` lies here).
        targets: Run only these output nodes, and what they need; empty for all.
        number: Its place in the queue, lowest first; by default one more than the last.
        front: Whether it goes before all that wait; a ``number`` overrules it.
        dynamic: Names of ``values`` that may be dynamic prompts: ``a {red|blue} __animal__``.
        job: The client's name for the job, new for each; by default the daemon chooses one. The same message
            sent again, as the answer was lost with its connection, makes no second job.
    """

    type: ClassVar[str] = "submit"
    request: Id
    workflow: Mapping[str, Any] = field(default_factory=dict)
    preset: Name = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    frame: Frame | None = None
    wants_preview: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    targets: Annotated[tuple[Name, ...], Length(0, 10_000)] = ()
    number: float | None = None
    front: bool = False
    dynamic: Names = ()
    job: OptionalId = ""

    def find_fault(self) -> str:
        """Say if both a workflow and a preset are given, or a job's name is none."""
        if self.job and not _JOB.fullmatch(self.job):
            return "the name of a job has letters, digits and dashes"
        return _BOTH if self.workflow and self.preset else ""


@dataclass(frozen=True, slots=True)
class SetStream(Message):
    """Open a live stream, or change what it runs; frames sent later are seen through this.

    Args:
        request: As in ``submit``.
        stream: Chosen by the client, unique in its session.
        workflow: As in ``submit``.
        preset: As in ``submit``.
        values: As in ``submit``.
        wants_preview: As in ``submit``.
        dynamic: As in ``submit``.
    """

    type: ClassVar[str] = "set_stream"
    request: Id
    stream: Id
    workflow: Mapping[str, Any] = field(default_factory=dict)
    preset: Name = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    wants_preview: bool = False
    dynamic: Names = ()

    def find_fault(self) -> str:
        """Say if both a workflow and a preset are given."""
        return _BOTH if self.workflow and self.preset else ""


@dataclass(frozen=True, slots=True)
class StreamFrame(Message):
    """The newest view of a live stream; it replaces one that still waits."""

    type: ClassVar[str] = "frame"
    stream: Id
    frame: Frame


@dataclass(frozen=True, slots=True)
class CloseStream(Message):
    """End a live stream; its running frame is cancelled."""

    type: ClassVar[str] = "close_stream"
    stream: Id


@dataclass(frozen=True, slots=True)
class Cancel(Message):
    """Cancel a queued or running job of this client; answered with ``answer`` {"cancelled": bool}."""

    type: ClassVar[str] = "cancel"
    request: Id
    job: Id


@dataclass(frozen=True, slots=True)
class Attach(Message):
    """Ask for a job again after a reconnect: a finished one is sent again, a running one goes on."""

    type: ClassVar[str] = "attach"
    request: Id
    job: Id


@dataclass(frozen=True, slots=True)
class Free(Message):
    """Give the device's memory back (before a final render); models load again when needed."""

    type: ClassVar[str] = "free"
    request: Id


@dataclass(frozen=True, slots=True)
class Query(Message):
    """Ask for data: ``presets``, ``nodes``, ``models`` or ``status``; answered with ``answer``."""

    type: ClassVar[str] = "query"
    request: Id
    subject: Annotated[str, Length(1, 128)]


# ---- from the daemon to a client -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    """The daemon's reply to ``hello``.

    Args:
        protocol: The version both will speak.
        server_version: For people.
        session: Name it in the next ``hello`` to take this session up again.
        capabilities: What this daemon can do beyond version 1.
        max_message_bytes: Larger messages close the connection with 1009.
    """

    type: ClassVar[str] = "welcome"
    protocol: int
    server_version: Name
    session: Id
    capabilities: tuple[str, ...] = ()
    max_message_bytes: Annotated[int, Bounds(1, MAX_INTEGER)] = MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Accepted(Message):
    """A job is queued, or a stream is set.

    Args:
        request: The request it answers.
        job: The job's id; empty for a stream.
        position: Jobs ahead of it.
        warnings: What is odd about the workflow but does not stop it.
        texts: Name → what a dynamic prompt has become.
    """

    type: ClassVar[str] = "accepted"
    request: Id
    job: OptionalId = ""
    position: int = 0
    warnings: tuple[Problem, ...] = ()
    texts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """The data asked for with ``query``, ``cancel`` or ``free``."""

    type: ClassVar[str] = "answer"
    request: Id
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State(Message):
    """The worker's state, sent after ``welcome`` and at every change.

    Args:
        worker: ``starting``, ``ready``, ``busy``, ``restarting`` or ``failed``.
        detail: In words, for a status line: ``loading framebridge-demo``.
        device: ``cpu``, ``cuda:0`` …; empty while unknown.
        queue_remaining: Jobs waiting and running, of all clients.
    """

    type: ClassVar[str] = "state"
    worker: Annotated[str, OneOf("starting", "ready", "busy", "restarting", "failed")]
    detail: str = ""
    device: Name = ""
    queue_remaining: int = 0


@dataclass(frozen=True, slots=True)
class Started(Message):
    """The worker has begun a job, or a frame of a stream."""

    type: ClassVar[str] = "started"
    job: OptionalId = ""
    stream: OptionalId = ""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Progress(Message):
    """One step of one node is done.

    Args:
        node: Its id.
        value: Steps done.
        maximum: Of how many.
        job: The job's id; empty for a stream.
        stream: The stream; empty for a job.
        frame: The frame's number within the stream.
        detail: In words, for a status line: how a model is loaded for which memory is short.
    """

    type: ClassVar[str] = "progress"
    node: Name
    value: float
    maximum: float
    job: OptionalId = ""
    stream: OptionalId = ""
    frame: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Preview(Message):
    """What the picture looks like so far: one small plane named ``preview``."""

    type: ClassVar[str] = "preview"
    node: Name
    planes: Pictures
    job: OptionalId = ""
    stream: OptionalId = ""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Result(Message):
    """Pictures that a ``SendToHost`` node hands back, u8 sRGB planes named ``image`` (one a batch item)."""

    type: ClassVar[str] = "result"
    node: Name
    planes: Pictures
    job: OptionalId = ""
    stream: OptionalId = ""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Finished(Message):
    """The last word about a job, or about a frame of a stream.

    Args:
        state: ``done``, ``failed`` or ``cancelled``.
        job: The job's id; empty for a stream.
        stream: The stream; empty for a job.
        frame: The frame's number within the stream.
        dropped: Frames of the stream that newer ones replaced since the last ``finished``.
        outputs: Node id → what it shows, in ComfyUI's form: ``{"images": [{"filename": …}]}``; also of a job
            that did not come to its end.
        timings: Phase → seconds: ``queue``, ``load``, ``encode``, ``sample``, ``decode``, ``save`` and
            ``other``; ``run`` is all but the first.
        problems: Why it failed; of one that is done, warnings: what its nodes found odd, and what kept some
            of them from running.
    """

    type: ClassVar[str] = "finished"
    state: Annotated[str, OneOf("done", "failed", "cancelled")]
    job: OptionalId = ""
    stream: OptionalId = ""
    frame: int = 0
    dropped: int = 0
    outputs: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure(Message):
    """A request that was refused, or a message that could not be understood.

    Args:
        problems: Every fault found.
        request: The request it answers; empty where none could be read.
        stream: The stream whose frame was refused; empty otherwise.
        protocols: With ``unsupported_protocol``: the versions the daemon speaks.
    """

    type: ClassVar[str] = "error"
    problems: Annotated[tuple[Problem, ...], Length(1, 10_000)]
    request: OptionalId = ""
    stream: OptionalId = ""
    protocols: Versions = ()


_CLIENT_KINDS: tuple[type[Message], ...] = (
    *(Hello, Submit, SetStream, StreamFrame, CloseStream, Cancel, Attach, Free, Query),
    *MODEL_REQUESTS,
    *PRESET_REQUESTS,
)

CLIENT_MESSAGES: Mapping[str, type[Message]] = {kind.type: kind for kind in _CLIENT_KINDS}
"""What a client sends, by type."""

_DAEMON_KINDS: tuple[type[Message], ...] = (
    *(Welcome, Accepted, Answer, State, Started, Progress, Preview, Result, Finished, Failure),
    PullState,
)

DAEMON_MESSAGES: Mapping[str, type[Message]] = {kind.type: kind for kind in _DAEMON_KINDS}
"""What the daemon sends, by type."""

MESSAGES: Mapping[str, type[Message]] = {**CLIENT_MESSAGES, **DAEMON_MESSAGES}
"""The whole vocabulary."""
