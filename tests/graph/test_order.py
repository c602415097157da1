import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.graph import Link, WorkflowNode, ancestors, descendants, parents_of, topological


def graph(**parents):
    """Build nodes from ``a="b c"``: a links to b and to c."""
    return {
        name: WorkflowNode(name, "A", {f"x{i}": Link(parent, 0) for i, parent in enumerate(text.split())})
        for name, text in parents.items()
    }


DIAMOND = graph(a="b c", b="d", c="d", d="", e="a", f="")


def test_each_node_comes_after_what_it_links_to_in_input_order():
    assert topological(DIAMOND, ["a"]) == ["d", "b", "c", "a"]


def test_targets_come_in_the_order_given_and_each_node_once():
    assert topological(DIAMOND, ["f", "e", "a"]) == ["f", "d", "b", "c", "a", "e"]
    assert topological(DIAMOND, []) == []


@pytest.mark.parametrize("nodes", [graph(a="a"), graph(a="b", b="a"), graph(a="b c", b="", c="b d", d="a")])
def test_cycle_has_no_order(nodes):
    with pytest.raises(ValueError, match="cycle"):
        topological(nodes, ["a"])


def test_upstream_and_downstream_include_the_start():
    assert ancestors(DIAMOND, ["b", "c"]) == {"b", "c", "d"}
    assert descendants(DIAMOND, ["d"]) == {"a", "b", "c", "d", "e"}
    assert ancestors(DIAMOND, ["f"]) == descendants(DIAMOND, ["f"]) == {"f"}


def test_cycles_do_not_stop_the_search():
    ring = graph(a="b", b="c", c="a", d="a")
    assert ancestors(ring, ["a"]) == {"a", "b", "c"}
    assert descendants(ring, ["c"]) == {"a", "b", "c", "d"}


def test_links_to_missing_nodes_are_passed_over():
    nodes = graph(a="b missing b")
    assert parents_of(nodes | graph(b=""), "a") == ["b"]
    assert topological(nodes, ["a"]) == ["a"]


def test_chains_of_ten_thousand_nodes_are_no_matter():
    names = [f"n{i}" for i in range(10_000)]
    nodes = graph(n0="", **{name: before for before, name in itertools.pairwise(names)})
    assert topological(nodes, [names[-1]]) == names
    assert len(ancestors(nodes, [names[-1]])) == len(descendants(nodes, ["n0"])) == 10_000


@given(st.lists(st.sets(st.integers(0, 11), max_size=4), min_size=12, max_size=12), st.integers(0, 11))
def test_order_holds_for_any_graph_without_cycles(rows, target):
    nodes = graph(**{f"n{i}": " ".join(f"n{j}" for j in row if j < i) for i, row in enumerate(rows)})
    order = topological(nodes, [f"n{target}"])
    assert set(order) == ancestors(nodes, [f"n{target}"])
    assert all(
        order.index(parent) < order.index(name) for name in order for parent in parents_of(nodes, name)
    )
