"""What the classes of the fake ``unreal`` are derived from: objects, structs and enums with their facts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .fake import FakeUnreal

_numbers = itertools.count()


class Member:
    """A property, of objects and structs."""

    def __init__(self, name: str, kind: str, is_read_only: bool) -> None:
        self.name, self.kind, self.is_read_only = name, kind, is_read_only

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        return self if owner is None else owner._get(self.name, self.kind)

    def __set__(self, owner: Any, value: Any) -> None:
        if self.is_read_only:
            raise AttributeError(
                f"attribute '{self.name}' of '{type(owner).__name__}' objects is not writable"
            )
        owner._set(self.name, self.kind, value)


class FakeEnum:
    """An entry of an enum. Entries are compared by identity, and are no numbers."""

    name: str
    value: int
    _unreal: ClassVar[FakeUnreal]

    def __new__(cls, *_: Any) -> FakeEnum:
        raise TypeError(f"'{cls.__name__}' is an enum: use one of its entries")

    @classmethod
    def _entry(cls, name: str, value: int) -> FakeEnum:
        entry = object.__new__(cls)
        entry.name, entry.value = name, value
        return entry

    @classmethod
    def cast(cls, object: Any) -> Any:
        if isinstance(object, cls):
            return object
        raise TypeError(f"Cannot cast type '{type(object).__name__}' to '{cls.__name__}'")

    def get_display_name(self) -> Any:
        return self._unreal.Text(self.name.replace("_", " ").title())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value}>"

    def __copy__(self) -> FakeEnum:
        return self

    def __deepcopy__(self, _: Any) -> FakeEnum:
        return self


class _Holder:
    """Something with properties."""

    _unreal: ClassVar[FakeUnreal]
    _members: ClassVar[Mapping[str, tuple[str, bool]]] = {}
    """Type and whether only to be read, by name: what ``get_editor_property`` knows."""

    _values: dict[str, Any]

    def _require(self) -> None:
        """Raise if this is no more."""

    def _told(self, name: str, before: Any) -> None:
        """Hear of a property that will be set."""

    def _get(self, name: str, kind: str) -> Any:
        self._require()
        if getter := self._unreal.scripts.getter(type(self), name):
            return getter(self)
        if name not in self._values:
            self._values[name] = self._unreal.zero(kind)
        return self._values[name]

    def _set(self, name: str, kind: str, value: Any) -> None:
        self._require()
        converted = self._unreal.convert(kind, value, f"{type(self).__name__}.{name}")
        self._told(name, self._values.get(name))
        self._values[name] = _copied(converted)

    def get_editor_property(self, name: Any) -> Any:
        kind, _ = self._member(str(name))
        return self._get(str(name), kind)

    def set_editor_property(self, name: Any, value: Any, notify_mode: Any = None) -> None:
        kind, is_read_only = self._member(str(name))
        if is_read_only:
            raise Exception(f"{type(self).__name__}: Property '{name}' is read-only and cannot be set")
        self._set(str(name), kind, value)

    def set_editor_properties(self, properties: Mapping[str, Any]) -> None:
        for name, value in properties.items():
            self.set_editor_property(name, value)

    @classmethod
    def _member(cls, name: str) -> tuple[str, bool]:
        for owner in cls.__mro__:
            if name in (found := owner.__dict__.get("_members", {})):
                return found[name]
        raise Exception(f"{cls.__name__}: Failed to find property '{name}' for attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not isinstance(getattr(type(self), name, None), Member | property):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)


class FakeStruct(_Holder):
    """A struct: its fields are those of the engine's, it is compared and copied by value."""

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._values = {}
        given = self._unreal.bound(f"{type(self).__name__}.__init__", type(self), args, kwargs)
        if script := self._unreal.scripts.find(type(self), "__init__"):
            script(self, *given.values())
            return
        for name, value in given.items():
            self._values[name] = _copied(value)

    @classmethod
    def cast(cls, object: Any) -> Any:
        return cls._unreal.convert(cls.__name__, object, f"{cls.__name__}.cast")

    def copy(self) -> Any:
        twin = object.__new__(type(self))
        twin._values = {name: _copied(value) for name, value in self._values.items()}
        return twin

    __copy__ = copy

    def __deepcopy__(self, _: Any) -> Any:
        return self.copy()

    def assign(self, other: Any) -> None:
        self._values = self._unreal.convert(type(self).__name__, other, "assign").copy()._values

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self._plain().values())

    def _plain(self) -> dict[str, Any]:
        fields = {name: self._get(name, self._member(name)[0]) for name in self._fields}
        return fields | self._values

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._plain() == other._plain()  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._plain()}>"


class FakeObject(_Holder):
    """An object: it has a name, an outer, and may be no more."""

    def __init__(self, outer: Any = None, name: Any = "None") -> None:
        text = str(name)
        self._values = {}
        self._is_alive = True
        self._name = f"{type(self).__name__}_{next(_numbers)}" if text in ("", "None") else text
        self._outer = outer
        if post := getattr(self, "_post_init", None):
            post()

    def _require(self) -> None:
        if not self._is_alive:
            raise Exception(
                f"{type(self).__name__}: Internal Error - '{self._name}' is null or was destroyed"
            )

    def _told(self, name: str, before: Any) -> None:
        for watcher in self._unreal.scripts.watchers:
            watcher(self, name, before)

    @classmethod
    def cast(cls, object: Any) -> Any:
        if isinstance(object, cls):
            return object
        raise TypeError(f"Cannot cast type '{type(object).__name__}' to '{cls.__name__}'")

    @classmethod
    def get_default_object(cls) -> Any:
        return cls._unreal.default_object(cls)

    @classmethod
    def static_class(cls) -> Any:
        return cls._unreal.class_object(cls)

    def get_class(self) -> Any:
        self._require()
        return self._unreal.class_object(type(self))

    def get_name(self) -> str:
        self._require()
        return self._name

    def get_fname(self) -> Any:
        return self._unreal.Name(self.get_name())

    def get_outer(self) -> Any:
        self._require()
        return self._outer

    def get_outermost(self) -> Any:
        self._require()
        return self._outer.get_outermost() if self._outer is not None else self

    get_package = get_outermost

    def get_typed_outer(self, type: Any) -> Any:
        outer = self.get_outer()
        while outer is not None and not isinstance(outer, self._unreal.convert("Class", type, "type")):
            outer = outer.get_outer()
        return outer

    def get_path_name(self) -> str:
        self._require()
        if self._outer is None:
            return self._name
        is_top_level = self._outer.get_outer() is not None and self._outer.get_outer().get_outer() is None
        return f"{self._outer.get_path_name()}{':' if is_top_level else '.'}{self._name}"

    def get_full_name(self) -> str:
        return f"{type(self).__name__} {self.get_path_name()}"

    def get_world(self) -> Any:
        self._require()
        found = self.get_typed_outer(self._unreal.World)
        return found if not isinstance(self, self._unreal.World) else self

    def modify(self, always_mark_dirty: bool = True) -> bool:
        self._require()
        return True

    def rename(self, name: Any = "None", outer: Any = None) -> bool:
        self._require()
        self._name, self._outer = str(name), outer if outer is not None else self._outer
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}{'' if self._is_alive else ' (destroyed)'}>"


def destroy(object: FakeObject) -> None:
    """Let an object be no more: whatever uses it raises."""
    object._is_alive = False


def revive(object: FakeObject) -> None:
    """Take a destruction back, as undo does."""
    object._is_alive = True


def _copied(value: Any) -> Any:
    """Return a value as the engine stores it: structs and containers are copied, objects are not."""
    copy = getattr(value, "copy", None)
    return copy() if copy and not isinstance(value, FakeObject | type) else value
