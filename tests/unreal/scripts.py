"""What the fake ``unreal`` does: behaviour by name, and a record of every call.

``script("EditorActorSubsystem.destroy_actor", function)`` says what a method does; the function gets the
object (not for class methods), then the arguments in the order of the engine's signature, defaults filled
in; it may leave out the last ones. ``behave("Actor", holder)`` does so for every public method of an
object.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class NotScripted(Exception):
    """A call that the engine has, and that no script of the test answers."""


@dataclass(frozen=True)
class Call:
    """One call, as it was made."""

    name: str
    target: Any
    arguments: tuple[Any, ...]


@dataclass
class Scripts:
    """Behaviour by name, and what happened."""

    calls: list[Call] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    ticks: dict[object, Callable[[float], None]] = field(default_factory=dict)
    shutdowns: dict[object, Callable[[], None]] = field(default_factory=dict)
    watchers: list[Callable[[Any, str, Any], None]] = field(default_factory=list)
    """Each is told of an object, the property that will be set, and its value until now."""

    transactions: list[tuple[str, Any]] = field(default_factory=list)
    """``("begin" | "end" | "cancel", words)``."""

    on_transaction: Callable[[str, str], None] | None = None
    tasks: list[str] = field(default_factory=list)
    is_cancelled: bool = False
    """What ``ScopedSlowTask.should_cancel`` says."""

    _scripts: dict[str, Callable[..., Any]] = field(default_factory=dict)
    _getters: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def script(self, name: str, function: Callable[..., Any]) -> None:
        """Say what a function, ``Class.method`` or ``Class.__init__`` does."""
        self._scripts[name] = function

    def behave(self, name: str, holder: object) -> None:
        """Say what the methods of a class do: those that ``holder`` has."""
        for method in dir(holder):
            function = getattr(holder, method)
            if callable(function) and not method.startswith("_"):
                self.script(f"{name}.{method}", function)

    def computed(self, name: str, function: Callable[[Any], Any]) -> None:
        """Say what the value of a property, ``Class.property``, follows from."""
        self._getters[name] = function

    def getter(self, owner: type, name: str) -> Callable[[Any], Any] | None:
        """Return what computes a property, if something does."""
        found = (self._getters.get(f"{base.__name__}.{name}") for base in owner.__mro__)
        return next((one for one in found if one), None)

    def find(self, owner: type, name: str) -> Callable[..., Any] | None:
        """Return what a method does: its own script, or that of the nearest class it is derived from."""
        found = (self._scripts.get(f"{base.__name__}.{name}") for base in owner.__mro__)
        return next((one for one in found if one), None)

    def answer(self, name: str) -> Callable[..., Any]:
        """Return what a script of this name does."""
        return self._scripts[name]

    def run(self, name: str, function: Callable[..., Any] | None, target: Any, arguments: list[Any]) -> Any:
        """Record a call and do it."""
        self.calls.append(Call(name, target, tuple(arguments)))
        function = function or self._scripts.get(name)
        if function is None:
            raise NotScripted(f"{name}: the world of this test does not say what it does")
        first = [] if target is None else [target]
        return function(*_taken(function, [*first, *arguments]))

    def transact(self, kind: str, words: str) -> None:
        """Record a transaction's begin, end or cancel, and let the world know."""
        self.transactions.append((kind, words))
        if self.on_transaction:
            self.on_transaction(kind, words)

    def called(self, name: str) -> list[Call]:
        """Return the calls of this name."""
        return [call for call in self.calls if call.name == name]

    def tick(self, seconds: float = 1 / 60) -> None:
        """Let the editor's window tick once."""
        for callback in list(self.ticks.values()):
            callback(seconds)

    def shut_down(self) -> None:
        """End the editor."""
        for callback in list(self.shutdowns.values()):
            callback()


def _taken(function: Callable[..., Any], arguments: list[Any]) -> list[Any]:
    kinds = [one.kind for one in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return arguments
    return arguments[: len(kinds)]
