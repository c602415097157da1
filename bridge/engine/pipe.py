"""How messages between daemon and worker are framed on a pair of pipes.

1. A message is its length (u64, little-endian) and the bytes that ``bridge.protocol`` gives it.
2. The end of the daemon's pipe is the end of the worker.
"""

import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from bridge.errors import RemoteProtocolError
from bridge.protocol import MAX_MESSAGE_BYTES, Buffer, Message, decode, encode_parts

if sys.platform == "linux":
    import fcntl

LENGTH = struct.Struct("<Q")

CHUNK_BYTES = 64 * 1024
"""How much of short messages is read at once."""

PIPE_BYTES = 1024 * 1024
"""How much a pipe should hold; Linux lets everyone have 1 MiB and gives 64 KiB unasked."""


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
