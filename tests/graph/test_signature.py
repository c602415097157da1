import math
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.graph import ALWAYS, Link, NodeDefinition, WorkflowNode, parse_workflow, signature, signatures
from bridge.graph.signature import canonical

PLAIN = NodeDefinition("A", "test")
TOLD_ITS_ID = NodeDefinition("A", "test", hidden={"me": "UNIQUE_ID"})


def key(inputs=None, *, id="1", class_type="A", definition=PLAIN, keys=None, fingerprint=None):
    return signature(WorkflowNode(id, class_type, inputs or {}), definition, keys or {}, fingerprint)


def test_equal_nodes_have_equal_keys_whatever_their_id_title_and_input_order():
    assert key({"a": 1, "b": 2}, id="1") == key({"b": 2, "a": 1}, id="2")
    assert len(key()) == 64


def test_node_that_is_told_its_id_has_it_in_its_key():
    assert key(id="1", definition=TOLD_ITS_ID) != key(id="2", definition=TOLD_ITS_ID)
    assert key(id="1", definition=TOLD_ITS_ID) == key(id="1", definition=TOLD_ITS_ID)


def test_node_whose_results_differ_each_time_has_its_id_in_its_key():
    dice = NodeDefinition("A", "test", is_idempotent=False)
    assert key(id="1", definition=dice) != key(id="2", definition=dice)
    assert key(id="1", definition=dice) == key(id="1", definition=dice)


DIFFERENT = [
    {},
    {"inputs": {"a": 1}},
    {"inputs": {"a": 2}},
    {"inputs": {"a": 1.0}},
    {"inputs": {"a": True}},
    {"inputs": {"a": "1"}},
    {"inputs": {"a": None}},
    {"inputs": {"a": [1]}},
    {"inputs": {"a": {"1": 1}}},
    {"inputs": {"b": 1}},
    {"inputs": {"a": ["x", 0]}},
    {"inputs": {"a": Link("x", 0)}},
    {"inputs": {"a": Link("x", 1)}},
    {"inputs": {"a": Link("y", 0)}},
    {"inputs": {"a": ["link", "KEY-X", 0]}},
    {"class_type": "B"},
    {"fingerprint": 1},
    {"fingerprint": "2024-01-01"},
]


def test_class_values_links_and_fingerprint_all_count():
    keys = {"x": "KEY-X", "y": "KEY-Y"}
    found = {key(**{"keys": keys, **case}) for case in DIFFERENT}
    assert len(found) == len(DIFFERENT)


def test_link_counts_by_what_it_leads_to_not_by_its_id():
    assert key({"a": Link("x", 0)}, keys={"x": "K"}) == key({"a": Link("y", 0)}, keys={"y": "K"})


@pytest.mark.parametrize("value", [ALWAYS, math.nan, [math.nan], {"a": object()}, {ALWAYS}])
def test_what_equals_nothing_makes_a_new_key_every_time(value):
    assert key(fingerprint=value) != key(fingerprint=value)
    assert key({"a": value}) != key({"a": value})


def test_values_nested_too_deep_equal_nothing():
    value = []
    for _ in range(5000):
        value = [value]
    assert canonical(value) != canonical(value)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ({3, 1, 2}, {1, 2, 3}),
        ((1, 2), [1, 2]),
        (PurePosixPath("a/b"), PurePosixPath("a/b")),
        (b"ab", b"ab"),
        ("\ud800", "\ud800"),
        pytest.param(10**5000, 10**5000, id="huge"),
        (math.inf, math.inf),
    ],
)
def test_equal_plain_data_is_written_alike(left, right):
    assert canonical(left) == canonical(right)
    assert key(fingerprint=left) == key(fingerprint=right)


def test_different_kinds_are_written_differently():
    values = [
        "ab",
        b"ab",
        PurePosixPath("ab"),
        ["ab"],
        {"ab"},
        {"ab": None},
        ["a", "b"],
        0.0,
        -0.0,
        0,
        False,
        None,
        "",
    ]
    assert len({canonical(value) for value in values}) == len(values)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def strict(value):
    """Return a structure that is equal only for equal values of equal types."""
    if isinstance(value, list):
        return ("list", tuple(map(strict, value)))
    if isinstance(value, dict):
        return ("dict", frozenset((name, strict(entry)) for name, entry in value.items()))
    return (type(value), repr(value))


@given(plain, plain)
def test_writing_is_equal_exactly_when_the_data_is(left, right):
    assert (canonical(left) == canonical(right)) == (strict(left) == strict(right))


def test_renumbering_a_workflow_changes_no_key_and_a_seed_only_those_downstream(definitions, tutorial):
    def keys_of(data):
        return signatures(parse_workflow(data).nodes, definitions, [next(reversed(data))])

    before = keys_of(tutorial)
    assert list(before) == ["4", "6", "7", "5", "3", "8", "9"]
    renumbered = {
        f"n{node_id}": {
            **node,
            "inputs": {
                name: [f"n{value[0]}", value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in tutorial.items()
    }
    assert {f"n{node_id}": key for node_id, key in before.items()} == keys_of(renumbered)
    tutorial["3"]["inputs"]["seed"] = 7
    after = keys_of(tutorial)
    assert {node_id for node_id in before if before[node_id] != after[node_id]} == {"3", "8", "9"}


def test_fingerprint_that_equals_nothing_renews_everything_downstream(definitions, tutorial):
    nodes = parse_workflow(tutorial).nodes
    first, second = (signatures(nodes, definitions, ["9"], {"5": ALWAYS}) for _ in range(2))
    assert {node_id for node_id in first if first[node_id] != second[node_id]} == {"5", "3", "8", "9"}


def test_chain_of_ten_thousand_nodes_has_a_key():
    nodes = {str(i): WorkflowNode(str(i), "A", {"x": Link(str(i + 1), 0)}) for i in range(10_000)}
    nodes["10000"] = WorkflowNode("10000", "A")
    assert len(signatures(nodes, {"A": PLAIN}, ["0"])) == 10_001
