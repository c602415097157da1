import copy

import pytest

from bridge.builtin import load_preset
from bridge.builtin.variant import standard, variants_of

DATA = {
    "title": "Paint",
    "controls": [
        {"name": "seed", "node": "3", "default": 7},
        {"name": "depth_weight", "node": "5", "default": 1.0},
        {"name": "depth_start", "node": "5"},
        {"name": "depth_end", "node": "5"},
        {"name": "depth_model", "node": "4", "default": "depth"},
        {"name": "width", "node": "6", "default": 512, "also": [["3", "seed"]]},
    ],
    "units": [{"name": "depth"}],
    "workflow": {
        "1": {"class_type": "Text", "inputs": {"text": "a"}},
        "2": {"class_type": "Text", "inputs": {"text": "b"}},
        "4": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "depth"}},
        "6": {"class_type": "View", "inputs": {"width": 512}},
        "5": {
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {
                "positive": ["1", 0],
                "negative": ["2", 0],
                "control_net": ["4", 0],
                "image": ["6", 0],
                "strength": 1.0,
                "start_percent": 0.0,
                "end_percent": 1.0,
            },
        },
        "3": {
            "class_type": "Sampler",
            "inputs": {"positive": ["5", 0], "negative": ["5", 1], "seed": 7, "sampler_name": "euler"},
        },
    },
}


def only(variant):
    before = copy.deepcopy(DATA)
    ((suffix, data),) = variants_of({**DATA, "variants": [variant]})
    assert before == DATA, "the file's data stay as they are"
    return suffix, data


def test_a_file_without_variants_is_one_preset():
    ((suffix, data),) = variants_of(DATA)
    assert suffix == ""
    assert data["workflow"] == DATA["workflow"]
    assert "models" not in data


def test_an_entry_without_a_type_is_completed_by_what_is_usual():
    ((_, data),) = variants_of(DATA)
    seed = data["controls"][0]
    assert seed == {**standard()["controls"]["seed"], "name": "seed", "node": "3", "default": 7}
    whole = {"name": "strength", "type": "number", "label": "Of the LoRA", "node": "1", "input": "text"}
    ((_, data),) = variants_of({**DATA, "controls": [whole], "units": []})
    assert data["controls"] == [whole], "an entry that says its type says all"


def test_a_variant_changes_defaults_and_inputs_and_is_named_after_its_models():
    suffix, data = only(
        {
            "name": "xl",
            "title": "SDXL",
            "controls": {"seed": {"default": 9}},
            "inputs": {"3": {"sampler_name": "heun"}},
        }
    )
    assert (suffix, data["title"], data["models"]) == ("-xl", "Paint (SDXL)", "SDXL")
    assert data["controls"][0]["default"] == 9
    assert data["workflow"]["3"]["inputs"]["sampler_name"] == "heun"


def test_the_variant_without_a_name_keeps_the_title():
    suffix, data = only({"name": "", "title": "built-in model"})
    assert (suffix, data["title"], data["models"]) == ("", "Paint", "built-in model")


def test_fixed_controls_keep_their_values_and_are_not_shown():
    _, data = only({"name": "", "fixed": ["depth_model"]})
    assert "depth_model" not in {control["name"] for control in data["controls"]}
    assert data["workflow"]["4"]["inputs"]["control_net_name"] == "depth"


def test_without_a_unit_go_its_controls_and_whatever_only_it_needs():
    _, data = only({"name": "", "without": ["depth"]})
    assert set(data["workflow"]) == {"1", "2", "3"}
    assert data["workflow"]["3"]["inputs"]["positive"] == ["1", 0]
    assert data["workflow"]["3"]["inputs"]["negative"] == ["2", 0]
    assert [control["name"] for control in data["controls"]] == ["seed"]
    assert data["units"] == []


@pytest.mark.parametrize(
    "variant",
    [
        {"name": "", "controls": {"sed": {"default": 1}}},
        {"name": "", "inputs": {"9": {"seed": 1}}},
        {"name": "", "without": ["dept"]},
        {"title": "no name"},
    ],
)
def test_a_variant_of_what_is_not_there_is_refused(variant):
    with pytest.raises(KeyError):
        only(variant)


def test_the_built_in_stylize_has_no_normals_and_no_choice_of_models():
    names = {control.name for control in load_preset("stylize").controls}
    assert not names & {"checkpoint", "depth_model", "normal_weight"}
    assert {"checkpoint", "depth_model", "normal_weight"} <= {
        control.name for control in load_preset("stylize-sd15").controls
    }
