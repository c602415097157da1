"""What the frames of a folder have in common, and which of them are there."""

import pytest

from bridge.errors import BridgeError
from bridge.host.png import png_of
from bridge.host.preset import Control, Preset
from bridge.host.recipe import Recipe
from bridge.host.shot import (
    SHOT_FILE,
    Shot,
    frame_file,
    frames_in,
    is_frame_of,
    planned_shot,
    read_shot,
    sampled,
)

STEADY = Preset(
    "p", "P", "", tuple(Control(name, name, "number", 0.0) for name in ("depth_near", "depth_far"))
)
PLAIN = Preset("p", "P", "", ())
RECIPE = Recipe("p", {"prompt": "clay", "seed": 3})


def planned(folder, recipe=RECIPE, preset=STEADY, size=(64, 32), starts_over=False):
    return planned_shot(folder, recipe, preset, size, wants_steady=True, starts_over=starts_over)


def keep(folder, shot):
    (folder / SHOT_FILE).write_text(shot.to_json(), "utf-8")


def code_of(call):
    with pytest.raises(BridgeError) as caught:
        call()
    return caught.value.code


def test_a_new_folder_gets_a_shot_of_its_own(tmp_path):
    one, other = planned(tmp_path), planned(tmp_path / "not there")
    assert one.name != other.name
    assert one.is_steady
    assert not planned(tmp_path, preset=PLAIN).is_steady


def test_the_same_goes_on_with_its_name_and_range(tmp_path):
    shot = planned(tmp_path).with_range([(0.5, 20.0), (0.4, 10.0)])
    keep(tmp_path, shot)
    assert planned(tmp_path) == shot
    assert (shot.recipe.values["depth_near"], shot.recipe.values["depth_far"]) == (0.4, 20.0)
    assert shot.has_range


@pytest.mark.parametrize(
    "change", [{"recipe": Recipe("p", {"prompt": "neon", "seed": 3})}, {"size": (64, 64)}, {"preset": PLAIN}]
)
def test_other_settings_are_not_mixed_in(tmp_path, change):
    keep(tmp_path, planned(tmp_path))
    assert code_of(lambda: planned(tmp_path, **change)) == "shot_differs"
    assert planned(tmp_path, **change, starts_over=True).name


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"name": 1}', '{"name": "a", "recipe": {"preset": "p", "values": {"depth_near": -1}}}'],
)
def test_a_damaged_shot_is_told(tmp_path, text):
    (tmp_path / SHOT_FILE).write_text(text)
    assert code_of(lambda: planned(tmp_path)) == "bad_shot"
    assert read_shot(tmp_path / "none") is None


def test_a_range_of_one_distance_is_still_a_range(tmp_path):
    values = planned(tmp_path).with_range([(2.0, 2.0)]).recipe.values
    assert values["depth_near"] < values["depth_far"]


def test_frames_share_seed_and_range_and_nothing_else():
    shot = Shot("s", RECIPE.with_values(depth_near=1.0, depth_far=2.0), 8, 8, True)
    fixed = shot.fixed(Recipe("p", {"prompt": "keyed", "seed": 99, "strength": 0.4}))
    assert fixed.values == {
        "prompt": "keyed",
        "seed": 3,
        "strength": 0.4,
        "depth_near": 1.0,
        "depth_far": 2.0,
    }


def test_frames_of_this_shot_are_told_from_others_and_from_broken_ones(tmp_path):
    shot = Shot("mine", RECIPE, 1, 1, False)
    data = png_of(1, 1, b"\0\0\0\0", shot.text)
    for number, content in ((1, data), (2, data[:-20]), (3, png_of(1, 1, b"\0\0\0\0", {})), (-7, data)):
        frame_file(tmp_path, number).write_bytes(content)
    (tmp_path / "frame_1.png").write_bytes(data)
    assert [n for n in (-7, 1, 2, 3, 4) if is_frame_of(tmp_path, n, "mine")] == [-7, 1]
    assert frames_in(tmp_path) == [-7, 1, 2, 3]
    assert code_of(lambda: frames_in(tmp_path / "none")) == "no_frames"


@pytest.mark.parametrize("frames", [range(1, 2), range(1, 4), range(1, 101), range(0, 50, 7)])
def test_samples_hold_both_ends_and_are_few(frames):
    found = sampled(frames)
    assert {frames[0], frames[-1]} <= set(found) <= set(frames)
    assert len(found) <= 8


def test_frames_of_others_are_left_alone(tmp_path):
    (tmp_path / "frame_0001.png").write_bytes(png_of(1, 1, b"\0\0\0\0", {}))
    for starts_over in (False, True):
        with pytest.raises(BridgeError, match="did not make") as caught:
            planned(tmp_path, starts_over=starts_over)
        assert caught.value.code == "shot_differs"
    (tmp_path / "frame_0001.png").write_bytes(png_of(1, 1, b"\0\0\0\0", Shot("x", RECIPE, 1, 1, False).text))
    assert planned(tmp_path).name
