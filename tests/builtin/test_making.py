import json
from typing import Any

import pytest

from bridge.builtin import expand_preset, load_preset
from bridge.builtin.library import save_preset
from bridge.builtin.making import Draft, Shown, make_preset, name_of, offer_of
from bridge.errors import BridgeError, InputError, WorkflowError
from bridge.graph import Definitions, InputDefinition, NodeDefinition, OutputDefinition, parse_workflow


def defined(name: str, *inputs: InputDefinition, outputs: str = "", title: str = "") -> NodeDefinition:
    kinds = tuple(OutputDefinition(kind, kind) for kind in outputs.split())
    return NodeDefinition(name, "x", title, inputs=inputs, outputs=kinds)


def link(name: str, kind: str) -> InputDefinition:
    return InputDefinition(name, kind)


SIDE = {"default": 512, "minimum": 16, "maximum": 16384, "step": 8}
PAINTER = (
    link("model", "MODEL"),
    link("positive", "CONDITIONING"),
    link("negative", "CONDITIONING"),
    link("latent_image", "LATENT"),
    InputDefinition("seed", "INT", default=0, minimum=0, maximum=2**64 - 1, tooltip="The noise."),
    InputDefinition("steps", "INT", default=20, minimum=1, maximum=10000),
    InputDefinition("cfg", "FLOAT", default=8.0, minimum=0.0, maximum=100.0, step=0.1),
    InputDefinition("sampler_name", "COMBO", choices=("euler", "heun")),
    InputDefinition("denoise", "FLOAT", default=1.0, minimum=0.0, maximum=1.0),
)
DEFINITIONS: Definitions = {
    entry.name: entry
    for entry in (
        defined(
            "Load", InputDefinition("ckpt_name", "COMBO", choices_from="checkpoints"), outputs="MODEL CLIP"
        ),
        defined("LoadImage", InputDefinition("image", "COMBO", choices_from="input"), outputs="IMAGE MASK"),
        defined(
            "CLIPTextEncode",
            link("clip", "CLIP"),
            InputDefinition("text", "STRING", is_multiline=True),
            outputs="CONDITIONING",
            title="Text",
        ),
        defined(
            "EmptyLatentImage",
            InputDefinition("width", "INT", **SIDE),
            InputDefinition("height", "INT", **SIDE),
            outputs="LATENT",
        ),
        defined("KSampler", *PAINTER, outputs="LATENT"),
        defined("Decode", link("samples", "LATENT"), link("mask", "MASK"), outputs="IMAGE"),
        defined("Apply", link("positive", "CONDITIONING"), link("image", "IMAGE"), outputs="CONDITIONING"),
        defined("SaveImage", link("images", "IMAGE"), InputDefinition("filename_prefix", "STRING")),
    )
}

WORKFLOW = {
    "1": {"class_type": "Load", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a fox"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 384}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "positive": ["9", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "seed": 7,
            "steps": 12,
            "cfg": 6.5,
            "sampler_name": "heun",
            "denoise": 0.5,
        },
        "_meta": {"title": "The painter"},
    },
    "6": {"class_type": "Decode", "inputs": {"samples": ["5", 0], "mask": ["8", 1]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "fox"}},
    "8": {"class_type": "LoadImage", "inputs": {"image": "depth.png"}},
    "9": {"class_type": "Apply", "inputs": {"positive": ["2", 0], "image": ["8", 0]}},
}


def made(shown=(), **more: Any) -> dict[str, Any]:
    return make_preset(Draft("Fox", parse_workflow(WORKFLOW), shown, **more), DEFINITIONS)


def test_what_most_people_would_show_is_suggested_under_names_that_hosts_know():
    offer = offer_of(parse_workflow(WORKFLOW), DEFINITIONS)
    suggested = {shown.name: shown.place for shown in offer.suggested}
    assert suggested == {
        "prompt": "2.text",
        "negative_prompt": "3.text",
        "checkpoint": "1.ckpt_name",
        "seed": "5.seed",
        "steps": "5.steps",
        "guidance": "5.cfg",
        "strength": "5.denoise",
    }
    assert offer.inputs["5.sampler_name"] == "The painter: sampler name"
    assert offer.pictures == {"8": "LoadImage"}


def test_a_control_takes_kind_range_value_and_help_from_the_node():
    seed, sampler, model = made(
        [Shown("5.seed", "seed", ""), Shown("5.sampler_name", "how", "How"), Shown("1.ckpt_name", "m", "M")]
    )["controls"][:3]
    assert (seed["label"], seed["help"], seed["default"]) == ("The painter: seed", "The noise.", 7)
    assert (seed["type"], seed["minimum"], seed["maximum"]) == ("integer", 0, 2**64 - 1)
    assert (sampler["type"], sampler["choices"], sampler["default"]) == ("choice", ["euler", "heun"], "heun")
    assert (model["type"], model["folder"]) == ("model", "checkpoints")


def test_an_input_that_the_workflow_leaves_out_may_be_shown(tmp_path):
    workflow = json.loads(json.dumps(WORKFLOW))
    del workflow["5"]["inputs"]["steps"]
    draft = Draft("Fox", parse_workflow(workflow), [Shown("5.steps", "steps", "Steps")])
    preset = save_preset(tmp_path, "fox", make_preset(draft, DEFINITIONS))
    assert preset.workflow["5"]["inputs"]["steps"] == 20


def test_pictures_are_sent_to_the_host_and_sizes_follow_the_capture():
    data = made()
    assert data["workflow"]["7"]["class_type"] == "SendToHost"
    assert data["workflow"]["7"]["inputs"] == {"images": ["6", 0]}
    sizes = {control["name"]: control for control in data["controls"]}
    assert (sizes["width"]["node"], sizes["width"]["default"]) == ("4", 640)
    assert sizes["height"]["default"] == 384


@pytest.mark.parametrize(("plane", "slot"), [("color", 0), ("depth", 1), ("canny", 2), ("normal", 3)])
def test_what_the_host_sends_takes_the_place_of_a_loaded_picture(plane, slot):
    data = made(feeds={"8": plane})
    workflow = data["workflow"]
    assert "8" not in workflow
    assert workflow["9"]["inputs"]["image"] == ["framebridge_viewport", slot]
    assert workflow["6"]["inputs"]["mask"] == ["framebridge_viewport", 4]
    sizes = {control["name"]: control for control in data["controls"]}
    assert ["framebridge_viewport", "width"] in sizes["width"]["also"]


def test_a_chosen_picture_may_take_its_place():
    data = made(feeds={"8": "reference"})
    assert data["pictures"] == [{"name": "reference", "label": "Reference"}]
    assert data["workflow"]["9"]["inputs"]["image"] == ["framebridge_reference", 0]


def test_it_is_kept_and_runs_like_one_of_ours(tmp_path):
    offer = offer_of(parse_workflow(WORKFLOW), DEFINITIONS)
    data = make_preset(
        Draft("Mein Fuchs!", parse_workflow(WORKFLOW), offer.suggested, {"8": "depth"}, "Paints a fox."),
        DEFINITIONS,
    )
    preset = save_preset(tmp_path, name_of("Mein Fuchs!"), data)
    assert preset == load_preset("mein-fuchs", [tmp_path])
    assert (preset.title, preset.description) == ("Mein Fuchs!", "Paints a fox.")
    workflow = expand_preset("mein-fuchs", {"prompt": "a hare", "width": 256}, [tmp_path])
    assert workflow["2"]["inputs"]["text"] == "a hare"
    assert workflow["4"]["inputs"]["width"] == workflow["framebridge_viewport"]["inputs"]["width"] == 256
    assert workflow["5"]["inputs"]["seed"] == 7


def test_nothing_is_replaced_unless_that_is_asked_for(tmp_path):
    save_preset(tmp_path, "fox", made())
    with pytest.raises(InputError) as caught:
        save_preset(tmp_path, "fox", made(description="Another."))
    assert caught.value.code == "preset_exists"
    assert load_preset("fox", [tmp_path]).description == ""
    save_preset(tmp_path, "fox", made(description="Another."), replaces=True)
    assert load_preset("fox", [tmp_path]).description == "Another."
    assert [file.name for file in tmp_path.iterdir()] == ["fox.json"]


def test_ours_cannot_be_shadowed_by_accident(tmp_path):
    with pytest.raises(InputError) as caught:
        save_preset(tmp_path, "stylize", made())
    assert caught.value.code == "preset_exists"


def test_a_preset_that_could_not_be_read_again_is_not_kept(tmp_path):
    data = made() | {"controls": [{"name": "x", "node": "99", "input": "y", "type": "text", "label": "X"}]}
    with pytest.raises(BridgeError) as caught:
        save_preset(tmp_path, "fox", data)
    assert caught.value.code == "bad_preset"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shown", "feeds", "code"),
    [
        ([Shown("5.sed", "seed", "")], {}, "bad_show"),
        ([Shown("5.model", "model", "")], {}, "bad_show"),
        ([Shown("99.seed", "seed", "")], {}, "bad_show"),
        ([], {"5": "depth"}, "bad_feed"),
        ([], {"8": "smell"}, "bad_feed"),
    ],
)
def test_names_that_lead_nowhere_are_refused(shown, feeds, code):
    with pytest.raises(InputError) as caught:
        made(shown, feeds=feeds)
    assert caught.value.code == code
    assert caught.value.hint


def test_two_controls_of_one_name_are_refused(tmp_path):
    data = made([Shown("5.seed", "seed", ""), Shown("5.steps", "seed", "")])
    with pytest.raises(BridgeError, match="seed"):
        save_preset(tmp_path, "fox", data)


def test_an_unknown_node_is_named():
    workflow = json.loads(json.dumps(WORKFLOW).replace("Decode", "DecodeWithMagic"))
    with pytest.raises(WorkflowError, match="DecodeWithMagic"):
        offer_of(parse_workflow(workflow), DEFINITIONS)


@pytest.mark.parametrize("title", ["", "  ", "!?"])
def test_a_title_needs_letters(title):
    with pytest.raises(InputError) as caught:
        name_of(title)
    assert caught.value.code == "bad_title"
