"""``comfy_execution.graph_utils``: building the graph that a node expands to."""

from contextvars import ContextVar
from typing import Any

from bridge.engine import ExecutionBlocker, current_place

__all__ = ["ExecutionBlocker", "GraphBuilder", "Node", "add_graph_prefix", "is_link"]

_allotted: ContextVar[tuple[str, int]] = ContextVar("allotted", default=("", 0))
"""The call of a node that last built a graph, and how many it has built."""


def is_link(value: Any) -> bool:
    """Whether a value of an input is ``[node id, slot]``."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], int | float)


class Node:
    """A node of a graph that is being built."""

    def __init__(self, id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id = id
        self.class_type = class_type
        self.inputs = inputs
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """Return a link to an output."""
        return [self.id, index]

    def set_input(self, name: str, value: Any) -> None:
        """Set an input; ``None`` takes it away."""
        if value is None:
            self.inputs.pop(name, None)
        else:
            self.inputs[name] = value

    def get_input(self, name: str) -> Any:
        """Return an input."""
        return self.inputs.get(name)

    def set_override_display_id(self, node_id: str | None) -> None:
        """Have another node speak for it, instead of the one that expands."""
        self.override_display_id = node_id

    def serialize(self) -> dict[str, Any]:
        """Return it as API JSON."""
        data: dict[str, Any] = {"class_type": self.class_type, "inputs": self.inputs}
        if self.override_display_id is not None:
            data["override_display_id"] = self.override_display_id
        return data


class GraphBuilder:
    """A graph that is being built.

    Args:
        prefix: Before all its ids; by default one that no other graph of the run has.
    """

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.alloc_prefix() if prefix is None else prefix
        self.nodes: dict[str, Node] = {}
        self.id_gen = 1

    @classmethod
    def alloc_prefix(
        cls, root: str | None = None, call_index: int | None = None, graph_index: int | None = None
    ) -> str:
        """Return ``<node>.<call>.<graph>.``, of the running node where nothing else is said."""
        place = current_place() if root is None else f"{root}.{call_index or 0}."
        last, count = _allotted.get()
        number = count if last == place else 0
        if graph_index is None:
            _allotted.set((place, number + 1))
        return f"{place}{number if graph_index is None else graph_index}."

    def node(self, class_type: str, id: str | None = None, **inputs: Any) -> Node:
        """Add a node, or return the one of that id."""
        if id is None:
            id = str(self.id_gen)
            self.id_gen += 1
        full = self.prefix + id
        return self.nodes.setdefault(full, Node(full, class_type, inputs))

    def lookup_node(self, id: str) -> Node | None:
        """Return a node, or ``None``."""
        return self.nodes.get(self.prefix + id)

    def remove_node(self, id: str) -> None:
        """Take a node away."""
        del self.nodes[self.prefix + id]

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Put something else where links to an output stand; ``None`` takes these inputs away."""
        old = [self.prefix + node_id, index]
        for node in self.nodes.values():
            for name in [name for name, value in node.inputs.items() if is_link(value) and value == old]:
                node.set_input(name, new_value)

    def finalize(self) -> dict[str, dict[str, Any]]:
        """Return the graph as API JSON."""
        return {node_id: node.serialize() for node_id, node in self.nodes.items()}


def add_graph_prefix(
    graph: dict[str, Any], outputs: Any, prefix: str
) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return a graph and links to it, with a prefix before all ids."""

    def renamed(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    fresh = {
        prefix + node_id: {
            "class_type": node["class_type"],
            "inputs": {name: renamed(value) for name, value in node.get("inputs", {}).items()},
        }
        for node_id, node in graph.items()
    }
    return fresh, tuple(renamed(output) for output in outputs)
