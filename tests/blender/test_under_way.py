"""Changes of the file while something is made, in real Blenders with a real daemon."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def changed(blender, daemon_home) -> dict[str, Any]:
    return blender.run("under_way", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_scene_may_get_another_name(changed):
    found = changed["renamed"]
    assert found["picture"]["results"] == ["Framebridge 001"]
    assert len(found["grid"]["results"]) == 1
    assert "3 pictures made" in found["grid"]["notice"]
    assert found["animation"]["notice"].startswith("2 of 2 frames")
    assert {each["trouble"] for each in found.values()} == {""}


def test_picture_of_a_removed_scene_is_kept(changed):
    found = changed["removed"]["picture"]
    assert found["results"] == ["Framebridge 001"]
    assert found["notice"] == "Its scene is gone; the picture is kept as Framebridge 001"
    assert found["trouble"] == ""


def test_grid_of_a_removed_scene_is_kept_as_far_as_it_is(changed):
    found = changed["removed"]["grid"]
    assert len(found["results"]) == 1
    assert "is gone" in found["trouble"]
    assert "Cancelled" not in found["notice"]


def test_scenes_of_one_name_are_told_apart(changed):
    assert changed["linked"] == {"same name": True, "found": True}


@pytest.mark.parametrize("file", ["nonexistent.blend", "text.blend"])
def test_file_that_cannot_be_opened_stops_nothing(changed, file):
    assert changed["not_opened"][file]["results"] == ["Framebridge 001"]
    assert changed["not_opened"][file]["trouble"] == ""


@pytest.mark.parametrize("is_packed", [False, True])
def test_another_file_gets_no_picture_of_the_former(changed, is_packed):
    assert changed["not_opened"][f"packed: {is_packed}"]["results"] == []


def test_undo_keeps_a_scene_known(changed):
    assert changed["undone"]
