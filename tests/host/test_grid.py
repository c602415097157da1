"""Grids over the values of controls, as typed into a panel."""

import pytest

from bridge.errors import InputError
from bridge.host.axis import read_axis
from bridge.host.grid import axis_controls, plan_grid, suggested_values
from bridge.host.preset import Control, Preset

PROMPT = Control("prompt", "Prompt", "text", "neon", choices=("neon", "clay", "toon", "wood"))
STEPS = Control("steps", "Steps", "integer", 4, minimum=1, maximum=100)
STRENGTH = Control("strength", "Strength", "number", 1.0, minimum=0.0, maximum=1.0)
SAMPLER = Control("sampler", "Sampler", "choice", "euler", choices=("euler", "heun"))
TILED = Control("tiled", "Tiled", "boolean", False)
PRESET = Preset(
    "p", "P", "", (PROMPT, STEPS, STRENGTH, SAMPLER, TILED, Control("width", "Width", "integer", 512))
)


def test_a_grid_has_a_cell_for_each_pair_row_by_row():
    grid = plan_grid(PRESET, ("prompt", 'neon, "clay, red"'), ("steps", "1..3"))
    assert grid.over == ("Prompt: neon", "Prompt: clay, red")
    assert grid.before == ("Steps: 1", "Steps: 2", "Steps: 3")
    assert grid.values[:3] == (
        {"prompt": "neon", "steps": 1},
        {"prompt": "clay, red", "steps": 1},
        {"prompt": "neon", "steps": 2},
    )
    assert grid.words == "2 × 3: 6 pictures"


def test_one_axis_makes_a_single_row():
    grid = plan_grid(PRESET, ("tiled", "no, Yes"))
    assert grid.before == ("",)
    assert grid.values == ({"tiled": False}, {"tiled": True})


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (("prompt", " "), ("", ""), '"Prompt" has no values'),
        (("gone", "1"), ("", ""), 'no input "gone"'),
        (("width", "64"), ("", ""), 'no input "width"'),
        (("steps", "1, few"), ("", ""), 'takes no "few"'),
        (("steps", "0"), ("", ""), "takes no 0"),
        (("strength", "2"), ("", ""), "takes no 2"),
        (("strength", "nan"), ("", ""), "takes no nan"),
        (("sampler", "eluer"), ("", ""), 'no choice "eluer"'),
        (("tiled", "maybe"), ("", ""), "on or off"),
        (("steps", "1"), ("steps", "2"), 'both axes are "steps"'),
        (("steps", "1..40"), ("strength", "0..1:0.05"), "too many"),
    ],
)
def test_what_cannot_be_compared_is_told_with_what_to_do(x, y, words):
    with pytest.raises(InputError, match=words) as raised:
        plan_grid(PRESET, x, y)
    assert raised.value.code == "bad_axis"
    assert raised.value.problem.hint


def test_what_a_panel_shows_can_be_compared():
    names = [control.name for control in axis_controls(PRESET)]
    assert names == ["prompt", "steps", "strength", "sampler", "tiled"]


@pytest.mark.parametrize(
    ("control", "current", "values"),
    [
        (PROMPT, "clay, red", ("clay, red", "neon", "clay")),
        (PROMPT, 'a "b"', ('a "b"', "neon", "clay")),
        (SAMPLER, "heun", ("heun", "euler")),
        (TILED, False, ("no", "yes")),
        (STEPS, 4, ("4",)),
        (Control("seed", "Seed", "integer", 0), 7, ("7", "8", "9", "10")),
    ],
)
def test_suggested_values_can_be_read(control, current, values):
    assert read_axis(f"x={suggested_values(control, current)}").values == values
