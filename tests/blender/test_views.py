"""What real Blenders' viewports and cameras show, and where pictures of it lie in their regions."""

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
def views(blender) -> dict[str, Any]:
    return blender.run("views")


def test_viewport_is_looked_at_as_blender_draws_it(views):
    found = views["perspective"]
    assert found["view"] < 1e-5
    assert found["projection"] < 1e-5


@pytest.mark.parametrize(("size", "shape"), [("512x512", 1.0), ("640x160", 4.0), ("160x640", 0.25)])
def test_picture_is_the_largest_centred_rectangle_of_its_shape(views, size, shape):
    width, height = views["perspective"]["region"]
    left, bottom, right, top = views["perspective"]["rectangles"][size]
    assert (right - left) / (top - bottom) == pytest.approx(shape, rel=1e-4)
    assert (left + right, bottom + top) == pytest.approx((width, height), abs=0.01)
    assert max((right - left) / width, (top - bottom) / height) == pytest.approx(1.0, abs=1e-4)


def test_orthographic_viewport_shows_its_centre_as_large_as_the_perspective_one(views):
    perspective, orthographic = views["orthographic"]["points"]
    assert perspective[1][0] > 0.05
    for point, other in zip(perspective, orthographic, strict=True):
        assert point == pytest.approx(other, abs=1e-5)
    assert views["orthographic"]["centre"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("camera", CAMERAS)
def test_picture_is_the_frame_of_the_camera(views, camera):
    found = views["cameras"][camera]
    assert found["size"] == ([800, 160] if camera == "anamorphic" else [800, 320])
    for corner, expected in zip(found["frame"], [(-1, -1), (-1, 1), (1, -1), (1, 1)], strict=True):
        assert corner == pytest.approx(expected, abs=1e-3)


def test_viewport_in_camera_view_gives_the_picture_of_its_camera(views):
    found = views["camera_viewport"]
    assert found["active"]
    assert found["own"]
    assert found["differ"]
    assert found["size"] == [512, 256]


def test_picture_follows_a_camera_view_that_is_zoomed_and_moved(views):
    # Half of the region's width, and 2:1; a quarter to the right and a twentieth down.
    assert views["rectangles"]["zoomed"] == pytest.approx([375, 235, 875, 485], abs=0.01)


def test_picture_lies_nowhere_in_a_region_that_looks_from_elsewhere(views):
    assert views["rectangles"]["turned"] is None


def test_natural_sizes_are_multiples_of_8_within_limits(views):
    assert views["sizes"] == {
        "viewport": [768, 232],
        "render": [768, 432],
        "camera": [1000, 560],
        "narrow": [64, 512],
        "tiny": [64, 64],
        "huge": [8192, 4608],
    }
