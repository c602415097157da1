"""What the overlay draws, pixel by pixel, in Blenders without a window."""

from typing import Any

import pytest

EXACT = 1.0
"""Of 255: one step of rounding."""


@pytest.fixture(scope="module")
def overlay(blender, tmp_path_factory) -> dict[str, Any]:
    log = tmp_path_factory.mktemp("log")  # of the fault that is provoked
    return blender.run("overlay", environment={"FRAMEBRIDGE_HOME": str(log)})


def test_picture_is_drawn_as_it_is(overlay):
    assert overlay["plain"] == {"first": 0.0, "second": 0.0, "problem": "None", "is_shown": True}


def test_viewport_shows_the_pictures_own_values(overlay):
    """But for the darkest, for which the viewport's framebuffer has no values."""
    assert set(overlay["encoded"]["off_by_more_than_1"]) <= {2, 3, 4}
    assert overlay["encoded"]["furthest"] <= 4


@pytest.mark.parametrize(
    "what",
    ["half", "before_split", "after_split", "all_cut", "stale", "hole", "no_hole", "no_holes_left"],
)
def test_picture_is_mixed_with_the_scene(overlay, what):
    assert overlay["mixed"][what] <= EXACT


def test_line_and_label_are_to_be_seen(overlay):
    assert overlay["mixed"]["line"] > 150
    assert overlay["mixed"]["label"] > 160  # the dimmed picture's brightest is 153


def test_enlarged_picture_is_smooth(overlay):
    assert overlay["enlarged"]["off"] <= 2 * EXACT  # a GPU interpolates in 256 steps


@pytest.mark.parametrize(
    "what",
    [
        "live_stays_dimmed",
        "live_elsewhere",
        "single_is_gone",
        "single_is_back",
        "without_overlays",
        "ended_is_gone",
        "preview",
        "after_preview",
        "cleared",
    ],
)
def test_picture_lies_where_it_was_seen_and_nowhere_else(overlay, what):
    assert overlay["placed"][what] <= EXACT


def test_nothing_is_shown_once_cleared(overlay):
    assert not overlay["placed"]["is_shown"]


def test_picture_goes_to_the_gpu_once(overlay):
    assert overlay["uploads"]["sent"] == 1


def test_fault_is_kept_for_the_panel(overlay):
    assert overlay["faults"]["code"] == "internal_error"
    assert "went wrong" in overlay["faults"]["message"]
    assert overlay["faults"]["later"]


def test_captures_call_no_handlers(overlay):
    assert overlay["captures"]["called"] == []
