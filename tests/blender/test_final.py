"""Captures of final renders of real Blenders, beside those of the viewport and the user's own renders."""

from typing import Any

import pytest

CAMERAS = (
    "perspective",
    "orthographic",
    "shifted",
    "shifted_orthographic",
    "rolled_vertical_fit",
    "scaled_object",
    "anamorphic",
)


@pytest.fixture(scope="module")
def final(blender) -> dict[str, Any]:
    return blender.run("final")


@pytest.fixture(scope="module")
def faults(blender) -> dict[str, Any]:
    return blender.run("render_faults")["told"]


@pytest.mark.parametrize("camera", CAMERAS)
def test_workbench_tells_what_the_viewport_tells(final, camera):
    found = final["workbench"][camera]
    assert 0.3 < found["covered"] < 0.99
    assert found["coverage_differs"] == found["names_differ"] == found["turned"] == 0
    assert found["depth_differs"] == 0
    assert found["depth"] < 5e-6


@pytest.mark.parametrize("camera", CAMERAS)
def test_cycles_tells_what_the_viewport_tells_but_for_pixels_on_an_edge(final, camera):
    """A ray decides for Cycles, a coverage rule for the GPU; a face's edge has the normal of either face."""
    found = final["cycles"][camera]
    assert (
        found["coverage_differs"] + found["names_differ"] + found["depth_differs"] <= 1e-4 * found["pixels"]
    )
    assert found["turned"] <= 2e-3 * found["pixels"]
    assert found["depth"] < 1e-5  # metres, at 1


@pytest.mark.parametrize("engine", ["cycles", "workbench"])
def test_planes_of_a_render_belong_together(final, engine):
    for found in final[engine].values():
        assert found["ids_without_depth"] == 0
        assert found["sky_normal"] == [[0, 0, 1]]
        assert found["shortest_normal"] == pytest.approx(1.0, abs=1e-5)
        assert found["matrices"] == found["projection"] == 0


def test_colors_are_those_of_the_users_own_render(final):
    for transform, found in final["colors"].items():
        assert found["worst"] == 0, transform
    means = [found["mean"] for found in final["colors"].values()]
    assert len({tuple(mean) for mean in means}) == len(means) == 3
    for red, green, blue in means:
        assert red > green > blue > 20  # the light is orange


def test_transparent_film_is_black_and_surfaces_are_told_only_where_asked_for(final):
    assert final["transparent"]["sky"] == 0
    assert final["transparent"]["covered"] > 50
    assert final["transparent"]["surfaces"] == [True, True, []]


def test_render_settings_of_the_user_do_not_change_what_is_captured(final):
    assert final["settings_of_the_user"] == {"color": 0, "depth": True}


def test_odd_scenes_are_rendered(final):
    assert final["odd_scenes"] == {
        "empty": [True, 0, []],
        "named": [1, ['Say "hello": 日本']],
        "broken_driver": False,
    }


@pytest.mark.parametrize(
    ("fault", "code", "says", "hint"),
    [
        ("no camera", "no_camera", "no active camera", "Add a camera"),
        ("panoramic", "bad_camera", "PANO", "Perspective"),
        ("rendering", "render_running", "rendering already", "cancel it"),
        ("little space", "disk_full", "MB", "smaller size"),
        ("no folder", "disk_full", "no temporary folder", "another temporary folder"),
        ("engine fails", "render_failed", "Build without OpenImageDenoiser", "Turn Denoise off"),
        ("no depth", "render_failed", "FLAT", "Render with Cycles"),
        ("no file", "render_failed", "left no passes", "Render with Cycles"),
        ("damaged", "render_failed", "damaged or incomplete", "Render with Cycles"),
        ("no room", "render_failed", "cannot save", "Free some space"),
    ],
)
def test_what_cannot_be_rendered_is_told_with_a_hint_and_changes_nothing(faults, fault, code, says, hint):
    told = faults[fault]
    assert told["code"] == code
    assert says in told["message"]
    assert hint in told["hint"]
    assert told["changed"] == []
    assert told["console"] == ""
