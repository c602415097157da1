"""Frame ranges in real Blenders, with a real daemon."""

from typing import Any

import pytest

ALL = [f"frame_000{number}.png" for number in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def animated(blender, daemon_home) -> dict[str, Any]:
    return blender.run("animated", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_frames_are_written_in_order(animated):
    found = animated["rendered"]
    assert found["ends"] == ["FINISHED"]
    assert found["files"] == ALL
    assert found["order"] == [1, 2, 3, 4]
    assert found["pictures_differ"] == 4


def test_scene_is_as_before(animated):
    assert animated["rendered"]["changed"] == []
    assert animated["rendered"]["frame"] == 2


def test_depth_range_and_seed_are_frozen_and_the_rest_may_be_keyed(animated):
    found = animated["rendered"]
    ((near, far),) = found["ranges"]
    assert 5 < near < 9 < far < 20  # the scene's monkey and floor, seen from 10 m
    assert found["seeds"] == [0]
    assert found["strengths"] == sorted(found["strengths"], reverse=True)
    assert len(set(found["strengths"])) == 4


def test_missing_and_damaged_frames_are_made_again_and_no_others(animated):
    found = animated["continued"]
    assert found["made"] == [2, 3]
    assert found["kept"]
    assert found["texts"]


def test_stopped_animation_goes_on_where_it_was(animated):
    found = animated["stopped"]
    assert found["first"] == ALL[: len(found["first"])]
    assert 1 <= len(found["first"]) < 4
    assert found["frame"] == 2
    assert found["then"] == list(range(len(found["first"]) + 1, 5))
    assert found["all"] == ALL
    assert found["left"] == []


def test_what_frames_are_made_of_cannot_be_changed_while_they_are(animated):
    assert animated["stopped"]["is_grey"] == [True, False]


def test_frames_of_another_recipe_are_not_mixed_in(animated):
    found = animated["differs"]
    assert "other settings" in found["refused"]
    assert "start over" in found["refused"]
    assert found["untouched"]
    assert found["ends"] == ["FINISHED"]
    assert found["prompt"] == "clay"


def test_starting_over_leaves_no_frame_of_the_older_shot(animated):
    assert animated["started_over"] == {"ends": ["FINISHED"], "prompts": ["lava"]}


def test_depth_range_is_found_though_the_search_was_stopped(animated):
    assert animated["stopped_early"] == {"sampling": True, "ranges": 1}


def test_frames_are_those_of_the_scene_whatever_the_window_shows(animated):
    assert animated["another_scene_is_shown"] == {"trouble": "None", "files": ALL}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("folder is a file", "cannot be written"),
        ("unsaved file", "Save the file"),
        ("broken shot", "shot.json cannot be read"),
        ("no camera", "Add a camera"),
    ],
)
def test_what_cannot_work_says_why(animated, what, message):
    assert message in animated["refusals"][what]
    assert animated["refusals"]["frame"] == 2


def test_frames_are_loaded_as_images_and_as_a_strip(animated):
    assert animated["loaded"] == {"image": ["frame_0001.png", "SEQUENCE"], "strip": [[1, 4]]}
