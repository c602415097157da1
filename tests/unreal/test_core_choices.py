"""What the panel asks for: checked as it is set, kept with the project, in spite of a damaged file."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.builtin import all_presets

from .test_core_studio import core  # noqa: F401 - a fixture


@pytest.fixture
def presets(core: Any) -> tuple[Any, ...]:  # noqa: F811
    data = [preset.to_json(lambda folder: ["a model", "another"]) for preset in all_presets()[0].values()]
    found: tuple[Any, ...] = core("_bridge.host.preset").read_presets({"presets": data})
    return found


@pytest.fixture
def choices(core: Any, presets: tuple[Any, ...], tmp_path: Path) -> Any:  # noqa: F811
    made = core("core.choices").Choices(tmp_path)
    made.offer(presets)
    return made


def again(core: Any, choices: Any, presets: tuple[Any, ...], tmp_path: Path) -> Any:  # noqa: F811
    """The same, after the editor was closed and opened."""
    made = core("core.choices").Choices(tmp_path)
    made.offer(presets)
    return made


def code_of(call: Any) -> str:
    with pytest.raises(Exception, match=r"\w") as caught:
        call()
    return str(caught.value.code)


def test_presets_that_want_other_views_are_not_offered(choices, presets):
    choices.offer(presets)
    offered = {preset.name for preset in choices.presets}
    assert {"stylize", "relight", "upscale", "reference"} <= offered
    assert not offered & {"outpaint", "sheet"}


def test_pictures_are_chosen_for_each_preset_and_kept(core, choices, presets, tmp_path):  # noqa: F811
    choices.choose("reference")
    preset = choices.preset
    assert choices.picture(preset, "reference") == ""
    choices.set_picture("reference", "/tmp/look.png")
    assert code_of(lambda: choices.set_picture("reference", 7)) == "bad_value"
    assert again(core, choices, presets, tmp_path).picture(preset, "reference") == "/tmp/look.png"
    assert choices.picture(choices.preset_named("stylize"), "reference") == ""
    assert "reference" not in choices.recipe.values


def test_all_is_there_again_in_the_next_editor(core, choices, presets, tmp_path):  # noqa: F811
    choices.set("longest_side", 768)
    choices.set_value("prompt", "clay ünd größer")
    choices.set_value("steps", 3)
    choices.use(choices.preset.units[0].name, False)
    choices.set_daemon("arguments", "--models D:/ComfyUI")
    choices.fold("results", True)
    reopened = again(core, choices, presets, tmp_path)
    assert reopened["longest_side"] == 768
    assert reopened.recipe == choices.recipe
    assert reopened.daemon == choices.daemon
    assert reopened.is_folded("results")
    assert not reopened.is_used(reopened.preset.units[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("longest_side", "large"),
        ("longest_side", float("nan")),
        ("source", "Periscope"),
        ("has_own_size", 1),
        ("camera", 3),
        ("longest_side", True),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_changes(choices, name, value):
    before = choices[name]
    assert code_of(lambda: choices.set(name, value)) == "bad_value"
    assert choices[name] == before


def test_numbers_are_brought_into_their_range(choices):
    choices.set("longest_side", 100_000)
    assert choices["longest_side"] == 8192
    choices.set_value("steps", 3.4)
    assert choices.value(choices.preset, "steps") == 3
    choices.set_value("strength", 0.60000002384)  # as the engine's 32 bits have it
    assert choices.value(choices.preset, "strength") == 0.6


def test_own_sizes_are_multiples_of_eight(choices):
    for name, value in (("has_own_size", True), ("width", 645), ("height", 361)):
        choices.set(name, value)
    assert choices.look.size == (648, 360)


def test_a_large_seed_keeps_every_digit(choices):
    choices.set_value("seed", 2**31 - 1)
    assert choices.recipe.values["seed"] == 2**31 - 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"settings": 3}', b"\xff\xfe", b'{"values": {"stylize": 1}}']
)
def test_a_damaged_file_costs_its_content_and_no_more(core, presets, tmp_path, content):  # noqa: F811
    (tmp_path / "settings.json").write_bytes(content)
    choices = again(core, None, presets, tmp_path)
    assert choices["longest_side"] == 512
    choices.set("longest_side", 640)
    assert again(core, choices, presets, tmp_path)["longest_side"] == 640


def test_strange_parts_of_a_file_are_left_out(core, presets, tmp_path):  # noqa: F811
    data = {
        "settings": {"longest_side": 640, "source": "Periscope", "unknown": 1},
        "values": {"stylize": {"prompt": 5, "steps": 4}},
        "daemon": {"address": 7, "program": "framebridge"},
    }
    (tmp_path / "settings.json").write_text(json.dumps(data))
    choices = again(core, None, presets, tmp_path)
    assert (choices["longest_side"], choices["source"]) == (640, "Viewport")
    assert choices.value(choices.preset, "steps") == 4
    assert choices.value(choices.preset, "prompt") == choices.preset.find("prompt").default
    assert (choices.daemon.address, choices.daemon.program) == ("", "framebridge")


def test_a_folder_that_cannot_be_written_keeps_values_for_now(core, presets, tmp_path):  # noqa: F811
    (tmp_path / "file").write_text("")
    choices = core("core.choices").Choices(tmp_path / "file")
    choices.offer(presets)
    choices.set("longest_side", 640)
    assert choices["longest_side"] == 640


def test_what_presets_have_in_common_is_taken_along(choices):
    choices.set_value("prompt", "neon")
    choices.set_value("seed", 9)
    choices.choose("stylize-sd15")
    assert choices.value(choices.preset, "prompt") == "neon"
    assert choices.value(choices.preset, "seed") == 9
    assert code_of(lambda: choices.choose("gone")) == "unknown_preset"
    assert choices.preset.name == "stylize-sd15"


def test_a_preset_that_is_gone_or_changed_is_told(choices, presets):
    choices.set_value("prompt", "neon")
    assert not choices.has_preset_changed
    first = presets[0]
    choices.offer((dataclasses.replace(first, digest="other"),))
    assert choices.has_preset_changed
    choices.offer(tuple(preset for preset in presets if preset.name != first.name))
    assert code_of(lambda: choices.preset) == "unknown_preset"
    choices.offer(())
    assert code_of(lambda: choices.preset) == "not_connected"


def test_a_unit_that_is_not_used_weighs_nothing_and_keeps_its_weight(choices):
    unit = choices.preset.units[0]
    choices.set_value(unit.weight, 0.8)
    choices.use(unit.name, False)
    assert choices.recipe.values[unit.weight] == 0
    choices.use(unit.name, True)
    assert choices.recipe.values[unit.weight] == 0.8


def test_a_recipe_is_used_again_and_what_is_unknown_is_named(choices, core):  # noqa: F811
    unit = choices.preset.units[0]
    values = {"prompt": "clay", "steps": 5, unit.weight: 0.0, "gone": 1, "width": 64}
    recipe = core("_bridge.host.recipe").Recipe("stylize", values)
    choices.set("seed_mode", "RANDOM")
    assert choices.use_again(recipe) == ["gone"]
    assert choices["seed_mode"] == "FIXED"
    assert choices.recipe.values["prompt"] == "clay"
    assert choices.recipe.values["steps"] == 5
    assert not choices.is_used(unit)


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**70, float("inf")])
def test_numbers_beyond_all_measure_are_refused(choices, value):
    assert code_of(lambda: choices.set("longest_side", value)) == "bad_value"
    assert code_of(lambda: choices.set_value("seed", value)) == "bad_value"
