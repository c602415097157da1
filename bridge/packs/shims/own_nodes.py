"""``nodes``: our nodes as classes in ComfyUI's form, for packs that call or extend them."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.graph import InputDefinition, NodeDefinition, NodeFunction, Registry
from bridge.packs.shims.missing import MissingPart

MAX_RESOLUTION = 16384


class OwnNodes(Mapping[str, type]):
    """Classes by the names of nodes, made when they are asked for.

    Args:
        registry: The nodes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._classes: dict[str, type] = {}

    def names(self) -> dict[str, Any]:
        """Return what the module ``nodes`` holds, by name."""
        shown = {name: definition.display_name for name, definition in self._registry.definitions.items()}
        return {
            "MAX_RESOLUTION": MAX_RESOLUTION,
            "NODE_CLASS_MAPPINGS": self,
            "NODE_DISPLAY_NAME_MAPPINGS": shown,
            "EXTENSION_WEB_DIRS": {},
            "__getattr__": self._attribute,
        }

    def __getitem__(self, name: str) -> type:
        if name not in self._classes:
            self._classes[name] = _class_of(self._registry[name])
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    def _attribute(self, name: str) -> type:
        if name in self._registry:
            return self[name]
        raise MissingPart(f"nodes.{name}")


def _class_of(function: NodeFunction) -> type:
    """Return a class whose method ``run`` is one of our functions; ``async`` where that is."""
    definition = function.definition
    given = {
        "required": {entry.name: _declared(entry) for entry in definition.inputs if entry.is_required},
        "optional": {entry.name: _declared(entry) for entry in definition.inputs if not entry.is_required},
        "hidden": dict(definition.hidden),
    }
    return type(
        definition.name,
        (),
        {
            "INPUT_TYPES": classmethod(lambda cls: given),
            "RETURN_TYPES": tuple(output.type for output in definition.outputs),
            "RETURN_NAMES": tuple(output.name for output in definition.outputs),
            "OUTPUT_NODE": definition.is_output,
            "CATEGORY": definition.category,
            "DESCRIPTION": definition.description,
            "FUNCTION": "run",
            "run": _method(function, definition),
        },
    )


def _method(function: NodeFunction, definition: NodeDefinition) -> Any:
    def as_tuple(result: Any) -> Any:
        return (result,) if len(definition.outputs) == 1 else result or ()

    def run(self: Any, **values: Any) -> Any:
        return as_tuple(function.call(**values))

    async def run_async(self: Any, **values: Any) -> Any:
        return as_tuple(await function.call(**values))

    return run_async if inspect.iscoroutinefunction(function.call) else run


def _declared(entry: InputDefinition) -> tuple[Any, dict[str, Any]]:
    options = {
        "default": entry.default,
        "min": entry.minimum,
        "max": entry.maximum,
        "step": entry.step,
        "multiline": entry.is_multiline or None,
        "tooltip": entry.tooltip or None,
    }
    kind: Any = list(entry.choices) if entry.choices is not None else entry.type
    return kind, {name: value for name, value in options.items() if value is not None}
