"""A workflow as data: nodes by id, whose inputs are JSON values or links to other nodes' outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Link:
    """An input's source: output ``slot`` (from 0) of the node ``node_id``."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class WorkflowNode:
    """One node of a workflow.

    Args:
        id: Its key in the workflow.
        class_type: The node class, ``KSampler``.
        inputs: Input name → JSON value or ``Link``.
        title: What the artist called it; empty where nobody did.
    """

    id: str
    class_type: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the node as ComfyUI's API JSON."""
        inputs = {name: _write_input(value) for name, value in self.inputs.items()}
        data: dict[str, Any] = {"class_type": self.class_type, "inputs": inputs}
        return {**data, "_meta": {"title": self.title}} if self.title else data


@dataclass(frozen=True, slots=True)
class Workflow:
    """Nodes by id, in the order of the file."""

    nodes: Mapping[str, WorkflowNode]

    def to_json(self) -> dict[str, Any]:
        """Return ComfyUI's API JSON; ``parse_workflow`` reads it back as an equal workflow."""
        return {node_id: node.to_json() for node_id, node in self.nodes.items()}

    def with_inputs(self, inputs: Mapping[str, Mapping[str, Any]]) -> "Workflow":
        """Return a copy in which the named nodes have exactly these inputs."""
        changed = {node_id: replace(self.nodes[node_id], inputs=given) for node_id, given in inputs.items()}
        return Workflow({**self.nodes, **changed})


def read_input(value: Any) -> Any:
    """Turn one input value of API JSON into a ``Link`` or a literal.

    A list of two, ``[node id, slot]``, is a link; ``{"__value__": …}`` holds a literal that might be
    mistaken for one. Everything else is the literal itself.
    """
    if isinstance(value, Mapping) and "__value__" in value:
        return value["__value__"]
    if isinstance(value, list) and len(value) == 2:
        node_id, slot = value
        if isinstance(node_id, str | int) and type(node_id) is not bool and type(slot) is int:
            return Link(str(node_id), slot)
    return value


def links_of(node: WorkflowNode) -> Iterator[tuple[str, Link]]:
    """Yield the input name and the link of every linked input."""
    return ((name, value) for name, value in node.inputs.items() if isinstance(value, Link))


def _write_input(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node_id, value.slot]
    if isinstance(value, list) or (isinstance(value, Mapping) and "__value__" in value):
        return {"__value__": value}
    return value
