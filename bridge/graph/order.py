"""Which nodes an output needs, and in which order they can run.

Everything here is iterative: a chain of ten thousand nodes is a legal workflow. Links to nodes that do
not exist are passed over; validation has named them.
"""

from collections.abc import Iterable, Mapping

from bridge.graph.workflow import WorkflowNode, links_of


def topological(nodes: Mapping[str, WorkflowNode], targets: Iterable[str]) -> list[str]:
    """Return the targets and everything upstream of them, each node after all that it links to.

    Args:
        nodes: By id.
        targets: Ids to start from, in the order in which they should be reached.

    Raises:
        ValueError: If the links form a cycle; validated workflows have none.
    """
    done: dict[str, None] = {}
    for target in targets:
        path: set[str] = set()
        stack = [target]
        while stack:
            node_id = stack[-1]
            if node_id in done:
                stack.pop()
            elif node_id in path:
                done[stack.pop()] = None
            else:
                path.add(node_id)
                parents = [parent for parent in parents_of(nodes, node_id) if parent not in done]
                if not path.isdisjoint(parents):
                    raise ValueError(f"a cycle goes through node {node_id}")
                stack.extend(reversed(parents))
    return list(done)


def ancestors(nodes: Mapping[str, WorkflowNode], targets: Iterable[str]) -> set[str]:
    """Return the ids of the targets and of everything upstream of them; cycles do no harm."""
    found = set(targets)
    waiting = list(found)
    while waiting:
        parents = set(parents_of(nodes, waiting.pop())) - found
        found |= parents
        waiting.extend(parents)
    return found


def descendants(nodes: Mapping[str, WorkflowNode], sources: Iterable[str]) -> set[str]:
    """Return the ids of the sources and of everything downstream of them; cycles do no harm."""
    children: dict[str, list[str]] = {node_id: [] for node_id in nodes}
    for node_id in nodes:
        for parent in parents_of(nodes, node_id):
            children[parent].append(node_id)
    found = set(sources)
    waiting = list(found)
    while waiting:
        fresh = set(children[waiting.pop()]) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def parents_of(nodes: Mapping[str, WorkflowNode], node_id: str) -> list[str]:
    """Return the ids of the nodes that a node links to directly, each once, in input order."""
    parents = dict.fromkeys(link.node_id for _, link in links_of(nodes[node_id]))
    return [parent for parent in parents if parent in nodes]
