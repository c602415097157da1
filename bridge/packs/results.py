"""From what a node of a pack returns to what the engine takes.

1. A mapping may hold ``ui`` (what it shows), ``result`` (its values) and ``expand`` (nodes that do its work).
2. Among the values of a node that expands, ``[node id, slot]`` is a link; elsewhere it is a value.
3. Who returns fewer values than it declares blocks what needs the others, and that is told; more are
   dropped, unless it has further outputs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.engine import ExecutionBlocker, Expansion, current_job
from bridge.errors import ExecutionError
from bridge.graph import Link, NodeDefinition, WorkflowNode
from bridge.packs.shims.graph_utils import is_link
from bridge.packs.shims.io_nodes import NodeOutput


def read_result(definition: NodeDefinition, returned: Any) -> Any:
    """Return what ``bridge.engine`` takes for a node's result; show what it shows.

    Args:
        definition: Of the node.
        returned: A sequence of values, a mapping, a ``NodeOutput``, an ``ExecutionBlocker`` or nothing.

    Raises:
        ExecutionError: ``bad_result`` if it is none of these.
    """
    if isinstance(returned, NodeOutput):
        returned = returned.as_dict()
    graph: Mapping[str, Any] | None = None
    if isinstance(returned, Mapping):
        if returned.get("ui"):
            current_job().show(_shown(returned["ui"]))
        graph = returned.get("expand")
        returned = returned.get("result")
    if isinstance(returned, ExecutionBlocker) and graph is None:
        return returned
    values = _values(definition, returned)
    if graph is not None:
        speakers = {name: node["override_display_id"] for name, node in graph.items() if _has_speaker(node)}
        return Expansion(tuple(_read_link(value) for value in values), _nodes(graph), speakers)
    if definition.further_outputs:
        return values
    return values[0] if len(values) == 1 else values or None


def _values(definition: NodeDefinition, returned: Any) -> tuple[Any, ...]:
    count = len(definition.outputs)
    if isinstance(returned, ExecutionBlocker):
        return (returned,) * count
    if returned is None:
        returned = ()
    if not isinstance(returned, Sequence) or isinstance(returned, str | bytes):
        message = f"{definition.name} returned {type(returned).__name__}, not a tuple of its outputs"
        raise ExecutionError(message, code="bad_result", hint="This is a fault of the node's code.")
    missing = (
        ExecutionBlocker(f"{definition.name} gave nothing for its output {output.name}")
        for output in definition.outputs[len(returned) :]
    )
    return (*(returned if definition.further_outputs else returned[:count]), *missing)


def _nodes(graph: Mapping[str, Any]) -> dict[str, WorkflowNode]:
    return {
        node_id: WorkflowNode(
            node_id,
            node["class_type"],
            {name: _read_link(value) for name, value in node.get("inputs", {}).items()},
        )
        for node_id, node in graph.items()
    }


def _has_speaker(node: Mapping[str, Any]) -> bool:
    return isinstance(node.get("override_display_id"), str)


def _read_link(value: Any) -> Any:
    return Link(value[0], int(value[1])) if is_link(value) else value


def _shown(ui: Any) -> dict[str, Any]:
    """Return what is shown as lists, which is how ComfyUI's clients know it; JSON has no endless numbers."""
    given = ui if isinstance(ui, Mapping) else ui.as_dict()
    return {
        str(name): _finite(list(value) if isinstance(value, list | tuple) else [value])
        for name, value in given.items()
    }


def _finite(value: Any) -> Any:
    """Return a value with ``None`` for each number in it that is none or endless."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(entry) for name, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list | tuple) else value
