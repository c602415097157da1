"""Projection by its buttons in real Blenders, from a generated result to a texture of the object's own."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def painted(blender, daemon_home) -> dict[str, Any]:
    return blender.run("painted", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_result_is_painted_onto_what_its_view_shows(painted):
    found = painted["projected"]
    assert found["ends"] == ["FINISHED"]
    assert {"Suzanne", "Plane", "Torus", "Cone", "Cube", "Pebble"} <= set(found["painted"])
    assert found["trouble"] == "None"


def test_second_view_is_added_to_the_first(painted):
    assert painted["projected"]["views"] == 2


def test_paint_is_seen_from_another_side(painted):
    assert painted["seen_from_aside"]["colors"] > 150  # without it the scene is grey


def test_only_the_selected_are_painted_if_wanted(painted):
    assert painted["only_selected"] == {"painted": ["Suzanne"]}


def test_strength_of_a_view_is_set(painted):
    assert painted["strengths"]["strength"] == 0.25
    assert 'no view "gone"' in painted["strengths"]["unknown"]


def test_baked_texture_is_kept_and_the_view_forgotten(painted):
    found = painted["baked"]
    assert found["ends"] == ["FINISHED"]
    assert [512, 512] in found["sizes"]
    assert found["views"] == 0


def test_removing_leaves_nothing(painted):
    assert painted["removed"] == {"added": True, "left": [], "lost": []}


def test_what_cannot_be_painted_says_why(painted):
    assert "Generate a new picture" in painted["refusals"]["view not known"]
    assert "Select mesh objects" in painted["refusals"]["nothing selected"]
