"""The parts of the editor's drawings, whatever they hold: ids, lists, kinds of nodes that do not run."""

from collections.abc import Mapping, Sequence
from typing import Any

WIRES = frozenset({"Reroute"})
VALUES = frozenset({"PrimitiveNode"})
NOTES = frozenset({"Note", "MarkdownNote"})

INPUT_NODE, OUTPUT_NODE = -10, -20
"""Ids of what stands for the outside within a subgraph."""


def as_id(value: Any) -> str:
    """Return an id or a name as text; empty where it is none."""
    return str(value) if isinstance(value, str | int) else ""


def as_list(value: Any) -> Sequence[Any]:
    """Return a list; an empty one where it is none."""
    return value if isinstance(value, list) else ()


def as_dict(value: Any) -> Mapping[str, Any]:
    """Return an object; an empty one where it is none."""
    return value if isinstance(value, Mapping) else {}


def as_dicts(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list."""
    return [entry for entry in as_list(value) if isinstance(entry, Mapping)]
