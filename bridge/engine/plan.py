"""The nodes of a run and their signatures; grows when nodes expand.

1. A node of an expansion is named ``<id of the node>.<number of the call>.<its name>``; a name that
   begins with the node's id and a dot is taken as it is. A name that exists is an error.
2. Its literals are whatever Python values the expanding node chose. Those that are not plain texts or
   numbers count in signatures as "what this call of this node put here".
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bridge.engine.call import Expansion, Slots, call_accepted, is_async
from bridge.engine.job import Job, running
from bridge.errors import ExecutionError
from bridge.graph import ALWAYS, Link, NodeFunction, Registry, WorkflowNode, links_of, signature, topological

log = logging.getLogger(__name__)

_NODE_FAULT = "This is a fault of the node's code."


class DynamicPrompt:
    """What a node may know of the run it is in, expansions included; a hidden ``DYNPROMPT``.

    Args:
        plan: Of the run; grows when nodes expand.
    """

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[str]:
        return iter(self._plan.nodes)

    def __getitem__(self, node_id: str) -> WorkflowNode:
        return self._plan.nodes[node_id]

    def parent(self, node_id: str) -> str | None:
        """Return the node that expanded to a node; ``None`` for a node of the workflow."""
        return self._plan.parent(node_id)

    def display(self, node_id: str) -> str:
        """Return the node of the workflow that speaks for a node."""
        return self._plan.display(node_id)


class Plan:
    """What there is to run.

    Args:
        nodes: Of the workflow, by id.
        registry: The nodes that exist.
        job: Current while fingerprints are taken.
    """

    def __init__(self, nodes: Mapping[str, WorkflowNode], registry: Registry, job: Job) -> None:
        self.nodes = dict(nodes)
        self.keys: dict[str, str] = {}
        self.volatile: set[str] = set()  # nodes whose own fingerprint equals nothing
        self._registry = registry
        self._job = job
        self._parents: dict[str, str] = {}
        self._speakers: dict[str, str] = {}  # of nodes for which their parents do not speak
        self._children: dict[str, list[str]] = {}
        self._places: dict[str, str] = {}  # node of an expansion → the call that made it

    def display(self, node_id: str) -> str:
        """Return the node of the workflow that speaks for a node: itself, unless it was expanded to."""
        while node_id in self._parents:
            node_id = self._speakers.get(node_id, self._parents[node_id])
        return node_id

    def parent(self, node_id: str) -> str | None:
        """Return the node that expanded to a node; ``None`` for a node of the workflow."""
        return self._parents.get(node_id)

    def children(self, node_id: str) -> list[str]:
        """Return the nodes that a node expanded to."""
        return self._children.get(node_id, [])

    async def extend(self, targets: Iterable[str]) -> None:
        """Compute the signatures of nodes and of everything upstream of them.

        Raises:
            ExecutionError: ``unknown_node``, or ``cycle`` (of an expansion).
        """
        unknown = {node_id: node for node_id, node in self.nodes.items() if node_id not in self.keys}
        try:
            order = topological(unknown, [target for target in targets if target in unknown])
        except ValueError as error:
            raise ExecutionError(str(error), code="cycle", hint=_NODE_FAULT) from error
        for node_id in order:
            node = unknown[node_id]
            function = self._registry.get(node.class_type)
            if function is None:
                message = f'there is no node class "{node.class_type}"'
                raise ExecutionError(message, code="unknown_node", node_id=self.display(node_id))
            fingerprint = await self._fingerprint(node, function)
            if node_id in self.keys:  # another expansion came here while the node looked at the world
                continue
            if fingerprint is ALWAYS:
                self.volatile.add(node_id)
            self.keys[node_id] = signature(self._signed(node), function.definition, self.keys, fingerprint)

    async def expand(self, node_id: str, call: int, expansion: Expansion) -> tuple[Slots, list[str]]:
        """Add the nodes of an expansion.

        Args:
            node_id: The node that expanded.
            call: Which call of it did, from 0.
            expansion: What it returned.

        Returns:
            Its results with full ids, and the nodes to run for it.

        Raises:
            ExecutionError: ``duplicate_node``, ``bad_expansion``, ``unknown_node`` or ``cycle``.
        """
        place = f"{node_id}.{call}."
        known = {name: node for name, node in expansion.speakers.items() if node in self.nodes}
        names = {name: name if name.startswith(f"{node_id}.") else place + name for name in expansion.nodes}
        for name, full in names.items():
            if full in self.nodes:
                message = f'the expansion has a node "{name}" twice'
                raise ExecutionError(message, code="duplicate_node", hint=_NODE_FAULT)
            self.nodes[full] = _renamed(expansion.nodes[name], full, names)
            self._parents[full] = node_id
            if name in known:  # a node that was there before, so that nobody speaks for himself
                self._speakers[full] = known[name]
            self._places[full] = f"{self.keys[node_id]}.{call}.{name}"
            self._children.setdefault(node_id, []).append(full)
        results = tuple(_renamed_value(value, names) for value in expansion.results)
        wanted = [value.node_id for value in results if isinstance(value, Link)]
        wanted += [full for full in names.values() if self._is_output(full)]
        self._check_links(names.values(), results)
        await self.extend([*names.values(), *wanted])
        return results, wanted

    def _is_output(self, node_id: str) -> bool:
        function = self._registry.get(self.nodes[node_id].class_type)
        return function is not None and function.definition.is_output

    def _check_links(self, added: Iterable[str], results: Slots) -> None:
        links = [link for node_id in added for _, link in links_of(self.nodes[node_id])]
        for link in [*links, *(value for value in results if isinstance(value, Link))]:
            node = self.nodes.get(link.node_id)
            function = self._registry.get(node.class_type) if node else None
            if node is None or (function and not function.definition.has_output(link.slot)):
                message = f'the expansion links to output {link.slot} of "{link.node_id}", which is not there'
                raise ExecutionError(message, code="bad_expansion", hint=_NODE_FAULT)

    async def _fingerprint(self, node: WorkflowNode, function: NodeFunction) -> Any:
        """Ask a node about the world; one that cannot tell runs, and fails by itself if it must."""
        if function.fingerprint is None or function.fingerprint is ALWAYS:
            return function.fingerprint
        literals = {
            name: None if isinstance(value, Link) else value
            for name, value in node.inputs.items()
            if function.definition.takes(name, value)
        }
        try:
            with running(self._job, self.display(node.id), place=f"{node.id}.0."):
                fingerprint = call_accepted(function.fingerprint, literals)
                if is_async(function.fingerprint):
                    fingerprint = await fingerprint
        except Exception:  # a node's code: the run goes on as if the world had changed
            log.warning("the fingerprint of node %s (%s) failed", node.id, node.class_type, exc_info=True)
            return ALWAYS
        return ALWAYS if fingerprint != fingerprint else fingerprint

    def _signed(self, node: WorkflowNode) -> WorkflowNode:
        """Return a node as its signature sees it (rule 2)."""
        place = self._places.get(node.id)
        if place is None:
            return node
        plain = Link | str | int | float | None
        inputs = {
            name: value if isinstance(value, plain) else ("put here by", place)
            for name, value in node.inputs.items()
        }
        return replace(node, inputs=inputs)


def _renamed(node: WorkflowNode, full: str, names: Mapping[str, str]) -> WorkflowNode:
    inputs = {name: _renamed_value(value, names) for name, value in node.inputs.items()}
    return replace(node, id=full, inputs=inputs)


def _renamed_value(value: Any, names: Mapping[str, str]) -> Any:
    return Link(names.get(value.node_id, value.node_id), value.slot) if isinstance(value, Link) else value
