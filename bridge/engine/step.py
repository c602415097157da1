"""A node on its way through a run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bridge.engine.cache import Entry
from bridge.engine.call import Slots
from bridge.errors import Problem
from bridge.graph import Link, NodeFunction, WorkflowNode, links_of


@dataclass(slots=True, eq=False)
class Step:
    """A node that was asked for."""

    node: WorkflowNode
    function: NodeFunction
    order: int
    waits_for: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # lazy inputs that the node wants
    twin: "Step | None" = None  # the node whose result it takes over
    calls: list[Slots] | None = None  # what each call said, once it has run
    own_shown: dict[str, Any] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)  # those of its calls, and blockers that it met
    entry: Entry | None = None  # once it is done
    is_volatile: bool = False  # whether running it again may give something else

    def __lt__(self, other: "Step") -> bool:
        mine = (not self.function.definition.is_output, self.order)
        return mine < (not other.function.definition.is_output, other.order)

    @property
    def used_links(self) -> Iterable[tuple[str, Link]]:
        """Its links, without lazy ones that it has not asked for."""
        for name, link in links_of(self.node):
            entry = self.function.definition.input(name)
            is_lazy = entry is not None and entry.is_lazy
            if self.function.definition.takes(name, link) and (not is_lazy or name in self.asked):
                yield name, link
