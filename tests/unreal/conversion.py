"""What the fake ``unreal`` takes for what: the engine's conversions of arguments and properties."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .facts import Parameter
from .fake_objects import FakeEnum, FakeObject, FakeStruct
from .fake_values import Array, Map, Name, Set, Text

if TYPE_CHECKING:
    from .fake import FakeUnreal

Converter = Callable[[Any, str], Any]

WHOLE = {"int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
REAL = {"float", "double"}
CONTAINERS = {"Array": Array, "FixedArray": Array, "Set": Set}


class Conversion:
    """Converters by type, as the engine's hints write it."""

    def __init__(self, unreal: FakeUnreal) -> None:
        self._unreal = unreal
        self._converters: dict[str, Converter] = {}

    def converter(self, kind: str) -> Converter:
        """Return what converts a value, or raises ``TypeError``."""
        if kind not in self._converters:
            self._converters[kind] = _anything  # of types that contain themselves
            self._converters[kind] = self._make(kind)
        return self._converters[kind]

    def zero(self, kind: str) -> Any:
        """Return what a property of a type has until it is set."""
        if kind in WHOLE or kind in REAL:
            return 0 if kind in WHOLE else 0.0
        plain: dict[str, Callable[[], Any]] = {"bool": bool, "str": str, "Name": Name, "Text": Text}
        if kind in plain:
            return plain[kind]()
        outer, inner = _split(kind)
        if outer in CONTAINERS:
            return self._container(CONTAINERS[outer], inner[0])
        if outer == "Map":
            return Map.of(self._quiet(inner[0]), self._quiet(inner[1]))
        found = self._class(kind)
        if found is None or issubclass(found, FakeObject):
            return None
        if issubclass(found, FakeEnum):
            return next((one for one in vars(found).values() if isinstance(one, FakeEnum)), None)
        return found()

    def default(self, one: Parameter) -> Any:
        """Return what a parameter has that is left out."""
        return self._literal(one.type, one.default)

    def _literal(self, kind: str, value: Any) -> Any:
        if isinstance(value, str) and "." in value:
            enum, _, entry = value.partition(".")
            if (found := self._class(enum)) and issubclass(found, FakeEnum):
                return getattr(found, entry)
        if value is None:
            found = self._class(kind)
            return self.zero(kind) if found and issubclass(found, FakeStruct) else None
        if isinstance(value, list):
            found = self._class(kind)
            if found and issubclass(found, FakeStruct):
                return found(*(self._entry(part) for part in value))
        return self.converter(kind)(value, "default")

    def _entry(self, part: Any) -> Any:
        """Return an entry of an enum for its name, anything else as it is."""
        is_name = isinstance(part, str) and "." in part
        return self._literal("", part) if is_name else part

    def _make(self, kind: str) -> Converter:
        if not kind or kind in ("Any", "object"):
            return _anything
        if kind in WHOLE:
            return _exactly("int", lambda value: isinstance(value, int) and not isinstance(value, bool), int)
        if kind in REAL:
            return _exactly("float", _is_number, float)
        if kind in ("bool", "str"):
            wanted = bool if kind == "bool" else str
            return _exactly(kind, lambda value: isinstance(value, wanted), wanted)
        if kind in ("Name", "Text"):
            made = Name if kind == "Name" else Text
            return _exactly(kind, lambda value: isinstance(value, str | made), made)
        if kind in ("Class", "type") or kind.startswith(("type(", "type[", "Type[")):
            return self._to_class
        outer, inner = _split(kind)
        if outer == "Optional":
            return lambda value, where: None if value is None else self.converter(inner[0])(value, where)
        if outer == "Union":
            return self._to_one_of(inner)
        if outer in CONTAINERS:
            return self._to_array(CONTAINERS[outer], inner[0])
        if outer == "Map":
            return self._to_map(*inner)
        if outer == "Callable":
            return _exactly("callable", callable, lambda value: value)
        return self._to_class_of_engine(kind)

    def _to_class_of_engine(self, kind: str) -> Converter:
        found = self._class(kind)
        if found is None:
            return _anything
        if issubclass(found, FakeStruct):
            return self._to_struct(found)
        if issubclass(found, FakeObject):
            return self._to_object(found)
        return _exactly(kind, lambda value: isinstance(value, found), lambda value: value)

    def _to_object(self, found: type) -> Converter:
        def convert(value: Any, where: str) -> Any:
            if value is None:
                return None
            if not isinstance(value, found):
                raise _refused(value, found.__name__, where)
            if not value._is_alive and where.startswith("SystemLibrary.is_valid("):
                return None  # the one thing that may be asked about what is no more
            value._require()
            return value

        return convert

    def _to_struct(self, found: type[FakeStruct]) -> Converter:
        def convert(value: Any, where: str) -> Any:
            if isinstance(value, found):
                return value
            if isinstance(value, Mapping):
                return found(**value)
            if isinstance(value, list | tuple):
                return found(*value)
            raise _refused(value, found.__name__, where)

        return convert

    def _to_class(self, value: Any, where: str) -> Any:
        if isinstance(value, FakeObject) and isinstance(kind := vars(value).get("_kind"), type):
            return kind
        if isinstance(value, type) and issubclass(value, FakeObject):
            return value
        if value is None:
            return None
        raise _refused(value, "Class", where)

    def _to_one_of(self, kinds: list[str]) -> Converter:
        def convert(value: Any, where: str) -> Any:
            for kind in kinds:
                try:
                    return self.converter(kind)(value, where)
                except TypeError:
                    continue
            raise _refused(value, " or ".join(kinds), where)

        return convert

    def _to_array(self, made: type[Array], kind: str) -> Converter:
        def convert(value: Any, where: str) -> Any:
            if not isinstance(value, list | tuple | set | frozenset | Array):
                raise _refused(value, f"Array[{kind}]", where)
            return self._container(made, kind, value)

        return convert

    def _to_map(self, key: str, kind: str) -> Converter:
        def convert(value: Any, where: str) -> Any:
            if not isinstance(value, Mapping):
                raise _refused(value, f"Map[{key}, {kind}]", where)
            return Map.of(self._quiet(key), self._quiet(kind), value)

        return convert

    def _container(self, made: type[Array], kind: str, items: Any = ()) -> Array:
        return made.of(self._quiet(kind), items)

    def _quiet(self, kind: str) -> Callable[[Any], Any]:
        return lambda value: self.converter(kind)(value, f"element of {kind}")

    def _class(self, kind: str) -> type | None:
        if not kind.isidentifier() or not (self._unreal.has(kind) or kind in vars(self._unreal)):
            return None
        found = getattr(self._unreal, kind)
        return found if isinstance(found, type) else None


def _anything(value: Any, where: str) -> Any:
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exactly(kind: str, accepts: Callable[[Any], bool], made: Callable[[Any], Any]) -> Converter:
    def convert(value: Any, where: str) -> Any:
        if not accepts(value):
            raise _refused(value, kind, where)
        return made(value)

    return convert


def _refused(value: Any, kind: str, where: str) -> TypeError:
    return TypeError(f"{where}: Cannot nativize '{type(value).__name__}' as '{kind}'")


def _split(kind: str) -> tuple[str, list[str]]:
    """Return ``Map`` and its two types for ``Map[Name, int]``."""
    if "[" not in kind:
        return "", []
    node = ast.parse(kind, mode="eval").body
    if not isinstance(node, ast.Subscript):
        return "", []
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return ast.unparse(node.value).removeprefix("_t."), [ast.unparse(part) for part in parts]
