"""Which nodes of a workflow need which, and leading links past one of them. API JSON throughout."""

from collections.abc import Iterable, Mapping
from typing import Any

SIDES = ("positive", "negative")
"""Inputs of a node that applies a ControlNet, and at the same time its outputs, in slot order."""


def ends_of(workflow: Mapping[str, Any]) -> list[str]:
    """Return the nodes that no other one needs."""
    needed = {source for node in workflow.values() for source in _sources(node)}
    return [node_id for node_id in workflow if node_id not in needed]


def needed_by(workflow: Mapping[str, Any], ends: Iterable[str]) -> set[str]:
    """Return nodes with all that they need, directly or through others."""
    needed: set[str] = set()
    waiting = list(ends)
    while waiting:
        node_id = waiting.pop()
        if node_id not in needed:
            needed.add(node_id)
            waiting += _sources(workflow[node_id])
    return needed


def bypass(workflow: dict[str, Any], apply_node: str) -> None:
    """Lead every link to an apply node past it, so that nothing needs the node or its ControlNet.

    Args:
        workflow: ComfyUI API JSON; changed in place.
        apply_node: Id of a node that takes, and gives, ``SIDES``.
    """
    for slot, side in enumerate(SIDES):
        source = workflow[apply_node]["inputs"][side]
        for node in workflow.values():
            for name, value in node["inputs"].items():
                if value == [apply_node, slot]:
                    node["inputs"][name] = list(source)


def _sources(node: Mapping[str, Any]) -> list[str]:
    return [value[0] for value in node["inputs"].values() if isinstance(value, list) and len(value) == 2]
