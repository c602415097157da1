"""What the add-on makes of a daemon's presets, and of nonsense."""

import copy

import pytest

from bridge import errors
from bridge.builtin import all_presets, load_preset
from bridge.host import preset

SOUND = {
    "name": "p",
    "title": "P",
    "controls": [
        {"name": "prompt", "label": "Prompt", "type": "text", "default": ""},
        {"name": "w", "label": "W", "type": "number", "default": 1.0, "minimum": 0.0, "maximum": 2.0},
    ],
    "units": [{"name": "depth", "label": "Depth", "map": "depth", "weight": "w"}],
}


def test_our_own_presets_are_understood():
    data = [preset.to_json(lambda folder: ["a model"]) for preset in all_presets()[0].values()]
    found = preset.read_presets({"presets": data})
    assert [entry.name for entry in found] == list(all_presets()[0])
    stylize = found[0]
    assert {unit.map for unit in stylize.units} == {"depth", "canny", "edges"}
    assert stylize.find("prompt").choices
    assert stylize.digest
    assert stylize.titles


@pytest.mark.parametrize(
    ("node", "value", "maximum", "words"),
    [
        ("3", 3, 8, "Sampler 3 of 8"),
        ("4", 40.0, 100.0, "Loading checkpoint 40%"),
        ("8", 2, 4, "Decode 50%"),
        ("3", 0, 0, "Sampler…"),
        ("99", 1, 2, "50%"),
    ],
)
def test_progress_in_words(node, value, maximum, words):
    (stylize, *_) = preset.read_presets({"presets": [load_preset("stylize").to_json(lambda folder: [])]})
    assert stylize.progress_words(node, value, maximum, steps=8) == words


def test_unknown_fields_of_a_newer_daemon_are_ignored():
    data = copy.deepcopy(SOUND)
    data["colour"] = "red"
    data["controls"][0]["shape"] = "round"
    assert preset.read_presets({"presets": [data]})[0].name == "p"


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"presets": None},
        {"presets": []},
        {"presets": [7]},
        {"presets": [{}]},
        {"presets": [{**SOUND, "controls": [{"name": "x"}]}]},
        {"presets": [{**SOUND, "controls": [{"name": "x", "label": "X", "type": "colour", "default": 1}]}]},
        {"presets": [{**SOUND, "controls": [{"name": "x", "label": "X", "type": "number", "default": "1"}]}]},
        {"presets": [{**SOUND, "controls": [{"name": "x", "label": "X", "type": "choice", "default": "a"}]}]},
        {"presets": [{**SOUND, "units": [{"name": "n", "label": "N", "map": "depth", "weight": "missing"}]}]},
        {"presets": [{**SOUND, "titles": [1]}]},
    ],
    ids=str,
)
def test_nonsense_is_one_clear_error(nonsense):
    with pytest.raises(errors.BridgeError) as caught:
        preset.read_presets(nonsense)
    assert caught.value.code == "bad_answer"
    assert "update" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        [SOUND, SOUND],
        [{**SOUND, "name": f"p{number}"} for number in range(300)],
        [{**SOUND, "controls": SOUND["controls"] + SOUND["controls"]}],
        [{**SOUND, "controls": [{**SOUND["controls"][0], "help": "x" * 20_000}]}],
    ],
)
def test_more_than_a_panel_can_show_is_refused(data):
    with pytest.raises(errors.BridgeError) as caught:
        preset.read_presets({"presets": data})
    assert caught.value.code == "bad_answer"
