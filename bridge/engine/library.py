"""What a bootstrap hands to the engine: the nodes, and how to speak about and free what they hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.graph import Registry

PACK_GROUP = "framebridge.nodes"
"""The group of entry points that packs of nodes belong to."""


@dataclass(frozen=True, slots=True)
class NodeLibrary:
    """Everything the worker knows about nodes; a bootstrap ``load(settings)`` returns one.

    Args:
        registry: The nodes that can run.
        environment: What a picture depends on besides its workflow, as JSON data: ``device`` (``cpu``,
            ``cuda:0`` …; shown to users), ``dtype``, ``threads``, ``torch``. Told to the daemon once.
        measure: Tells what memory is taken; called on another thread while nodes run. Figures that the daemon
            knows: ``vram_total_bytes``, ``vram_free_bytes``, ``torch_vram_total_bytes``,
            ``torch_vram_free_bytes``.
        free: Gives back device memory between runs (unloads models, empties the allocator's cache).
        packs: Name of a pack that others wrote → its folders, absolute: ``web`` (scripts for the editor),
            ``locales``, ``examples`` (workflows); what it lacks is left out.
        warm_up: Does, perhaps for seconds, what would else be done for the first picture.
    """

    registry: Registry
    environment: Mapping[str, Any] = field(default_factory=dict)
    free: Callable[[], None] = lambda: None
    measure: Callable[[], Mapping[str, float]] = dict
    packs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warm_up: Callable[[], None] = lambda: None
