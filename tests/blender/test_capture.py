"""Captures of real Blenders, compared with their own renderers and with rays cast into the scene."""

from typing import Any

import pytest

WIDTH, HEIGHT = 320, 180
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
def depth(blender) -> dict[str, Any]:
    return blender.run("depth")


@pytest.fixture(scope="module")
def planes(blender) -> dict[str, Any]:
    return blender.run("planes")


@pytest.fixture(scope="module")
def faults(blender) -> dict[str, Any]:
    return blender.run("faults")


@pytest.mark.parametrize("camera", CAMERAS[:-1])
def test_depth_is_that_of_the_rasterizer_at_every_pixel(depth, camera):
    found = depth["workbench"][camera]
    assert found["pixels"] == WIDTH * HEIGHT
    assert 0.3 < found["covered"] < 0.99
    assert found["coverage_differs"] == 0
    assert found["worst"] < 5e-4


@pytest.mark.parametrize("camera", CAMERAS[:-1])
def test_depth_is_that_of_the_ray_tracer_but_for_pixels_on_a_silhouette(depth, camera):
    """Cycles decides by a ray, the GPU by its coverage rule: a pixel in 10,000 lies exactly on an edge."""
    found = depth["cycles"][camera]
    assert found["median"] < 5e-5
    assert found["beyond"] + found["coverage_differs"] <= found["pixels"] / 10_000


def test_depth_is_in_metres_whatever_the_unit_of_the_scene(depth):
    assert depth["centimetres"]["worst"] < 5e-4
    assert depth["centimetres"]["coverage_differs"] == 0


@pytest.mark.parametrize("camera", CAMERAS)
def test_ids_depth_and_normals_are_those_that_rays_find(planes, camera):
    found = planes["rays"][camera]
    assert found["hit"] > 500
    assert found["wrong_sky"] == 0
    assert found["wrong_objects"] == []
    assert found["depth_error"] < 1e-4  # metres, at 9
    assert found["turned"] <= 2  # rays that hit an edge between two faces


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_pixel_with_depth_has_an_object(planes, camera):
    found = planes["rays"][camera]
    assert found["ids_without_depth"] == 0
    assert found["curve"] > 500


def test_colors_are_display_referred_and_where_the_camera_projects_them(planes):
    found = planes["colors"]
    assert len(found) == 8
    for name, pixel in found.items():
        assert pixel["object"] == name.split()[0]
        assert pixel["color"] == pytest.approx(pixel["expected"], abs=1)


def test_picture_is_upright(planes):
    found = planes["colors"]
    assert found["Red 1.0"]["row"] < HEIGHT / 2 < found["Blue 1.0"]["row"]
    assert found["Red 1.0"]["column"] < WIDTH / 2 < found["Green 1.0"]["column"]


def test_orthographic_viewport_has_positive_distances(planes):
    found = planes["orthographic_viewport"]
    assert 0 < found["near"] < found["nearest"] < found["origin"]
    assert found["middle"] == [HEIGHT // 2, WIDTH // 2]


def test_same_view_gives_the_same_capture(planes):
    assert planes["repeated"]["equal"]
    assert planes["repeated"]["odd"] == [67, 101, 3, 67, 101]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("no camera", "no_camera"),
        ("camera is a lamp", "no_camera"),
        ("zero area", "bad_size"),
        ("20k", "bad_size"),
        ("no GPU", "gpu_unavailable"),
        ("clipped too near", "bad_clip_range"),
        ("no area", "bad_size"),
        ("no viewport", "no_viewport"),
    ],
)
def test_what_cannot_be_captured_is_told_with_a_hint(faults, fault, code):
    told = faults["codes"][fault]
    assert told["code"] == code
    assert told["message"]
    assert told["hint"].endswith(".")


def test_odd_scenes_are_captured(faults):
    found = faults["odd_scenes"]
    assert found["sky"] == [True, False]
    assert 0 < found["inside"][0] < found["inside"][1] < 2
    assert found["one_pixel"] == [1, 1, 3]
    assert found["vast"] == pytest.approx([0.01, 0.01 * 2**24, 0.0], abs=1e-3, rel=1e-3)
    assert 0 < found["driven"] < 2
    assert found["console"] == ""
