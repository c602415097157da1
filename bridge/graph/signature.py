"""Cache keys: equal keys mean that running a node again would give the same result.

1. A key covers the class, the literal inputs, the links and the fingerprint.
2. A link counts by structure, that is by the key of the node it leads to and the slot; ids do not
   count, so that renumbering a workflow runs nothing again.
3. Except that a node which is told its own id (a hidden ``UNIQUE_ID``), or gives something else each
   time (not ``is_idempotent``), has the id in its key.
4. NaN, and whatever is not plain data (``ALWAYS`` above all), equal nothing, not even themselves:
   the key is new every time, and so are the keys downstream.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from bridge.graph.definition import Definitions, NodeDefinition
from bridge.graph.order import topological
from bridge.graph.workflow import Link, WorkflowNode

MAX_DEPTH = 100
"""Values nested deeper than this equal nothing."""

_tickets = count()


def signatures(
    nodes: Mapping[str, WorkflowNode],
    definitions: Definitions,
    targets: Iterable[str],
    fingerprints: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the keys of the targets and of everything upstream of them, in an order they can run in.

    Args:
        nodes: By id; validated, so without cycles.
        definitions: The nodes that exist.
        targets: Ids.
        fingerprints: What ``NodeFunction.fingerprint`` returned, by node id.
    """
    given = fingerprints or {}
    keys: dict[str, str] = {}
    for node_id in topological(nodes, targets):
        node = nodes[node_id]
        keys[node_id] = signature(node, definitions[node.class_type], keys, given.get(node_id))
    return keys


def signature(
    node: WorkflowNode, definition: NodeDefinition, keys: Mapping[str, str], fingerprint: Any = None
) -> str:
    """Return the key of one node: 64 hexadecimal digits.

    Args:
        node: With converted inputs, so that 1 and 1.0 are not both found in a FLOAT.
        definition: Of its class.
        keys: The keys of all nodes it links to.
        fingerprint: What ``NodeFunction.fingerprint`` returned.
    """
    counts_itself = "UNIQUE_ID" in definition.hidden.values() or not definition.is_idempotent
    own_id = node.id if counts_itself else None
    inputs = {
        name: ("link", keys[value.node_id], value.slot) if isinstance(value, Link) else ("value", value)
        for name, value in node.inputs.items()
    }
    text = canonical((node.class_type, own_id, inputs, fingerprint))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def canonical(value: Any, depth: int = 0) -> str:
    """Write a value as text that is equal for equal plain data of equal types, and for nothing else.

    Args:
        value: JSON data, bytes, paths, tuples, sets; anything else equals nothing.
        depth: How deep it lies in the value that was asked for.
    """
    if depth > MAX_DEPTH:
        return _never()
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return _never() if value != value else f"{type(value).__name__}:{_digits(value)};"
    if isinstance(value, list | tuple):
        return "[" + "".join([canonical(entry, depth + 1) for entry in value]) + "]"
    if isinstance(value, bytes):
        return f"b{len(value)}:{value.hex()}"
    if isinstance(value, Mapping):
        entries = sorted(
            (canonical(key, depth + 1), canonical(entry, depth + 1)) for key, entry in value.items()
        )
        return "{" + "".join([key + entry for key, entry in entries]) + "}"
    if isinstance(value, set | frozenset):
        return "<" + "".join(sorted(canonical(entry, depth + 1) for entry in value)) + ">"
    if isinstance(value, os.PathLike):
        return f"p{canonical(os.fspath(value), depth)}"
    return _never()


def _digits(value: float) -> str:
    """Write a number exactly; hexadecimal has no limit on its length."""
    return value.hex() if isinstance(value, float) else f"{value:x}"


def _never() -> str:
    return f"?{next(_tickets)};"
