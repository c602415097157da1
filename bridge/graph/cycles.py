"""Finding the cycles of a workflow, iteratively and in linear time."""

from collections.abc import Iterator, Mapping

from bridge.graph.order import parents_of
from bridge.graph.workflow import WorkflowNode


def cycles(nodes: Mapping[str, WorkflowNode]) -> Iterator[list[str]]:
    """Yield a shortest cycle for every set of nodes that all lie upstream of each other.

    Yields:
        Node ids in the direction in which values would flow, from the set's first node in workflow
        order back to itself: ``["3", "5", "3"]``.
    """
    place = {node_id: index for index, node_id in enumerate(nodes)}
    for knot in _knots(nodes):
        start = min(knot, key=place.__getitem__)
        if len(knot) > 1 or start in parents_of(nodes, start):
            yield _shortest(nodes, set(knot), start)


def _shortest(nodes: Mapping[str, WorkflowNode], knot: set[str], start: str) -> list[str]:
    """Search breadth first, upstream, from a node back to itself."""
    child_of: dict[str, str] = {}
    level = [start]
    while start not in child_of:
        upstream = [(parent, child) for child in level for parent in parents_of(nodes, child)]
        fresh = {parent: child for parent, child in upstream if parent in knot and parent not in child_of}
        child_of |= fresh
        level = list(fresh)
    path = [start, child_of[start]]
    while path[-1] != start:
        path.append(child_of[path[-1]])
    return path


def _knots(nodes: Mapping[str, WorkflowNode]) -> Iterator[list[str]]:
    """Yield the strongly connected components. Source: Tarjan 1972, with the recursion unrolled."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    pending: dict[str, None] = {}  # visited, component not closed yet, in order of visit
    for root in nodes:
        path = [] if root in index else [(root, iter(parents_of(nodes, root)))]
        while path:
            node_id, parents = path[-1]
            if node_id not in index:
                index[node_id] = lowest[node_id] = len(index)
                pending[node_id] = None
            unseen = None
            for parent in parents:
                if parent not in index:
                    unseen = parent
                    break
                if parent in pending:
                    lowest[node_id] = min(lowest[node_id], index[parent])
            if unseen is not None:
                path.append((unseen, iter(parents_of(nodes, unseen))))
                continue
            path.pop()
            if path:
                child = path[-1][0]
                lowest[child] = min(lowest[child], lowest[node_id])
            if lowest[node_id] == index[node_id]:
                knot: list[str] = []
                while not knot or knot[-1] != node_id:
                    knot.append(pending.popitem()[0])
                yield knot
