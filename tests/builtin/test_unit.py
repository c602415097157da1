import json

import pytest

from bridge.builtin import Unit, expand, load_preset
from bridge.errors import BridgeError
from bridge.graph import ancestors, parse_workflow

APPLY = {
    "positive": ["1", 0],
    "negative": ["2", 0],
    "strength": 1.0,
    "start_percent": 0.0,
    "end_percent": 1.0,
}
UNIT = {"name": "u", "label": "U", "map": "depth", "weight": "weight", "start": "start", "end": "end"}


def number(name, node, input_name, **changes):
    entry = {"name": name, "label": name, "node": node, "input": input_name, "type": "number", "default": 1.0}
    return entry | changes


CONTROLS = [
    number("weight", "3", "strength"),
    number("start", "3", "start_percent"),
    number("end", "3", "end_percent"),
    number("elsewhere", "4", "cfg"),
    number("whole", "3", "strength", type="integer", default=1),
]


@pytest.fixture
def load(tmp_path):
    def write(unit=UNIT, apply_inputs=APPLY):
        workflow = {
            "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a"}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}},
            "3": {"class_type": "ControlNetApplyAdvanced", "inputs": apply_inputs},
            "4": {"class_type": "KSampler", "inputs": {"positive": ["3", 0], "cfg": 1.0}},
        }
        data = {"title": "Mine", "workflow": workflow, "controls": CONTROLS, "units": [unit]}
        (tmp_path / "mine.json").write_text(json.dumps(data))
        return load_preset("mine", [tmp_path])

    return write


@pytest.fixture(params=["stylize", "stylize-sd15"])
def preset(request):
    return load_preset(request.param)


def needed(preset, values):
    nodes = parse_workflow(expand(preset, values)).nodes
    return {nodes[node_id].class_type + node_id for node_id in ancestors(nodes, ["16"])}


def test_a_unit_is_read_from_the_preset(load):
    assert load().units == (Unit("u", "U", "depth", "weight", "start", "end"),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"map": "pose"}, "no map of depth, canny, normal, edges"),
        ({"weight": "nothing"}, "'nothing', which is no control"),
        ({"end": "whole"}, "'whole', which is no control for a number"),
        ({"start": "elsewhere"}, "set different nodes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_unit_that_does_not_fit_its_preset_is_refused(load, changes, said):
    with pytest.raises(BridgeError, match=said) as caught:
        load(UNIT | changes)
    assert caught.value.code == "bad_preset"


def test_a_unit_sets_a_node_between_prompts_and_sampler(load):
    with pytest.raises(BridgeError, match="fed no positive and negative"):
        load(apply_inputs={name: value for name, value in APPLY.items() if name != "negative"})


def test_every_unit_looks_at_its_map(preset):
    outputs = {"depth": ["10", 1], "canny": ["10", 2], "normal": ["10", 3], "edges": ["17", 0]}
    controls = {control.name: control for control in preset.controls}
    for unit in preset.units:
        node = preset.workflow[controls[unit.weight].node]
        assert node["inputs"]["image"] == outputs[unit.map]
        inputs = [controls[name].input for name in (unit.weight, unit.start, unit.end)]
        assert inputs == ["strength", "start_percent", "end_percent"]


def test_units_of_weight_zero_are_not_needed(preset):
    everything = needed(preset, {unit.weight: 1 for unit in preset.units})
    assert everything == {node["class_type"] + node_id for node_id, node in preset.workflow.items()}
    nothing = needed(preset, {unit.weight: 0 for unit in preset.units})
    assert not [name for name in nothing if name.startswith(("ControlNet", "ViewportEdges"))]
    assert {"KSampler3", "CLIPTextEncode6", "CLIPTextEncode7"} <= nothing


def test_a_bypassed_unit_leaves_its_neighbours_linked(preset):
    controls = {control.name: control for control in preset.controls}
    for off in preset.units:
        workflow = expand(preset, {unit.weight: 0.0 if unit is off else 1.0 for unit in preset.units})
        node, chain = "3", []
        while "positive" in (inputs := workflow[node]["inputs"]):
            assert (inputs["positive"][1], inputs["negative"][1]) in ((0, 1), (0, 0))
            node = inputs["positive"][0]
            chain.append(node)
        at_work = [controls[unit.weight].node for unit in preset.units if unit is not off]
        assert (chain, node) == ([*reversed(at_work), "6"], "6")
