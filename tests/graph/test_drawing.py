"""Drawings of workflows read back as what they were drawn from."""

from itertools import combinations
from typing import Any

from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition, draw_workflow, parse_workflow
from bridge.graph.editor import read_drawing

SEED = InputDefinition("seed", "INT", default=0, options={"control_after_generate": True})
DEFINITIONS = {
    "Load": NodeDefinition(
        "Load",
        "test",
        inputs=(InputDefinition("name", "COMBO", choices=("a", "b")),),
        outputs=(OutputDefinition("MODEL", "MODEL"), OutputDefinition("CLIP", "CLIP")),
    ),
    "Text": NodeDefinition(
        "Text",
        "test",
        inputs=(InputDefinition("text", "STRING", is_multiline=True), InputDefinition("clip", "CLIP")),
        outputs=(OutputDefinition("CONDITIONING", "CONDITIONING"),),
    ),
    "Number": NodeDefinition(
        "Number", "test", inputs=(InputDefinition("value", "INT"),), outputs=(OutputDefinition("INT", "INT"),)
    ),
    "Sample": NodeDefinition(
        "Sample",
        "test",
        inputs=(
            InputDefinition("model", "MODEL"),
            SEED,
            InputDefinition("mode", "COMBO", choices=("fast", "good"), default="good"),
            InputDefinition("positive", "CONDITIONING"),
            InputDefinition("strength", "FLOAT", is_required=False, default=0.5),
        ),
        outputs=(OutputDefinition("LATENT", "LATENT"),),
    ),
}
WORKFLOW: dict[str, Any] = {
    "4": {"class_type": "Load", "inputs": {"name": "b"}},
    "text": {
        "class_type": "Text",
        "inputs": {"text": "a\nb", "clip": ["4", 1]},
        "_meta": {"title": "Prompt"},
    },
    "9": {"class_type": "Number", "inputs": {"value": 7}},
    "3": {
        "class_type": "Sample",
        "inputs": {
            "model": ["4", 0],
            "seed": ["9", 0],
            "mode": "fast",
            "positive": ["text", 0],
            "strength": 0.25,
        },
    },
}


def drawn(workflow: dict[str, Any]) -> dict[str, Any]:
    return draw_workflow(parse_workflow(workflow), DEFINITIONS)


def test_a_drawing_reads_back_as_what_was_drawn() -> None:
    read = read_drawing(drawn(WORKFLOW), DEFINITIONS)
    read["text"] = read.pop("10")  # the editor's ids are numbers
    read["3"]["inputs"]["positive"] = ["text", 0]
    assert read == WORKFLOW


def test_the_editors_seed_control_is_written_behind_the_seed() -> None:
    sample = next(node for node in drawn(WORKFLOW)["nodes"] if node["type"] == "Sample")
    assert sample["widgets_values"] == [0, "fixed", "fast", 0.25]


def test_an_input_that_is_left_out_shows_its_default() -> None:
    read = read_drawing(drawn({"1": {"class_type": "Load", "inputs": {}}}), DEFINITIONS)
    assert read["1"]["inputs"] == {"name": "a"}


def test_wires_lead_to_the_right_and_nodes_do_not_overlap() -> None:
    drawing = drawn(WORKFLOW)
    nodes = {node["id"]: node for node in drawing["nodes"]}
    for _, source, _, target, _, _ in drawing["links"]:
        assert nodes[source]["pos"][0] + nodes[source]["size"][0] < nodes[target]["pos"][0]
    for one, other in combinations(nodes.values(), 2):
        apart = [
            one["pos"][axis] + one["size"][axis] <= other["pos"][axis]
            or other["pos"][axis] + other["size"][axis] <= one["pos"][axis]
            for axis in (0, 1)
        ]
        assert any(apart)
