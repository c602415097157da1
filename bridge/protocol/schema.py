"""How JSON becomes what a dataclass promises, and back: its annotations are the schema.

1. A field with a default may be left out; one without must be there. Unknown fields are ignored, so that
   a newer peer may say more.
2. Every value is checked against its annotation; a fault names its place: ``submit.frame.planes[0].dtype``.
3. JSON that stays JSON (``Mapping[str, Any]``) is finite, shallow and can be written again.
4. A type whose JSON is not simply its fields brings ``read`` and ``to_json``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ..errors import RemoteProtocolError

MAX_DEPTH = 64
"""Lists and objects within each other in a workflow, its values or an answer."""

MAX_INTEGER = 2**53 - 1
"""The largest integer of a field: every JSON reader keeps it exactly."""

MAX_VALUE = 2**64 - 1
"""The largest integer inside a workflow: ComfyUI's largest seed."""

_OBJECT = (dict, Mapping)
"""What an object is: asking for ``dict`` first is ten times faster than asking an abstract class."""

Reader = Callable[[Any, "Place"], Any]
"""Turns JSON data at a place into a value, or raises ``RemoteProtocolError``."""


@dataclass(frozen=True, slots=True)
class Length:
    """How many characters a text, or items a list, may have; both bounds inclusive."""

    least: int
    most: int

    def fault(self, value: Any) -> str:
        """Say what is wrong with the value; empty if nothing is."""
        if self.least <= len(value) <= self.most:
            return ""
        bounds = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
        what = "characters" if isinstance(value, str) else "items"
        return f"expected {bounds} {what}, got {len(value)}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest number, both inclusive."""

    least: float
    most: float

    def fault(self, value: Any) -> str:
        """Say what is wrong with the value; empty if nothing is."""
        return "" if self.least <= value <= self.most else f"{value} is not in {self.least}…{self.most}"


class OneOf:
    """A text from a fixed set."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def fault(self, value: Any) -> str:
        """Say what is wrong with the value; empty if nothing is."""
        return "" if value in self.choices else f"{quoted(value)} is none of {', '.join(self.choices)}"


class Body:
    """The bytes behind the header of an envelope, taken off plane by plane."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._taken = 0

    def take(self, count: int, place: "Place") -> memoryview:
        """Return the next plane's bytes, and skip its padding to a multiple of 8.

        Raises:
            RemoteProtocolError: ``size_mismatch`` if fewer are left.
        """
        left = len(self._data) - self._taken
        if left < padded(count):
            message = f"header says {count} B, padded to {padded(count)}, got {left}"
            raise place.fault(message, code="size_mismatch")
        start = self._taken
        self._taken += padded(count)
        return self._data[start : start + count]

    def finish(self) -> None:
        """Note that the header has spoken of every plane.

        Raises:
            RemoteProtocolError: ``size_mismatch`` if bytes are left over.
        """
        if self._taken != len(self._data):
            message = f"header says {self._taken} B of planes, got {len(self._data)}"
            raise RemoteProtocolError(message, code="size_mismatch")


class Place:
    """Where in a message a value stands; put into words only when something is wrong there.

    Args:
        step: From the place above: the name of a field, or the index of an item.
        body: The bytes that come with the message.
        above: What the value is a part of; ``None`` for the message itself.
    """

    __slots__ = ("_above", "_step", "body")

    def __init__(self, step: str | int, body: Body, above: "Place | None" = None) -> None:
        self.body = body
        self._step = step
        self._above = above

    @property
    def path(self) -> str:
        """The way there: ``submit.frame.planes[0].dtype``."""
        if self._above is None:
            return str(self._step)
        step = f"[{self._step}]" if isinstance(self._step, int) else f".{self._step}"
        return self._above.path + step

    def field(self, name: str) -> "Place":
        """Return the place of a field of the object here."""
        return Place(name, self.body, self)

    def item(self, index: int) -> "Place":
        """Return the place of an item of the list here."""
        return Place(index, self.body, self)

    def fault(self, message: str, code: str = "bad_message", hint: str = "") -> RemoteProtocolError:
        """Make the error for what is wrong here."""
        return RemoteProtocolError(f"{self.path}: {message}", code=code, hint=hint)


def place_in(path: str) -> Place:
    """Return the place of JSON that came by itself, not in a message."""
    return Place(path, Body(memoryview(b"")))


def quoted(text: str) -> str:
    """Return what a peer wrote in a form that an error message can hold: short, and whole characters."""
    whole = text.encode(errors="replace").decode()
    return f'"{whole}"' if len(whole) <= 60 else f'"{whole[:60]}…"'


def padded(count: int) -> int:
    """Round a number of bytes up to a multiple of 8."""
    return -(-count // 8) * 8


def read_fields(kind: Callable[..., Any], value: Any, place: Place) -> dict[str, Any]:
    """Read the fields of a dataclass.

    Args:
        kind: The dataclass.
        value: JSON data.
        place: Where it stands.

    Returns:
        Arguments for the constructor.

    Raises:
        RemoteProtocolError: ``bad_message`` with the place, for what the annotations do not allow.
    """
    if not isinstance(value, dict):
        raise _unexpected("an object", value, place)
    arguments = {}
    for name, is_required, read in _schema(kind):
        if name in value:
            arguments[name] = read(value[name], place.field(name))
        elif is_required:
            raise place.fault(f'"{name}" is missing')
    return arguments


def to_json(value: Any) -> Any:
    """Return a value of any type that can be read as JSON data, planes as their descriptions."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, _OBJECT):
        return {name: to_json(item) for name, item in value.items()}
    return value


def fields_to_json(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults as JSON data."""
    given = {}
    kind: Any = type(value)
    for name, default in _defaults(kind):
        content = getattr(value, name)
        if default is MISSING or content != default:
            given[name] = to_json(content)
    return given


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a dataclass with their defaults, ``MISSING`` where there is none."""
    return tuple(
        (field.name, field.default if field.default_factory is MISSING else field.default_factory())
        for field in fields(kind)
    )


@cache
def _schema(kind: Any) -> tuple[tuple[str, bool, Reader], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        (
            field.name,
            field.default is MISSING and field.default_factory is MISSING,
            _reader(hints[field.name]),
        )
        for field in fields(kind)
    )


@cache
def _reader(hint: Any) -> Reader:
    """Return what reads a value of an annotation.

    Raises:
        TypeError: For an annotation that no rule covers.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Annotated:  # before what follows: it passes on the attributes of the type inside
        return _limited(_reader(arguments[0]), arguments[1:])
    if hasattr(hint, "read"):
        return hint.read  # type: ignore[no-any-return]
    if origin in (Union, UnionType) and arguments[1:] == (NoneType,):
        return _optional(_reader(arguments[0]))
    if origin is tuple and arguments[1:] == (...,):
        return _list(_reader(arguments[0]))
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda value, place: hint(**read_fields(hint, value, place))
    raise TypeError(f"no rule reads {hint}")


def _limited(read: Reader, limits: tuple[Any, ...]) -> Reader:
    def reader(value: Any, place: Place) -> Any:
        result = read(value, place)
        for limit in limits:
            if fault := limit.fault(result):
                raise place.fault(fault)
        return result

    return reader


def _optional(read: Reader) -> Reader:
    return lambda value, place: None if value is None else read(value, place)


def _list(read: Reader) -> Reader:
    def reader(value: Any, place: Place) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _unexpected("a list", value, place)
        return tuple(read(item, place.item(index)) for index, item in enumerate(value))

    return reader


def _text(value: Any, place: Place) -> str:
    if not isinstance(value, str):
        raise _unexpected("text", value, place)
    if fault := _text_fault(value):
        raise place.fault(fault)
    return value


def _boolean(value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise _unexpected("true or false", value, place)
    return value


def _integer(value: Any, place: Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected("an integer", value, place)
    if not 0 <= value <= MAX_INTEGER:
        raise place.fault(f"expected an integer in 0…{MAX_INTEGER}")
    return value


def _number(value: Any, place: Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _unexpected("a number", value, place)
    if fault := _number_fault(value):
        raise place.fault(fault)
    return float(value)


def _object(value: Any, place: Place) -> Mapping[str, Any]:
    if not isinstance(value, _OBJECT):
        raise _unexpected("an object", value, place)
    if fault := _tree_fault(value, MAX_DEPTH):
        raise RemoteProtocolError(place.path + fault)
    return value


def _numbers(value: Any, place: Place) -> Mapping[str, float]:
    entries = _object(value, place)
    return {name: _number(item, place.field(quoted(name))) for name, item in entries.items()}


def _tree_fault(value: Any, levels: int) -> str:
    """Say where in JSON data that stays JSON data which fault lies: ``.3.inputs.seed: …``."""
    if isinstance(value, str):
        fault = _text_fault(value)
        return fault and f": {fault}"
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (int, float)):
        fault = _number_fault(value)
        return fault and f": {fault}"
    if levels == 0:
        return f": nested more than {MAX_DEPTH} levels deep"
    if isinstance(value, _OBJECT):
        return _object_fault(value, levels - 1)
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if fault := _tree_fault(item, levels - 1):
                return f"[{index}]{fault}"
        return ""
    return f": expected JSON data, got {_kind(value)}"


def _object_fault(value: Mapping[Any, Any], levels: int) -> str:
    for name, item in value.items():
        if not isinstance(name, str):
            return f": expected text as name, got {_kind(name)}"
        fault = _text_fault(name)
        if fault := (fault and f": {fault}") or _tree_fault(item, levels):
            return f".{quoted(name)}{fault}"
    return ""


def _text_fault(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "the text holds half a character (a lone surrogate)"
    return ""


def _number_fault(value: float) -> str:
    if isinstance(value, int):
        return "" if -MAX_VALUE <= value <= MAX_VALUE else "the number is too large"
    return "" if math.isfinite(value) else f"expected a finite number, got {value}"


def _unexpected(expected: str, value: Any, place: Place) -> RemoteProtocolError:
    return place.fault(f"expected {expected}, got {_kind(value)}")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", NoneType: "null"}
    return names.get(type(value)) or ("a number" if isinstance(value, int | float) else type(value).__name__)


_PLAIN: Mapping[Any, Reader] = {
    str: _text,
    bool: _boolean,
    int: _integer,
    float: _number,
    Mapping[str, Any]: _object,
    Mapping[str, float]: _numbers,
}
