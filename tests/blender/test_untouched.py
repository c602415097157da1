"""A capture leaves no trace: not in the file, not on the screen, not in the preferences."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def untouched(blender) -> dict[str, Any]:
    return blender.run("untouched")


def test_digest_sees_changes(untouched):
    seen = "\n".join(untouched["changes_are_seen"])
    for name in ("light", "show_overlays", "resolution_x", "exposure", "viewport_aa", "Cone", "Orphan"):
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
