import json
import os
import re
import sys
from pathlib import Path

import pytest

from bridge.builtin import Preset, all_presets, expand, expand_preset, load_preset, save_pictures_too
from bridge.builtin.library import MAX_ICON
from bridge.builtin.variant import variants_of
from bridge.errors import BridgeError, WorkflowError


def nested(levels):
    return {"in": nested(levels - 1)} if levels else 0


@pytest.fixture
def stylize():
    return load_preset("stylize")


@pytest.fixture(params=list(all_presets()[0]))
def ours(request):
    return load_preset(request.param)


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


def no_models(folder):
    return []


def codes(preset, values):
    with pytest.raises(WorkflowError) as caught:
        expand(preset, values)
    return {(problem.code, problem.input_name) for problem in caught.value.problems}


def test_stylize_comes_along_and_is_the_first():
    found, faults = all_presets()
    assert next(iter(found)) == "stylize"
    assert not faults
    assert isinstance(load_preset("Stylize"), Preset)


@pytest.mark.parametrize(
    "base",
    [
        *("stylize", "sketch", "relight", "objects", "inpaint", "outpaint"),
        *("upscale", "instruct", "reference", "sheet"),
    ],
)
def test_every_kind_of_work_has_a_preset_with_a_picture(base):
    preset = load_preset(base)
    assert preset.base == base
    assert preset.icon
    assert preset.icon.read_bytes().startswith(b"\x89PNG")


def test_every_link_leads_somewhere_and_every_node_is_needed(ours):
    links = [
        value
        for node in ours.workflow.values()
        for value in node["inputs"].values()
        if isinstance(value, list)
    ]
    ends = {node_id for node_id, node in ours.workflow.items() if node["class_type"] == "SendToHost"}
    assert {node for node, _ in links} | ends == set(ours.workflow)


def test_the_workflow_holds_the_defaults_of_its_controls(ours):
    for control in ours.controls:
        for node, name in control.targets:
            assert ours.workflow[node]["inputs"][name] == control.default


def test_with_every_unit_at_work_the_links_stay(ours):
    values = {unit.weight: 0.5 for unit in ours.units}
    workflow = expand(ours, values)
    for control in ours.controls:
        for node, name in control.targets:
            assert workflow[node]["inputs"].pop(name) == values.get(control.name, control.default)
            workflow[node]["inputs"][name] = ours.workflow[node]["inputs"][name]
    assert workflow == ours.workflow


def test_values_reach_their_inputs_and_the_preset_stays(stylize):
    before = json.dumps(stylize.workflow)
    workflow = expand(stylize, {"prompt": "clay", "strength": 0.5, "steps": 4, "seed": 2**64 - 1})
    assert workflow["6"]["inputs"]["text"] == "clay"
    assert workflow["3"]["inputs"]["denoise"] == 0.5
    assert workflow["3"]["inputs"]["steps"] == 4
    assert workflow["3"]["inputs"]["seed"] == 2**64 - 1
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
        ("depth_weight", 2.5, "out_of_range"),
    ],
)
def test_values_that_do_not_fit_are_refused(stylize, name, value, code):
    assert codes(stylize, {name: value}) == {(code, name)}


@pytest.mark.parametrize("value", ["freestyle", ["colour"]])
def test_a_choice_is_one_of_its_list(own, value):
    choice = {"name": "c", "label": "C", "node": "1", "input": "soft", "type": "choice"}
    folders = own(controls=[choice | {"default": "a", "choices": ["a", "colour"]}])
    assert codes(load_preset("mine", folders), {"c": value}) == {("not_in_list", "c")}


def test_a_control_may_set_several_nodes(stylize):
    workflow = expand(stylize, {"width": 256, "height": 128})
    for node in ("10", "17"):
        assert (workflow[node]["inputs"]["width"], workflow[node]["inputs"]["height"]) == (256, 128)


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
    ours, theirs = list(all_presets()[0]), list(all_presets(folders)[0])
    assert theirs == [*(name for name in ours if not name.startswith("stylize-")), "mine"]
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
        {"workflow": {"1": {"class_type": "EmptyImage"}}, "controls": []},
        {"workflow": {"1": []}, "controls": []},
        {"workflow": {}, "controls": []},
        {"workflow": {"1": {"inputs": {}, "_meta": {"title": "A"}}}, "controls": []},
        {"workflow": {"1": {"class_type": None, "inputs": {}}}, "controls": []},
        {"workflow": {"1": {"class_type": "A", "inputs": {"image": ["9", 0]}}}, "controls": []},
        {"workflow": {"1": {"class_type": "A", "inputs": {"image": [["9"], 0]}}}, "controls": []},
        {"workflow": {"1": {"class_type": "A", "inputs": {"width": float("nan")}}}, "controls": []},
        {"workflow": {"1": {"class_type": "A", "inputs": {"width": 2**70}}}, "controls": []},
        {"workflow": {"1": {"class_type": "A", "inputs": {"deep": nested(64)}}}, "controls": []},
        {"title": "half a character: \ud800"},
        {"variants": [{"name": "", "without": ["nothing"]}]},
        {"variants": []},
        {"pictures": [{"name": "reference", "label": None}]},
        {
            "controls": [
                {"name": "x", "label": None, "node": "1", "input": "width", "type": "integer", "default": 8}
            ]
        },
        {
            "controls": [
                {
                    "name": "x",
                    "label": "X",
                    "node": "1",
                    "input": "width",
                    "default": "a",
                    "type": "model",
                    "folder": ["vae"],
                }
            ]
        },
        {"units": [{"name": "x"}]},
        {"units": 3},
    ],
)
def test_a_broken_preset_says_so_and_the_others_are_there(own, changes):
    folders = own(**changes)
    with pytest.raises(BridgeError) as caught:
        load_preset("mine", folders)
    assert caught.value.code == "bad_preset"
    found, faults = all_presets(folders)
    assert list(found) == list(all_presets()[0])
    assert [fault.message for fault in faults] == [caught.value.message]


def test_a_picture_that_is_too_large_says_so(own):
    (folder,) = folders = own()
    icon = folder / "mine.png"
    icon.write_bytes(bytes(MAX_ICON + 1024))
    _, (fault,) = all_presets(folders)
    assert fault.message == "preset 'mine' cannot be read: its picture mine.png has 257 KiB, more than 256"
    icon.write_bytes(bytes(MAX_ICON))
    assert not all_presets(folders)[1]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_no_text_is_told_as_one(own):
    (folder,) = own()
    (folder / "mine.json").rename(folder / os.fsdecode(b"mine\xff.json"))
    found, (fault,) = all_presets([folder])
    assert list(found) == list(all_presets()[0])
    assert json.dumps(fault.problem.to_json(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(({"title": title}, "its title must be a text, and not empty") for title in (None, 7, "", " ", [])),
        *(({"description": text}, "its description must be a text") for text in (None, 7, ["a"])),
        ({"base": 7}, "its base must be a text"),
        ({"models": 7}, "its models must be a text"),
        ({"variants": [{"name": "a", "title": None}]}, "the title of a variant must be a text"),
    ],
)
def test_what_people_read_of_a_preset_is_a_text(own, changes, said):
    found, faults = all_presets(own(**changes))
    assert not any(name.startswith("mine") for name in found)
    assert [fault.message for fault in faults] == [f"preset 'mine' cannot be read: {said}"]


def test_a_file_is_read_again_once_it_has_changed(own, monkeypatch):
    all_presets()
    read = []
    monkeypatch.setattr(
        "bridge.builtin.library.variants_of", lambda data: read.append(1) or variants_of(data)
    )
    folders = own(title="One")
    assert {all_presets(folders)[0]["mine"].title for _ in range(3)} == {"One"}
    assert len(read) == 1
    own(title="Another")
    assert load_preset("mine", folders).title == "Another"
    (folders[0] / "mine.png").write_bytes(bytes(MAX_ICON + 1))
    _, (fault,) = all_presets(folders)
    assert "KiB, more than" in fault.message


def test_a_preset_without_a_title_or_without_an_object_says_so(tmp_path):
    (tmp_path / "bare.json").write_text('{"workflow": {}}')
    (tmp_path / "list.json").write_text("[]")
    _, faults = all_presets([tmp_path])
    assert [fault.message for fault in faults] == [
        "preset 'bare' cannot be read: 'title' is not there",
        "preset 'list' cannot be read: it is no JSON object",
    ]


def test_a_preset_that_is_no_json_says_so(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BridgeError, match="preset 'bad' cannot be read"):
        load_preset("bad", [tmp_path])


def test_a_panel_gets_the_controls_as_json(stylize):
    data = json.loads(json.dumps(stylize.to_json(no_models)))
    assert (data["name"], data["title"]) == ("stylize", "Stylize")
    assert data["workflow"] == stylize.workflow
    steps = next(control for control in data["controls"] if control["name"] == "steps")
    assert steps["minimum"] == 1
    assert "choices" not in steps
    assert "folder" not in steps
    assert not steps["advanced"]
    assert next(c for c in data["controls"] if c["name"] == "depth_near")["advanced"]
    assert "neon" in next(c for c in data["controls"] if c["name"] == "prompt")["choices"]
    assert next(c for c in data["controls"] if c["name"] == "negative_prompt")["default"] == ""
    assert [(unit["name"], unit["map"]) for unit in data["units"]] == [
        ("depth", "depth"),
        ("canny", "canny"),
        ("edges", "edges"),
    ]
    assert data["titles"]["3"] == "Sampler"
    assert set(data["titles"]) == set(stylize.workflow)
    assert [data["titles"][node] for node in data["loaders"]] == [
        "Checkpoint",
        "Depth ControlNet",
        "Lines ControlNet",
    ]


def test_a_panel_offers_the_models_that_are_there():
    kinds = {"checkpoints": ["a.safetensors"], "controlnet": []}
    data = load_preset("stylize-sd15").to_json(kinds.__getitem__)
    offered = {
        control["name"]: (control["default"], control["folder"], control["choices"])
        for control in data["controls"]
        if control["type"] == "model"
    }
    assert offered == {
        "checkpoint": ("v1-5-pruned-emaonly-fp16.safetensors", "checkpoints", ["a.safetensors"]),
        "depth_model": ("control_v11f1p_sd15_depth_fp16.safetensors", "controlnet", []),
        "canny_model": ("control_v11p_sd15_canny_fp16.safetensors", "controlnet", []),
        "normal_model": ("control_v11p_sd15_normalbae_fp16.safetensors", "controlnet", []),
    }


@pytest.mark.parametrize("changes", [{"type": "model"}, {"type": "text", "folder": "vae"}])
def test_a_model_and_nothing_else_lies_in_a_folder(own, changes):
    control = {"name": "m", "label": "M", "node": "1", "input": "soft", "default": "a"}
    with pytest.raises(BridgeError, match="must have a folder if it is a model") as caught:
        load_preset("mine", own(controls=[control | changes]))
    assert caught.value.code == "bad_preset"


def test_the_reserved_names_mean_the_same_in_our_presets(ours):
    types = {control.name: control.type for control in ours.controls}
    reserved = {"prompt": "text", "negative_prompt": "text", "seed": "integer", "strength": "number"}
    reserved |= {"steps": "integer", "width": "integer", "height": "integer"}
    reserved |= {"depth_near": "number", "depth_far": "number"}
    assert {name: kind for name, kind in reserved.items() if name in types}.items() <= types.items()
    assert {"width", "height"} <= types.keys()


def test_a_node_without_a_title_is_called_as_its_class(own):
    assert load_preset("mine", own()).titles == {"1": "EmptyImage"}


def test_the_digest_follows_the_content_and_not_how_it_is_written(own, tmp_path):
    file = tmp_path / "mine.json"
    before = load_preset("mine", own()).digest
    assert re.fullmatch("[0-9a-f]{16}", before)
    file.write_text(json.dumps(dict(reversed(json.loads(file.read_text()).items())), indent=4))
    assert load_preset("mine", [tmp_path]).digest == before
    assert load_preset("mine", own(description="Another.")).digest != before


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


def test_the_protocol_describes_every_field_that_a_panel_gets(ours):
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    chapter = text.split("## Presets\n")[1].split("## Limits\n")[0]
    parts = [part.replace(", ", "\n") for part in re.split(r"^### .*$", chapter, flags=re.M)]
    described = [set(re.findall(r"^(?:\| )?`([a-z_]+)`", part, re.M)) for part in parts]
    data = ours.to_json(no_models)
    assert set(data) <= described[0]
    assert {field for control in data["controls"] for field in control} <= described[1]
    assert {field for unit in data["units"] for field in unit} <= described[2]
