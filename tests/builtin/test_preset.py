import json

import pytest

from bridge.builtin import Preset, expand, expand_preset, load_preset, preset_names, save_pictures_too
from bridge.errors import BridgeError, WorkflowError


@pytest.fixture
def stylize():
    return load_preset("stylize")


@pytest.fixture
def own(tmp_path):
    def write(name="mine", **changes):
        data = {
            "title": "Mine",
            "workflow": {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "soft": False}}},
            "controls": [
                {
                    "name": "width",
                    "label": "Width",
                    "node": "1",
                    "input": "width",
                    "type": "integer",
                    "default": 8,
                },
                {
                    "name": "soft",
                    "label": "Soft",
                    "node": "1",
                    "input": "soft",
                    "type": "boolean",
                    "default": False,
                },
            ],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(data | changes))
        return [tmp_path]

    return write


def codes(preset, values):
    with pytest.raises(WorkflowError) as caught:
        expand(preset, values)
    return {(problem.code, problem.input_name) for problem in caught.value.problems}


def test_stylize_comes_along():
    assert preset_names() == ["stylize"]
    assert isinstance(load_preset("Stylize"), Preset)


def test_every_link_leads_somewhere_and_every_node_is_needed(stylize):
    links = [
        value
        for node in stylize.workflow.values()
        for value in node["inputs"].values()
        if isinstance(value, list)
    ]
    assert {node for node, _ in links} | {"16"} == set(stylize.workflow)


def test_the_workflow_holds_the_defaults_of_its_controls(stylize):
    assert expand(stylize, {}) == stylize.workflow


def test_values_reach_their_inputs_and_the_preset_stays(stylize):
    before = json.dumps(stylize.workflow)
    workflow = expand(
        stylize, {"prompt": "clay", "strength": 0.5, "steps": 4, "lines": "geometry", "seed": 2**64 - 1}
    )
    assert workflow["6"]["inputs"]["text"] == "clay"
    assert workflow["3"]["inputs"]["denoise"] == 0.5
    assert workflow["3"]["inputs"]["steps"] == 4
    assert workflow["3"]["inputs"]["seed"] == 2**64 - 1
    assert workflow["10"]["inputs"]["canny_source"] == "geometry"
    assert json.dumps(stylize.workflow) == before


def test_numbers_take_the_type_of_the_control(stylize):
    workflow = expand(stylize, {"steps": 4.0, "guidance": 2})
    assert (type(workflow["3"]["inputs"]["steps"]), type(workflow["3"]["inputs"]["cfg"])) == (int, float)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("promt", "x", "unknown_control"),
        ("prompt", 7, "bad_value"),
        ("prompt", None, "bad_value"),
        ("prompt", "x" * 100_001, "bad_value"),
        ("steps", 0, "out_of_range"),
        ("steps", 1.5, "bad_value"),
        ("steps", True, "bad_value"),
        ("steps", "4", "bad_value"),
        ("strength", 1.01, "out_of_range"),
        ("strength", float("nan"), "bad_value"),
        ("seed", 2**64, "out_of_range"),
        ("seed", -1, "out_of_range"),
        ("lines", "freestyle", "not_in_list"),
        ("lines", ["colour"], "not_in_list"),
    ],
)
def test_values_that_do_not_fit_are_refused(stylize, name, value, code):
    assert codes(stylize, {name: value}) == {(code, name)}


def test_every_fault_is_reported_at_once(stylize):
    assert codes(stylize, {"steps": 0, "strength": "much", "x": 1}) == {
        ("out_of_range", "steps"),
        ("bad_value", "strength"),
        ("unknown_control", "x"),
    }


def test_a_misspelt_control_is_recognised(stylize):
    with pytest.raises(WorkflowError) as caught:
        expand(stylize, {"promt": "x"})
    assert caught.value.hint == "Did you mean 'prompt'?"


def test_a_preset_by_name_is_expanded():
    assert expand_preset("STYLIZE", {"prompt": "ice"})["6"]["inputs"]["text"] == "ice"


@pytest.mark.parametrize(
    ("name", "hint"), [("stylise", "stylize"), ("../secret", "There are"), ("", "There are")]
)
def test_an_unknown_preset_says_what_there_is(name, hint):
    with pytest.raises(BridgeError) as caught:
        load_preset(name)
    assert caught.value.code == "unknown_preset"
    assert hint in caught.value.hint


def test_folders_of_the_user_add_presets_and_replace_ours(own):
    folders = own("Mine")
    own("stylize", title="My own")
    assert preset_names(folders) == ["stylize", "mine"]
    assert load_preset("mine", folders).title == "Mine"
    assert load_preset("stylize", folders).title == "My own"
    assert expand_preset("mine", {"soft": True, "width": 10**9}, folders)["1"]["inputs"] == {
        "soft": True,
        "width": 10**9,
    }
    assert codes(load_preset("mine", folders), {"soft": 1}) == {("bad_value", "soft")}


@pytest.mark.parametrize(
    ("bounds", "value", "said"),
    [
        ({"minimum": 5}, 4, "at least 5"),
        ({"maximum": 9}, 10, "at most 9"),
        ({"minimum": 5, "maximum": 9}, 4, "5…9"),
    ],
)
def test_a_number_may_be_bounded_on_either_side(own, bounds, value, said):
    control = {"name": "w", "label": "W", "node": "1", "input": "width", "type": "integer", "default": 8}
    folders = own(controls=[control | bounds])
    with pytest.raises(WorkflowError, match=f"W must be {said}, got {value}"):
        expand_preset("mine", {"w": value}, folders)


@pytest.mark.parametrize(
    "changes",
    [
        {"controls": [{"name": "x"}]},
        {"controls": [{"name": "x", "label": "X", "node": "9", "input": "a", "type": "text", "default": ""}]},
        {"controls": [{"name": "x", "label": "X", "node": "1", "input": "a", "type": "text", "default": ""}]},
        {
            "controls": [
                {"name": "x", "label": "X", "node": "1", "input": "width", "type": "text", "default": 8}
            ]
        },
        {
            "controls": [
                {"name": "x", "label": "X", "node": "1", "input": "width", "type": "knob", "default": 8}
            ]
        },
        {"controls": 3},
        {"workflow": []},
    ],
)
def test_a_broken_preset_says_so(own, changes):
    folders = own(**changes)
    with pytest.raises(BridgeError) as caught:
        load_preset("mine", folders)
    assert caught.value.code == "bad_preset"


def test_a_preset_that_is_no_json_says_so(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BridgeError, match="preset 'bad' cannot be read"):
        load_preset("bad", [tmp_path])


def test_a_panel_gets_the_controls_as_json(stylize):
    data = json.loads(json.dumps(stylize.to_json()))
    assert (data["name"], data["title"]) == ("stylize", "Stylize")
    assert "workflow" not in data
    steps = next(control for control in data["controls"] if control["name"] == "steps")
    assert steps["minimum"] == 1
    assert "choices" not in steps
    assert next(c for c in data["controls"] if c["name"] == "lines")["choices"] == ["colour", "geometry"]
    assert next(c for c in data["controls"] if c["name"] == "negative_prompt")["default"] == ""


def test_what_is_sent_can_be_saved_too(stylize):
    saved = save_pictures_too(stylize.workflow, "demo/neon")
    added = {node_id: node for node_id, node in saved.items() if node_id not in stylize.workflow}
    assert list(added.values()) == [
        {
            "class_type": "SaveImage",
            "inputs": {"images": ["8", 0], "filename_prefix": "demo/neon"},
            "_meta": {"title": "Save"},
        }
    ]
