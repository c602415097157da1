"""The nodes that can run, collected from the modules of a package."""

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from bridge.errors import BridgeError, reason_of, sound
from bridge.graph.definition import Definitions
from bridge.graph.node import NodeFunction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A module whose nodes are missing, and why, in one line."""

    module: str
    reason: str


class Registry(Mapping[str, NodeFunction]):
    """Node functions by name.

    Args:
        functions: The nodes.
        failures: Modules that could not be imported.

    Attributes:
        definitions: What workflows may say about each node.

    Raises:
        BridgeError: ``duplicate_node`` if two nodes share a name.
    """

    def __init__(self, functions: Iterable[NodeFunction] = (), failures: Iterable[Failure] = ()) -> None:
        self._functions: dict[str, NodeFunction] = {}
        self.failures = tuple(failures)
        for function in functions:
            self._add(function)
        self.definitions: Definitions = {name: each.definition for name, each in self._functions.items()}

    @classmethod
    def of_package(cls, package: ModuleType) -> "Registry":
        """Import every module of a package, at any depth, and collect the nodes defined there.

        A module that fails to import is logged and listed in ``failures``; the others go on.

        Raises:
            BridgeError: ``duplicate_node`` if two modules define a node of the same name.
        """
        failures: list[Failure] = []
        functions = [function for module in _modules(package, failures) for function in _functions_of(module)]
        return cls(functions, failures)

    def __getitem__(self, name: str) -> NodeFunction:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def _add(self, function: NodeFunction) -> None:
        name = function.definition.name
        known = self._functions.setdefault(name, function)
        if known is not function:
            modules = f"{known.definition.module} and {function.definition.module}"
            raise BridgeError(
                f'two nodes are called "{name}": in {modules}',
                code="duplicate_node",
                hint="Rename one of them, or remove its file.",
            )


def _modules(package: ModuleType, failures: list[Failure]) -> Iterator[ModuleType]:
    """Yield a package and its modules in the order of their names."""
    yield package
    for found in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        try:
            module = importlib.import_module(found.name)
        except Exception as error:  # whatever a foreign module does must not take the others down
            log.exception("module %s cannot be imported; its nodes are missing", found.name)
            failures.append(Failure(sound(found.name), reason_of(error)))
        else:
            yield from _modules(module, failures)


def _functions_of(module: ModuleType) -> Iterator[NodeFunction]:
    """Yield the nodes defined in a module; those it only imports belong to another."""
    for value in filter(inspect.isfunction, vars(module).values()):
        function = getattr(value, "node", None)
        if isinstance(function, NodeFunction) and function.definition.module == module.__name__:
            yield function
