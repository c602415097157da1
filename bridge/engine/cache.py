"""What nodes returned, by signature, within a memory budget; the least recently used goes first.

Results of earlier prompts stay, so that going back to a camera, a prompt or a seed computes nothing
again. A running job keeps what it holds by ordinary references, whatever is dropped here.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from bridge.errors import Problem

ENTRY_BYTES = 1024
"""What an entry is charged beyond its values: signature, lists, bookkeeping."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one run of a node left behind.

    Args:
        outputs: For each output slot the list of its values.
        shown: What the node showed, in ComfyUI's form; shown again when the entry is used.
        warnings: What it, or a node it expanded to, warned of, and blockers that kept either from running;
            told again when the entry is used, with the id of whichever node uses it.
    """

    outputs: tuple[list[Any], ...]
    shown: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a cache is doing; counters run since it was made."""

    entries: int
    bytes: int
    hits: int
    misses: int
    evictions: int


class Cache:
    """Results by signature.

    Args:
        budget_bytes: What all entries together may hold; a larger result is not kept.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[str, tuple[Entry, int]] = OrderedDict()
        self._bytes = 0
        self._hits = self._misses = self._evictions = 0

    def get(self, signature: str) -> Entry | None:
        """Return what a node of this signature left behind, if it is still here."""
        found = self._entries.get(signature)
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(signature)
        return found[0]

    def knows(self, signature: str) -> bool:
        """Whether a node of this signature has left something behind; that does not count as a use."""
        return signature in self._entries

    def put(self, signature: str, entry: Entry) -> None:
        """Keep an entry, at the expense of those not used for longest."""
        self.drop(signature)
        size = ENTRY_BYTES + size_of(entry.outputs)
        if size > self._budget_bytes:
            return
        self._entries[signature] = entry, size
        self._bytes += size
        while self._bytes > self._budget_bytes:
            self.drop(next(iter(self._entries)))
            self._evictions += 1

    def drop(self, signature: str) -> None:
        """Forget what a node of this signature has left behind, if that is known."""
        _, size = self._entries.pop(signature, (None, 0))
        self._bytes -= size

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    @property
    def statistics(self) -> Statistics:
        """Entries and bytes now; hits, misses and evictions so far."""
        return Statistics(len(self._entries), self._bytes, self._hits, self._misses, self._evictions)


def size_of(value: Any) -> int:
    """Estimate the bytes a value keeps alive.

    Anything with an integer ``nbytes`` (arrays, tensors, memoryviews) says so itself; containers and
    dataclasses are summed, counting a shared part once. Other objects count as nothing: the weights
    behind a model handle belong to whoever loads and unloads models.
    """
    return _size_of(value, set())


def _size_of(value: Any, seen: set[int]) -> int:
    if isinstance(value, (int, float, type(None))) or id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    return sum(_size_of(part, seen) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (Sequence, Set)):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, entry.name) for entry in fields(value)]
    return []
