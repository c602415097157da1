import itertools

from hypothesis import given
from hypothesis import strategies as st

from bridge.graph import Link, WorkflowNode, ancestors, parents_of
from bridge.graph.cycles import cycles


def graph(rows):
    return {
        str(i): WorkflowNode(str(i), "A", {f"x{j}": Link(str(parent), 0) for j, parent in enumerate(row)})
        for i, row in enumerate(rows)
    }


def test_path_follows_the_values_from_the_first_node_back_to_itself():
    assert list(cycles(graph([[1], [2], [0]]))) == [["0", "2", "1", "0"]]


def test_node_linked_to_itself_is_a_cycle_and_an_acyclic_graph_has_none():
    assert list(cycles(graph([[0]]))) == [["0", "0"]]
    assert list(cycles(graph([[1, 2], [2], []]))) == []


def test_shortest_way_round_is_named():
    assert list(cycles(graph([[1, 3], [2], [3], [0]]))) == [["0", "3", "0"]]


def test_knots_are_named_separately_even_when_one_feeds_the_other():
    found = sorted(cycles(graph([[1], [0, 2], [3], [2]])))
    assert found == [["0", "1", "0"], ["2", "3", "2"]]


@given(st.lists(st.sets(st.integers(0, 9), max_size=3), min_size=10, max_size=10))
def test_every_cyclic_node_lies_in_a_knot_that_was_named_and_every_path_exists(rows):
    nodes = graph(rows)
    found = list(cycles(nodes))
    for path in found:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert all(before in parents_of(nodes, after) for before, after in itertools.pairwise(path))
    upstream = {
        name: set().union(*(ancestors(nodes, [p]) for p in parents_of(nodes, name))) for name in nodes
    }
    cyclic = {name for name in nodes if name in upstream[name]}
    named = {
        name for path in found for name in cyclic if path[0] in upstream[name] and name in upstream[path[0]]
    }
    assert named == cyclic
    assert len({path[0] for path in found}) == len(found)
