"""Values of the fake ``unreal``: names, texts, containers, delegates. Strict where the engine is.

A ``Name`` or ``Text`` is no ``str``: joining one or writing it as JSON fails, as it does in the editor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any

Convert = Callable[[Any], Any]


class Name:
    """The engine's name: compared without regard to case."""

    def __init__(self, value: Name | str = "None") -> None:
        if not isinstance(value, Name | str):
            raise TypeError(f"Cannot nativize '{type(value).__name__}' as 'Name'")
        self._text = str(value)

    @classmethod
    def cast(cls, object: object) -> Name:
        return cls(object)  # type: ignore[arg-type]

    def is_valid(self) -> bool:
        return True

    def is_none(self) -> bool:
        return self._text.lower() == "none"

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Name({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name | str) and str(other).lower() == self._text.lower()

    def __hash__(self) -> int:
        return hash(self._text.lower())


class Text:
    """The engine's text."""

    def __init__(self, value: Text | str = "") -> None:
        if not isinstance(value, Text | str):
            raise TypeError(f"Cannot nativize '{type(value).__name__}' as 'Text'")
        self._text = str(value)

    @classmethod
    def cast(cls, object: object) -> Text:
        return cls(object)  # type: ignore[arg-type]

    def is_empty(self) -> bool:
        return not self._text

    def is_empty_or_whitespace(self) -> bool:
        return not self._text.strip()

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Text({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text | str) and str(other) == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _anything(value: Any) -> Any:
    return value


class Array(MutableSequence[Any]):
    """The engine's array: every element is converted to its type."""

    _convert: Convert = staticmethod(_anything)

    def __init__(self, type: type | None = None) -> None:
        self._items: list[Any] = []

    @classmethod
    def of(cls, convert: Convert, items: Iterable[Any] = ()) -> Array:
        """Return an array whose elements pass ``convert``."""
        array = cls()
        array._convert = convert
        array._items = [convert(item) for item in items]
        return array

    @classmethod
    def __class_getitem__(cls, *args: Any) -> Any:
        return cls

    @classmethod
    def cast(cls, type: type, obj: Iterable[Any]) -> Array:
        return cls.of(_anything, obj)

    def copy(self) -> Array:
        return type(self).of(self._convert, self._items)

    __copy__ = copy

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._items[index] = self._convert(value)

    def __delitem__(self, index: Any) -> None:
        del self._items[index]

    def insert(self, index: int, value: Any) -> None:
        self._items.insert(index, self._convert(value))

    def resize(self, len: int) -> None:
        del self._items[len:]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array | list | tuple) and list(other) == self._items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Array({self._items!r})"


class Set(Array):
    """The engine's set, near enough: an array without doubles."""

    def insert(self, index: int, value: Any) -> None:
        if value not in self._items:
            super().insert(index, value)

    def add(self, value: Any) -> None:
        self.append(value)

    def discard(self, value: Any) -> None:
        if value in self._items:
            self._items.remove(value)


class Map(MutableMapping[Any, Any]):
    """The engine's map."""

    _convert_key: Convert = staticmethod(_anything)
    _convert: Convert = staticmethod(_anything)

    def __init__(self, key: type | None = None, value: type | None = None) -> None:
        self._items: dict[Any, Any] = {}

    @classmethod
    def of(cls, key: Convert, value: Convert, items: Mapping[Any, Any] | None = None) -> Map:
        """Return a map whose keys and values are converted."""
        new = cls()
        new._convert_key, new._convert = key, value
        for name, one in (items or {}).items():
            new[name] = one
        return new

    @classmethod
    def __class_getitem__(cls, *args: Any) -> Any:
        return cls

    def copy(self) -> Map:
        return type(self).of(self._convert_key, self._convert, self._items)

    __copy__ = copy

    def __getitem__(self, key: Any) -> Any:
        return self._items[self._convert_key(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items[self._convert_key(key)] = self._convert(value)

    def __delitem__(self, key: Any) -> None:
        del self._items[self._convert_key(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class Delegate:
    """Delegates of one and of many callables."""

    def __init__(self) -> None:
        self._bound: list[Callable[..., Any]] = []

    def add_callable(self, callable: Callable[..., Any]) -> None:
        if not _is_callable(callable):
            raise TypeError("Cannot bind something that is not callable")
        self._bound.append(callable)

    def add_callable_unique(self, callable: Callable[..., Any]) -> None:
        if callable not in self._bound:
            self.add_callable(callable)

    def bind_callable(self, callable: Callable[..., Any]) -> None:
        self._bound.clear()
        self.add_callable(callable)

    def remove_callable(self, callable: Callable[..., Any]) -> None:
        if callable in self._bound:
            self._bound.remove(callable)

    def contains_callable(self, callable: Callable[..., Any]) -> bool:
        return callable in self._bound

    def is_bound(self) -> bool:
        return bool(self._bound)

    def clear(self) -> None:
        self._bound.clear()

    unbind = clear

    def broadcast(self, *args: Any) -> None:
        for bound in list(self._bound):
            bound(*args)

    def execute(self, *args: Any) -> Any:
        (bound,) = self._bound
        return bound(*args)

    def execute_if_bound(self, *args: Any) -> Any:
        return self.execute(*args) if self._bound else None

    def copy(self) -> Delegate:
        return self


def _is_callable(value: object) -> bool:
    return callable(value)
