import pytest

from bridge.graph import Link, Workflow, WorkflowNode, links_of, parse_workflow, read_input


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["4", 1], Link("4", 1)),
        ([4, 1], Link("4", 1)),
        (["4", -1], Link("4", -1)),
        ({"__value__": ["4", 1]}, ["4", 1]),
        ({"__value__": 5}, 5),
        (["4"], ["4"]),
        (["4", 1, 2], ["4", 1, 2]),
        (["4", 0.0], ["4", 0.0]),
        (["4", True], ["4", True]),
        ([True, 0], [True, 0]),
        ([None, 0], [None, 0]),
        ("4", "4"),
        ({"a": 1}, {"a": 1}),
        (None, None),
    ],
)
def test_only_a_pair_of_node_and_whole_slot_is_a_link(value, expected):
    assert read_input(value) == expected


def test_links_are_listed_with_their_inputs():
    node = WorkflowNode("3", "KSampler", {"seed": 1, "model": Link("4", 0), "latent_image": Link("5", 0)})
    assert list(links_of(node)) == [("model", Link("4", 0)), ("latent_image", Link("5", 0))]


@pytest.mark.parametrize("literal", [["a", 1], [], [1, 2, 3], {"__value__": 1}, {"a": [1]}, "x", 2, None])
def test_literals_survive_being_written_and_read(literal):
    workflow = Workflow({"1": WorkflowNode("1", "A", {"x": literal})})
    assert parse_workflow(workflow.to_json()) == workflow


def test_json_keeps_links_and_titles():
    node = WorkflowNode("6", "CLIPTextEncode", {"clip": Link("4", 1)}, "Positive")
    assert node.to_json() == {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["4", 1]},
        "_meta": {"title": "Positive"},
    }


def test_replacing_inputs_leaves_the_original_alone():
    before = parse_workflow(
        {"1": {"class_type": "A", "inputs": {"x": 1}}, "2": {"class_type": "B", "inputs": {}}}
    )
    after = before.with_inputs({"1": {"x": 2}})
    assert (before.nodes["1"].inputs, after.nodes["1"].inputs) == ({"x": 1}, {"x": 2})
    assert list(after.nodes) == ["1", "2"]
