"""The arithmetic of cameras, against the points that they see."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

NEARS = st.floats(0.01, 10.0)
RATIOS = st.floats(2.0, 1000.0)
DISTANCES = st.floats(0.0, 1.0)


@pytest.fixture(scope="module")
def geometry(addon_module: Callable[[str], ModuleType]) -> ModuleType:
    return addon_module("geometry")


def perspective(near: float, far: float) -> np.ndarray:
    scale, offset = -(far + near) / (far - near), -2 * far * near / (far - near)
    return np.array([[1.7, 0, 0.1, 0], [0, 2.2, -0.2, 0], [0, 0, scale, offset], [0, 0, -1.0, 0]])


def orthographic(near: float, far: float) -> np.ndarray:
    scale, offset = -2 / (far - near), -(far + near) / (far - near)
    return np.array([[0.3, 0, 0, 0.1], [0, 0.4, 0, -0.2], [0, 0, scale, offset], [0, 0, 0, 1.0]])


def window_depth(projection: np.ndarray, distance: float) -> float:
    _, _, z, w = projection @ (0.0, 0.0, -distance, 1.0)
    return float((z / w + 1) / 2)


@pytest.mark.parametrize("project", [perspective, orthographic])
@given(near=NEARS, ratio=RATIOS, part=DISTANCES)
def test_depth_buffer_gives_the_distance_back(geometry, project, near, ratio, part):
    far = near * ratio
    distance = near + part * 0.9 * (far - near)
    buffer = np.full((2, 3), window_depth(project(near, far), distance), np.float32)
    found = geometry.linear_depth(buffer, project(near, far))
    assert found.dtype == np.float32
    # A float32 depth buffer resolves 2^-24 of its range, which perspective stretches by d² / near.
    stretch = distance**2 / near if project is perspective else far
    assert found[1, 2] == pytest.approx(distance, abs=4 * stretch * 2**-24, rel=1e-5)


@pytest.mark.parametrize("project", [perspective, orthographic])
def test_background_is_infinitely_far(geometry, project):
    assert np.isinf(geometry.linear_depth(np.ones((1, 1), np.float32), project(0.1, 10.0))).all()


@pytest.mark.parametrize("project", [perspective, orthographic])
@given(near=NEARS, ratio=RATIOS)
def test_clip_range_is_that_of_the_projection(geometry, project, near, ratio):
    assert geometry.clip_range(project(near, near * ratio)) == pytest.approx((near, near * ratio), rel=1e-6)


@given(far=st.floats(1.0, 1000.0), x=st.floats(-5, 5), z=st.floats(-0.9, 0.9))
def test_stepping_back_keeps_the_picture_and_makes_distances_positive(geometry, far, x, z):
    view, projection = np.eye(4), orthographic(-far, far)
    point = np.array([x, 2.0, z * far, 1.0])
    moved_view, moved_projection = geometry.in_front(view, projection)
    assert moved_projection @ moved_view @ point == pytest.approx(projection @ view @ point, abs=1e-9)
    assert -(moved_view @ point)[2] > 0
    assert geometry.clip_range(moved_projection)[0] > 0


def test_perspective_does_not_step_back(geometry):
    view, projection = np.eye(4), perspective(0.1, 10.0)
    assert geometry.in_front(view, projection)[0] is view


@pytest.mark.parametrize("project", [perspective, orthographic])
@given(scale=st.floats(1e-3, 1e3), x=st.floats(-3, 3), z=st.floats(-9, -1))
def test_other_units_give_the_same_picture(geometry, project, scale, x, z):
    turn = np.array([[0, 1, 0, 2], [-1, 0, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1.0]])
    view, projection = geometry.scaled(turn, project(0.5, 50.0), scale)
    before = project(0.5, 50.0) @ turn @ (x, 1.0, z, 1.0)
    after = projection @ view @ (x * scale, scale, z * scale, 1.0)
    assert after[:3] / after[3] == pytest.approx(before[:3] / before[3], rel=1e-6, abs=1e-9)
    assert geometry.clip_range(projection) == pytest.approx((0.5 * scale, 50.0 * scale), rel=1e-6)
    assert geometry.is_perspective(projection) == (project is perspective)


@pytest.mark.parametrize("project", [perspective, orthographic])
@given(shape=st.floats(0.2, 5.0), whole=st.floats(0.2, 5.0))
def test_cropped_picture_lies_centred_in_the_whole(geometry, project, shape, whole):
    view, projection = np.eye(4), project(0.5, 50.0)
    left, bottom, right, top = geometry.placement(
        (view, geometry.cropped(projection, shape, whole)), (view, projection)
    )
    assert (right - left) / (top - bottom) * whole == pytest.approx(shape)
    assert max(right, top) == pytest.approx(1.0)
    assert (left, bottom) == pytest.approx((-right, -top), abs=1e-9)


@pytest.mark.parametrize("project", [perspective, orthographic])
@given(zoom=st.floats(0.1, 10.0), x=st.floats(-2, 2), y=st.floats(-2, 2), z=st.floats(-40, -1))
def test_zoomed_and_moved_region_shows_each_point_at_its_place_in_the_picture(
    geometry, project, zoom, x, y, z
):
    """As Blender's camera view does, which the user zooms and moves about."""
    view = np.array([[0, 1, 0, 2], [-1, 0, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1.0]])
    projection = project(0.5, 50.0)
    shift = np.array([[zoom, 0, 0, x], [0, zoom, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    moved = shift @ projection
    left, bottom, right, top = geometry.placement((view, projection), (view, moved))
    point = np.linalg.inv(view) @ (0.3, -0.2, z, 1.0)
    there, here = projection @ view @ point, moved @ view @ point
    across, up = (there[:2] / there[3] + 1) / 2
    expected = (left + across * (right - left), bottom + up * (top - bottom))
    assert here[:2] / here[3] == pytest.approx(expected, abs=1e-9)


@given(x=st.floats(-2, 2), y=st.floats(-2, 2), z=st.floats(-5, 5))
def test_orthographic_region_that_is_moved_takes_the_picture_along(geometry, x, y, z):
    view, projection = np.eye(4), orthographic(0.5, 50.0)
    other = view.copy()
    other[:3, 3] = x, y, z
    left, bottom, _, _ = geometry.placement((view, projection), (other, projection))
    assert (left + 1, bottom + 1) == pytest.approx((0.3 * x, 0.4 * y))


@pytest.mark.parametrize("change", ["turned", "moved", "orthographic", "further away"])
def test_picture_lies_nowhere_in_a_region_that_looks_from_elsewhere(geometry, change):
    view, projection = np.eye(4), perspective(0.1, 100.0)
    view[:3, 3] = 1.0, 2.0, -9.0
    other, other_projection = view.copy(), projection
    if change == "turned":
        turn = np.array([[1, 0, 0, 0], [0, 1, -1e-3, 0], [0, 1e-3, 1, 0], [0, 0, 0, 1.0]])
        other = turn @ view
    elif change == "orthographic":
        other_projection = orthographic(0.1, 100.0)
    else:
        other[0 if change == "moved" else 2, 3] += 1e-3
    assert geometry.placement((view, projection), (view, projection)) == pytest.approx((-1, -1, 1, 1))
    assert geometry.placement((view, projection), (other, other_projection)) is None


def test_far_plane_that_float32_cannot_tell_is_as_far_as_the_buffer_reaches(geometry):
    projection = perspective(0.01, 1e6).astype(np.float32).astype(float)
    assert projection[2, 2] == -1.0
    near, far = geometry.clip_range(projection)
    assert (near, far) == pytest.approx((0.01, 0.01 * 2**24), rel=1e-6)
    buffer = np.array([[window_depth(projection, 50.0), 1.0]], np.float32)
    found = geometry.linear_depth(buffer, projection)
    assert found[0, 0] == pytest.approx(50.0, rel=1e-3)
    assert np.isinf(found[0, 1])
    assert geometry.is_told(found, projection)


@pytest.mark.parametrize(
    ("near", "far", "nearest", "is_told"),
    [
        (0.1, 100.0, 5.0, True),
        (1e-6, 100.0, 5.0, False),
        (1e-6, 100.0, 0.1, True),
        (0.1, 100.0, np.inf, True),
        (1e-6, 100.0, np.inf, False),
    ],
)
def test_depth_is_not_told_by_a_buffer_that_begins_too_near(geometry, near, far, nearest, is_told):
    projection = perspective(near, far).astype(np.float32).astype(float)
    assert geometry.is_told(np.array([[np.inf, nearest]], np.float32), projection) == is_told
    assert geometry.is_told(np.array([[nearest]], np.float32), orthographic(near, far))
