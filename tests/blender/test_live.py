"""The live view in real Blenders, with a real daemon: what makes it look again, and what does not."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def live(blender, daemon_home) -> dict[str, Any]:
    return blender.run("live", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_live_connects_and_shows_the_view(live):
    assert live["begins"] == {"size": [64, 96, 3], "words": "Live", "trouble": "None"}


@pytest.mark.parametrize("change", ["view", "object", "unit", "size", "frame", "source", "camera"])
def test_change_of_what_is_seen_is_captured(live, change):
    has_picture, was_captured, was_shown = live["follows"][change]
    assert has_picture
    assert was_captured
    assert was_shown


def test_change_of_a_control_needs_no_new_capture(live):
    has_picture, was_captured, _ = live["follows"]["prompt"]
    assert has_picture
    assert not was_captured


def test_own_pictures_and_captures_do_not_wake_it(live):
    assert live["rests"] == {"captures": 0, "kept": 1}


def test_picture_behind_the_camera_does_not_wake_it(live):
    assert live["rests_behind_the_camera"] == {"captures": 0}


def test_change_of_shading_is_seen(live):
    assert live["shading_is_seen"]


def test_picture_is_kept_with_what_it_was_painted_with(live):
    assert live["kept_recipe"] == "blueprint"


def test_one_picture_is_under_way_and_nothing_queues(live):
    found = live["never_queues"]
    assert 1 <= found["captures"] < found["turns"]
    assert found["most_under_way"] <= 1


def test_it_pauses_while_blender_renders_and_while_it_cannot_be_seen(live):
    found = live["pauses"]
    assert found["while_rendering"] == found["while_hidden"] == 0
    assert found["is_paused"]
    assert "paused" in found["words"]
    assert found["goes_on"]


def test_fault_is_shown_and_mended_by_the_next_change(live):
    assert live["mends"] == {"code": "unknown_preset", "after": "None"}


def test_turned_off_it_captures_nothing(live):
    assert live["ends"] == {"captures": 0, "is_off": True, "images": 0}


def test_opening_a_file_turns_it_off(live):
    assert live["file_is_opened"] == {"is_off": True, "overlay": False, "trouble": "None"}
