"""What daemon and worker say to each other over a pair of pipes, and how it is framed.

1. A message is its length (u64, little-endian) and the bytes that ``bridge.protocol`` gives it.
2. The daemon speaks first: ``Configure``. The worker answers ``Ready`` or ``WorkerFailed``; only then
   does it get work.
3. About a run the worker says ``Started``, then anything, then ``Finished``, and nothing after that.
4. The end of the daemon's pipe is the end of the worker.
"""

import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from bridge.errors import Problem, RemoteProtocolError
from bridge.graph import Question
from bridge.protocol import (
    MAX_MESSAGE_BYTES,
    Buffer,
    Finished,
    Frame,
    Message,
    Preview,
    Progress,
    Result,
    Started,
    decode,
    encode_parts,
)

if sys.platform == "linux":
    import fcntl

LENGTH = struct.Struct("<Q")

CHUNK_BYTES = 64 * 1024
"""How much of short messages is read at once."""

PIPE_BYTES = 1024 * 1024
"""How much a pipe should hold; Linux lets everyone have 1 MiB and gives 64 KiB unasked."""


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


@dataclass(frozen=True, slots=True)
class Told(Message):
    """What a node of a pack tells its client in words of its own.

    Args:
        job: The run.
        event: What it is.
        data: The rest.
    """

    type: ClassVar[str] = "told"
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
    kind.type: kind for kind in (Configure, Run, CancelRun, FreeMemory, Judge, Measure, Stop)
}
"""What a worker understands."""

TO_DAEMON: Mapping[str, type[Message]] = {
    kind.type: kind
    for kind in (
        *(Ready, Freed, Judged, Measured, WorkerFailed, Started, Progress, Preview, Result, Finished),
        *(Cached, Executing, Executed, NodeFailed, Told),
    )
}
"""What a daemon understands from a worker."""


# ---- framing ---------------------------------------------------------------------------------


class ByteSource(Protocol):
    """An unbuffered binary file to read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill a buffer with what there is; 0 at the end."""


class ByteSink(Protocol):
    """An unbuffered binary file to write to."""

    def write(self, data: Buffer, /) -> int | None:
        """Write some of the data; return how many bytes."""


def framed(message: Message) -> list[Buffer]:
    """Return the pieces of a message to write one after the other; planes are not copied.

    Raises:
        LocalProtocolError: If it is larger than a message may be, or holds what JSON cannot say.
    """
    head, *planes = encode_parts(message)
    count = len(head) + sum(memoryview(plane).nbytes for plane in planes)
    return [LENGTH.pack(count) + bytes(head), *planes]


def write_pieces(sink: ByteSink, pieces: list[Buffer]) -> None:
    """Write everything, however little the sink takes at a time.

    Raises:
        OSError: If the other end is gone.
    """
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[sink.write(rest) or 0 :]


def read_message(source: ByteSource, vocabulary: Mapping[str, type[Message]]) -> Message | None:
    """Wait for a message; its planes are views into one buffer of its own.

    Returns:
        The message; ``None`` if the other end is gone, even in mid-message.

    Raises:
        RemoteProtocolError: If what came is no message.
    """
    prefix = _read_exactly(source, LENGTH.size)
    if prefix is None:
        return None
    body = _read_exactly(source, _length(prefix))
    return None if body is None else decode(body, vocabulary)


class MessageReader:
    """Puts messages together from a pipe that never makes its reader wait (``O_NONBLOCK``).

    Args:
        source: The pipe.
        vocabulary: What may come through it.

    Attributes:
        is_at_end: Whether the other end is gone, even in mid-message.
    """

    def __init__(self, source: ByteSource, vocabulary: Mapping[str, type[Message]]) -> None:
        self._source = source
        self._vocabulary = vocabulary
        self._chunk = memoryview(bytearray(CHUNK_BYTES))
        self._unread = b""  # the beginning of a message
        self._body = memoryview(b"")  # of a long message that has begun to come
        self._filled = 0
        self.is_at_end = False

    def read(self) -> list[Message]:
        """Return the messages that are complete with what the pipe has now, or with a part of that.

        Raises:
            RemoteProtocolError: If what came is no message.
        """
        if self._body:
            return self._read_body()
        got = self._got(self._chunk)
        data = self._unread + bytes(self._chunk[:got])
        messages, at = [], 0
        while len(data) - at >= LENGTH.size:
            end = at + LENGTH.size + _length(data[at : at + LENGTH.size])
            if end > len(data):
                break
            messages.append(decode(memoryview(data)[at + LENGTH.size : end], self._vocabulary))
            at = end
        self._unread = data[at:]
        if len(self._unread) >= LENGTH.size:
            self._begin_body()
        return messages

    def _begin_body(self) -> None:
        self._body = memoryview(bytearray(_length(self._unread[: LENGTH.size])))
        self._filled = len(self._unread) - LENGTH.size
        self._body[: self._filled] = self._unread[LENGTH.size :]
        self._unread = b""

    def _read_body(self) -> list[Message]:
        self._filled += self._got(self._body[self._filled :])
        if self._filled < len(self._body):
            return []
        body, self._body = self._body, memoryview(b"")
        return [decode(body, self._vocabulary)]

    def _got(self, buffer: memoryview) -> int:
        got = self._source.readinto(buffer)
        self.is_at_end = got == 0
        return got or 0


def enlarge_pipe(descriptor: int) -> None:
    """Let a pipe hold a whole frame where the system allows it, so that neither end waits for the other."""
    if sys.platform == "linux":
        with suppress(OSError):  # the user's pipes may have used up what the system grants
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _length(prefix: Buffer) -> int:
    count: int = LENGTH.unpack(prefix)[0]
    if count > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError(f"a message of {count} B was announced", code="message_too_large")
    return count


def _read_exactly(source: ByteSource, count: int) -> memoryview | None:
    buffer = memoryview(bytearray(count))
    filled = 0
    while filled < count:
        try:
            got = source.readinto(buffer[filled:])
        except OSError:  # Windows reports a broken pipe where others report its end
            return None
        if not got:
            return None
        filled += got
    return buffer
