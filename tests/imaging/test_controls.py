from dataclasses import replace

import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import (
    ControlOptions,
    DepthRange,
    canny_of_render,
    make_controls,
    make_edges,
    open_frame,
    quantise_depth,
    to_plane,
)
from bridge.protocol import Frame

BOX = (slice(8, 24), slice(16, 32))


@pytest.fixture
def capture(make_frame):
    """A bright box 4 m away in front of a dark wall 8 m away."""
    color = np.full((32, 48, 3), 40, np.uint8)
    color[BOX] = 200
    depth = np.full((32, 48), 8.0, np.float32)
    depth[BOX] = 4
    return open_frame(make_frame(color=color, depth=depth))


def test_every_picture_has_the_same_size_and_range(capture):
    controls = make_controls(capture, ControlOptions(width=96))
    for image in (controls.color, controls.depth, controls.canny, controls.normal):
        assert image.shape == (64, 96, 3)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert image.flags.c_contiguous
    assert controls.mask.shape == (64, 96)


def test_as_captured_nothing_is_resampled(capture):
    controls = make_controls(capture, ControlOptions())
    np.testing.assert_allclose(controls.color, capture.color / 255, atol=1e-7)
    np.testing.assert_array_equal(controls.canny[..., 0], canny_of_render(capture.color, 40, 100))
    assert controls.depth[16, 24].tolist() == [1, 1, 1]
    np.testing.assert_allclose(controls.normal, np.broadcast_to((0.5, 0.5, 1), (32, 48, 3)), atol=1e-5)


def test_lines_come_from_the_colour_or_from_the_shapes(capture, make_frame):
    painted = replace(capture, depth=np.full((32, 48), 8.0, np.float32))
    assert make_controls(painted, ControlOptions(lines="colour")).canny.any()
    assert not make_controls(painted, ControlOptions(lines="geometry")).canny.any()
    unseen = replace(capture, color=np.full((32, 48, 3), 40, np.uint8))
    assert not make_controls(unseen, ControlOptions(lines="colour")).canny.any()
    assert make_controls(unseen, ControlOptions(lines="geometry")).canny.any()


def test_lines_that_the_host_sent_are_taken(capture):
    lines = np.zeros((32, 48), np.float32)
    lines[5] = 1
    sent = replace(capture, canny=lines)
    for source in ("colour", "geometry"):
        np.testing.assert_array_equal(make_controls(sent, ControlOptions(lines=source)).canny[..., 0], lines)


def test_edges_are_those_of_the_shapes_whatever_lines_the_host_sent(capture):
    lines = make_controls(capture, ControlOptions(width=96, lines="geometry")).canny
    np.testing.assert_array_equal(make_edges(replace(capture, canny=np.ones((32, 48))), width=96), lines)
    assert make_edges(capture, height=16).shape == (16, 24, 3)


def test_thresholds_reach_the_canny(capture):
    assert not make_controls(capture, ControlOptions(canny_low=5000, canny_high=9000)).canny.any()


def test_smaller_pictures_have_thin_lines(capture):
    lines = make_controls(capture, ControlOptions(width=24, lines="geometry")).canny[..., 0]
    assert set(np.unique(lines)) == {0.0, 1.0}
    assert lines.sum(axis=1).max() <= 9  # a side of the box, or two points


def test_ranges_are_found_frozen_or_half_given(capture):
    found = make_controls(capture, ControlOptions()).depth_range
    assert found.near == pytest.approx(4)
    frozen = make_controls(capture, ControlOptions(depth_near=2, depth_far=8))
    assert frozen.depth_range == DepthRange(2, 8)
    assert frozen.depth[16, 24, 0] == pytest.approx((1 / 4 - 1 / 8) / (1 / 2 - 1 / 8))
    assert make_controls(capture, ControlOptions(depth_near=2)).depth_range == DepthRange(2, found.far)
    assert make_controls(capture, ControlOptions(depth_far=99)).depth_range == DepthRange(found.near, 99)


def test_a_range_turned_round_is_refused(capture):
    with pytest.raises(InputError, match="depth range"):
        make_controls(capture, ControlOptions(depth_near=8, depth_far=2))


def test_the_mask_is_the_hosts_or_what_is_not_sky(capture):
    depth = capture.depth.copy()
    depth[:8] = np.inf
    mask = make_controls(replace(capture, depth=depth), ControlOptions()).mask
    assert mask[:8].max() == 0
    assert mask[8:].min() == 1
    half = np.full((32, 48), 0.5, np.float32)
    half.flags.writeable = False
    own = make_controls(replace(capture, mask=half), ControlOptions()).mask
    np.testing.assert_array_equal(own, half)
    assert own.flags.writeable


def test_normals_that_the_host_sent_are_taken(capture):
    up = np.broadcast_to(np.array((0, 1, 0), np.float32), (32, 48, 3)).copy()
    normal = make_controls(replace(capture, normals=up), ControlOptions()).normal
    np.testing.assert_allclose(normal, np.broadcast_to((0.5, 1, 0.5), (32, 48, 3)), atol=1e-6)


def test_depth_of_sixteen_bits_draws_no_creases_of_noise(make_frame, scene):
    camera = scene.perspective(48, 32)
    depth = scene.plane_depth(camera, (48, 32), (0, 0.7, 0.7), 40)
    packed = to_plane("depth", quantise_depth(depth, 0.05, 1000), 0.05, 1000)
    frame = make_frame()
    capture = open_frame(Frame({**frame.planes, "depth": packed}, camera))
    assert not make_controls(capture, ControlOptions(lines="geometry")).canny[1:-1, 1:-1].any()


def test_object_ids_draw_lines(capture):
    flat = replace(capture, depth=np.full((32, 48), 8.0, np.float32))
    ids = np.zeros((32, 48), np.uint16)
    ids[BOX] = 3
    assert make_controls(replace(flat, object_ids=ids), ControlOptions(lines="geometry")).canny.any()
