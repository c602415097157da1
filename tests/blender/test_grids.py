"""Grids in real Blenders, with a real daemon."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def grids(blender, daemon_home) -> dict[str, Any]:
    return blender.run("grids", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_pictures_over_two_inputs_become_one_labelled_image(grids):
    found = grids["sheet"]
    assert found["suggested"] == "snow, photo, watercolor"
    assert found["made"] == 2, "the sheet, and the single picture that it is compared with"
    assert found["name"] == "Framebridge 001 Grid Prompt × Depth"
    assert found["prompt"] == "snow", "what the panel had asked for"
    height, width = found["size"]
    x, y = found["place_of_single"]
    assert x > width // 2, "the second column"
    assert 20 < y < height // 2, "the first row"
    assert found["notice"] == "4 pictures made"


def test_a_cell_that_fails_is_told_and_the_others_are_made(grids):
    found = grids["one_axis_and_a_fault"]
    assert "1 of 2 cells failed, 2: " in found["said"]
    assert "__gone__" in found["said"]
    assert found["name"].endswith("Grid Prompt")


@pytest.mark.parametrize(
    ("case", "words"),
    [("nothing chosen", "no input"), ("no number", "takes no"), ("too many", "are too many")],
)
def test_what_makes_no_grid_is_refused_before_anything_is_captured(grids, case, words):
    assert words in grids["refused"][case]
    assert grids["refused"]["results"] == 0


def test_a_grid_that_is_given_up_keeps_what_is_made(grids):
    found = grids["given_up"]
    assert found["notice"].startswith("Cancelled after 2 of 4 cells")
    assert "Grid Seed" in found["name"]
