import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.imaging import (
    EdgeLimits,
    canny_of_render,
    geometric_edges,
    normals_from_depth,
    quantise_depth,
    restore_depth,
)

SIZE = (96, 64)


@pytest.fixture(scope="session")
def camera(scene):
    return scene.perspective(*SIZE)


def disc(radius=20):
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return (x - 48) ** 2 + (y - 32) ** 2 < radius**2


@given(pitch=st.floats(0.0, 88.0), height=st.floats(0.2, 50))
def test_a_floor_has_no_edges_at_any_angle_but_its_horizon(scene, camera, pitch, height):
    angle = np.radians(pitch)
    depth = scene.plane_depth(camera, SIZE, (0, np.cos(angle), np.sin(angle)), height)
    lines = geometric_edges(depth, camera, normals_from_depth(depth, camera))
    sky = np.isinf(depth)
    beside_sky = ~sky & (np.roll(sky, 1, 0) | np.roll(sky, -1, 0) | np.roll(sky, 1, 1) | np.roll(sky, -1, 1))
    assert not lines[~beside_sky].any()


def test_a_silhouette_is_drawn_on_the_nearer_surface(camera):
    inside = disc()
    depth = np.where(inside, 4.0, 6.0).astype(np.float32)
    lines = geometric_edges(depth, camera)
    rim = inside & (
        cv2.erode(inside.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) == 0
    )
    np.testing.assert_array_equal(lines.astype(bool), rim)


def test_the_border_to_the_sky_is_a_line_however_far_the_surface(camera):
    depth = np.where(disc(), 9000.0, np.inf).astype(np.float32)
    lines = geometric_edges(depth, camera)
    assert lines.any()
    assert not lines[~disc()].any()


def test_steps_smaller_than_the_limit_are_no_edge(camera):
    depth = np.where(disc(), 5.0, 5.05).astype(np.float32)
    assert not geometric_edges(depth, camera).any()
    assert geometric_edges(depth, camera, limits=EdgeLimits(depth=0.005)).any()


def test_objects_that_touch_are_told_apart_by_their_ids(camera):
    depth = np.full((64, 96), 5.0, np.float32)
    ids = disc().astype(np.uint16) * 7
    lines = geometric_edges(depth, camera, object_ids=ids)
    assert lines.any()
    assert not lines[~disc()].any()


def test_a_crease_is_one_line_on_one_side(scene, camera):
    left = scene.plane_depth(camera, SIZE, (1, 0, 0.6), 3)
    right = scene.plane_depth(camera, SIZE, (-1, 0, 0.6), 3)
    depth = np.minimum(left, right)
    lines = geometric_edges(depth, camera, normals_from_depth(depth, camera))
    assert lines.sum(axis=1).tolist() == [1.0] * 64
    assert np.unique(np.nonzero(lines)[1]).tolist() in ([47], [48])


def test_a_shallow_bend_is_no_crease(scene, camera):
    left = scene.plane_depth(camera, SIZE, (0.2, 0, 1), 3)
    right = scene.plane_depth(camera, SIZE, (-0.2, 0, 1), 3)
    depth = np.minimum(left, right)
    assert not geometric_edges(depth, camera, normals_from_depth(depth, camera)).any()


def test_lines_lie_where_a_canny_of_flat_colours_lies(camera):
    inside = disc()
    depth = np.where(inside, 4.0, 6.0).astype(np.float32)
    ours = geometric_edges(depth, camera).astype(bool)
    flat = np.where(inside[..., None], 220, 30).astype(np.uint8).repeat(3, axis=2)
    theirs = canny_of_render(flat, 40, 100).astype(bool)
    assert 0.7 < ours.sum() / theirs.sum() < 1.3
    nearby = cv2.dilate(theirs.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert nearby[ours].all()


def test_orthographic_jumps_are_judged_by_the_height_of_the_view(scene):
    camera = scene.orthographic(*SIZE, view_height=4.0)
    for jump, is_edge in ((0.2, True), (0.04, False)):
        depth = np.where(disc(), 500.0, 500.0 + jump).astype(np.float32)
        assert bool(geometric_edges(depth, camera).any()) is is_edge


def test_steps_of_sixteen_bits_are_no_edges(scene, camera):
    near, far = 0.1, 1000.0
    depth = scene.plane_depth(camera, SIZE, (0, 1, 0.02), 30.0)
    depth = np.where(depth < 500, depth, np.inf).astype(np.float32)
    coarse = restore_depth(quantise_depth(depth, near, far), near, far)
    solid = np.isfinite(depth) & np.isfinite(np.roll(depth, 1, 0)) & np.isfinite(np.roll(depth, -1, 0))
    assert geometric_edges(coarse, camera)[solid].any(), "the scene is not hard enough"
    step = (1 / near - 1 / far) / 65534
    assert not geometric_edges(coarse, camera, limits=EdgeLimits(resolution=step))[solid].any()


def test_a_picture_one_pixel_wide_has_no_crash(scene):
    camera = scene.perspective(1, 2)
    assert geometric_edges(np.array([[1.0], [9.0]], np.float32), camera).tolist() == [[1.0], [0.0]]
