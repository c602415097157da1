"""From messages to bytes and back.

A message without a picture is JSON text. One with a picture is an envelope: the magic ``FBR1``, the
header's length (u32, little-endian), the header (the same JSON, planes as descriptions), then the bytes
of the planes in the order of their descriptions, each padded with zeros to a multiple of 8. We pad the
header with spaces so that planes begin at multiples of 8; a reader must not rely on it.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from ..errors import LocalProtocolError, RemoteProtocolError
from .frame import Buffer, Frame, Plane
from .message import Message
from .messages import MAX_JSON_BYTES, MAX_MESSAGE_BYTES, MESSAGES
from .schema import Body, Place, fields_to_json, padded, quoted, read_fields
from .strict_json import dump_json, parse_json

MAGIC = b"FBR1"
PREFIX = struct.Struct("<4sI")
"""The magic and the header's length."""


def encode(message: Message) -> str | bytes:
    """Write a message: text, or an envelope if a picture is attached.

    Raises:
        LocalProtocolError: If the peer would refuse it.
    """
    text, planes = _checked(message)
    return b"".join(_pieces(text, planes)) if planes else text


def encode_parts(message: Message) -> list[Buffer]:
    """Write a message for a pipe without copying its planes.

    Returns:
        Pieces to write one after the other, each of single bytes.

    Raises:
        LocalProtocolError: If the peer would refuse it.
    """
    text, planes = _checked(message)
    return _pieces(text, planes) if planes else [text.encode()]


def decode(data: str | Buffer, vocabulary: Mapping[str, type[Message]] = MESSAGES) -> Message:
    """Read a message; its planes are views into ``data``.

    Args:
        data: Text, an envelope, or a text's UTF-8.
        vocabulary: The types to understand.

    Raises:
        RemoteProtocolError: Whatever is wrong with it.
    """
    return open_envelope(data).read(vocabulary)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message taken apart but not yet understood."""

    header: Mapping[str, Any]
    body: memoryview

    def read(self, vocabulary: Mapping[str, type[Message]]) -> Message:
        """Make it a message.

        Raises:
            RemoteProtocolError: ``unknown_type``, ``bad_message``, ``size_mismatch``,
                ``unsupported_location``.
        """
        name = self.header.get("type")
        if not isinstance(name, str):
            raise RemoteProtocolError('the message has no "type"')
        kind = vocabulary.get(name)
        if kind is None:
            raise RemoteProtocolError(f"{quoted(name)} is no message type", code="unknown_type")
        return _read(kind, self.header, Body(self.body))


def open_envelope(data: str | Buffer) -> Envelope:
    """Take a message apart.

    Raises:
        RemoteProtocolError: ``message_too_large``, ``bad_envelope`` or ``bad_json``.
    """
    size = len(data) if isinstance(data, str) else memoryview(data).nbytes
    if size > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError(_too_large(size), code="message_too_large", close_code=1009)
    if isinstance(data, str):
        return Envelope(_parse(data), memoryview(b""))
    view = memoryview(data)
    if bytes(view[:1]) == b"{":
        return Envelope(_parse(view), view[:0])
    if bytes(view[:4]) != MAGIC:
        raise _bad_envelope("it begins with neither FBR1 nor {")
    if len(view) < PREFIX.size:
        raise _bad_envelope(f"it ends after {len(view)} B")
    start, length = PREFIX.size, PREFIX.unpack_from(view)[1]
    if length > len(view) - start:
        raise _bad_envelope(f"header says {length} B, got {len(view) - start}")
    return Envelope(_parse(view[start : start + length]), view[start + length :])


def _parse(text: str | memoryview) -> Mapping[str, Any]:
    if len(text) > MAX_JSON_BYTES:
        raise RemoteProtocolError(_too_much_json(len(text)), code="message_too_large")
    return parse_json(text if isinstance(text, str) else bytes(text))


def _read(kind: type[Message], header: Mapping[str, Any], body: Body) -> Message:
    message = kind(**read_fields(kind, header, Place(kind.type, body)))
    body.finish()
    _raise_if_contradictory(message)
    return message


def _raise_if_contradictory(message: Message) -> None:
    if fault := message.find_fault():
        raise RemoteProtocolError(f"{message.type}: {fault}")


def _checked(message: Message) -> tuple[str, list[Plane]]:
    """Write a message's text and collect its planes; what we write must pass what we demand."""
    planes = list(_planes(message))
    try:
        header = {"type": message.type, **fields_to_json(message)}
        read_fields(type(message), header, Place(message.type, _UNSENT))
        _raise_if_contradictory(message)
    except RecursionError:
        raise LocalProtocolError(f"{message.type}: nested too deeply") from None
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.message, code=error.code, hint=error.hint) from None
    text = dump_json(header)
    if len(text) > MAX_JSON_BYTES:
        raise LocalProtocolError(_too_much_json(len(text)), code="message_too_large")
    if planes:
        pictures = sum(padded(memoryview(plane.data).nbytes) for plane in planes)
        size = PREFIX.size + padded(len(text.encode())) + pictures
        if size > MAX_MESSAGE_BYTES:
            raise LocalProtocolError(
                _too_large(size), code="message_too_large", hint="Send fewer or smaller pictures."
            )
    return text, planes


def _planes(message: Message) -> Iterator[Plane]:
    kind: Any = type(message)
    for name in _names_of_fields(kind):
        content = getattr(message, name)
        if isinstance(content, Frame):
            yield from content.planes.values()
        elif isinstance(content, tuple):
            yield from (item for item in content if isinstance(item, Plane))


@cache
def _names_of_fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _pieces(text: str, planes: list[Plane]) -> list[Buffer]:
    header = text.encode()
    header += b" " * (padded(len(header)) - len(header))
    pieces: list[Buffer] = [PREFIX.pack(MAGIC, len(header)) + header]
    for plane in planes:
        view = memoryview(plane.data)
        if not view.c_contiguous:
            raise LocalProtocolError(f'the bytes of plane "{plane.name}" are not in one piece')
        pieces.append(view.cast("B"))
        pieces.append(bytes(padded(view.nbytes) - view.nbytes))
    return pieces


class _Unsent(Body):
    """Stands in for the bytes of a message that is only being checked."""

    def __init__(self) -> None:
        super().__init__(memoryview(b""))

    def take(self, count: int, place: Place) -> memoryview:
        """Return nothing."""
        return self._data


_UNSENT = _Unsent()


def _bad_envelope(message: str) -> RemoteProtocolError:
    hint = "A binary message is FBR1, the header's length, the header and the planes."
    return RemoteProtocolError(message, code="bad_envelope", hint=hint)


def _too_much_json(size: int) -> str:
    return f"the message has {size} B of JSON; the limit is {MAX_JSON_BYTES // 2**20} MiB"


def _too_large(size: int) -> str:
    return f"the message has {size} B; the limit is {MAX_MESSAGE_BYTES // 2**20} MiB"
