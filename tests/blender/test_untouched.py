"""A capture leaves no trace: not in the file, not on the screen, not in the preferences."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def untouched(blender) -> dict[str, Any]:
    return blender.run("untouched")


@pytest.fixture(scope="module")
def rendered(blender) -> dict[str, Any]:
    return blender.run("untouched_render")


def test_digest_sees_changes(untouched):
    seen = "\n".join(untouched["changes_are_seen"])
    for name in (
        *("light", "show_overlays", "resolution_x", "exposure", "viewport_aa", "Cone", "Orphan"),
        *("use_pass_mist", "nodes[0].location", "channels"),
    ):
        assert name in seen


def test_first_capture_changes_nothing(untouched):
    """It also starts the GPU, by a render of its own, which other add-ons' handlers do not see."""
    assert untouched["first_capture"] == []


@pytest.mark.parametrize(
    "mode",
    [
        "solid",
        "wireframe",
        "x-ray",
        "material",
        "rendered",
        "matcap",
        "edit mode",
        "clean already",
        "graded",
        "viewport",
        "orthographic viewport",
        "viewport in camera view",
    ],
)
def test_capture_changes_nothing(untouched, mode):
    assert untouched["modes"][mode] == []


@pytest.mark.parametrize(("what", "steps"), [("failures", 120), ("boot_failures", 15)])
def test_capture_that_fails_at_any_step_changes_nothing(untouched, what, steps):
    found = untouched[what]
    assert found["steps"] > steps
    assert found["silent"] == []
    assert found["changed"] == {}


def test_capture_is_no_change_to_those_who_listen(untouched):
    """Else a live view would be woken by its own captures."""
    assert untouched["updates"] == {"after_captures": 0, "after_change": 1}


@pytest.mark.parametrize("engine", ["CYCLES", "BLENDER_WORKBENCH"])
def test_final_render_changes_nothing(rendered, engine):
    """Other add-ons' handlers do not hear of it, and no datablock has a user more or less."""
    assert rendered["engines"][engine] == []
    assert rendered["first_render"] == []


def test_final_render_keeps_the_pictures_of_the_users_renders(rendered):
    """Two lie in two slots, and a third slot, empty, is shown, which our render would take."""
    found = rendered["pictures"]
    assert found["changed"] == []
    assert found["before"] == found["after"]
    assert found["before"]["slot 0"] != found["before"]["slot 1"] != found["before"]["slot 2"] == "empty"
    assert found["ours"] <= 8  # Blender holds on to no more of ours than this


def test_final_render_that_fails_at_any_step_changes_nothing(rendered):
    found = rendered["failures"]
    assert found["steps"] > 150
    assert found["silent"] == []
    assert found["changed"] == {}


def test_final_render_that_is_discarded_or_cancelled_changes_nothing(rendered):
    found = rendered["discarded"]
    assert (found["never"], found["state"]) == ("cancelled", "done")
    assert found["during"] > 100
    assert found["codes"] == ["cancelled", "cancelled"]
    assert found["changed"] == []
    assert rendered["cancelled"] == {"state": "cancelled", "code": "cancelled", "changed": []}


def test_final_render_that_is_abandoned_is_put_back_when_it_has_ended(rendered):
    found = rendered["abandoned"]
    assert found["states"] == ["rendering", "cancelled"]
    assert found["kept"]
    assert found["waits"] == [pytest.approx(0.2), None]
    assert found["changed"] == []


def test_what_the_user_does_during_a_final_render_meets_no_copy_of_the_scene(rendered):
    """Saving leaves it out, an undo that brings it back is put right, and another file has no part of it."""
    found = rendered["interrupted"]
    assert found["state"] == "cancelled"
    assert found["saved"] == found["after"] == ["Scene"]
    assert found["during"] == ["Framebridge final render", "Scene"]
    assert found["handlers"] == [0, True]
