from dataclasses import replace

import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import open_frame, quantise_depth, to_plane
from bridge.protocol import Frame, Plane


def fault(frame):
    with pytest.raises(InputError) as caught:
        open_frame(frame)
    return caught.value


def test_planes_become_arrays_of_one_size(make_frame):
    ids = np.arange(32 * 48, dtype=np.uint32).reshape(32, 48)
    up = np.zeros((32, 48, 3), np.float16)
    up[..., 1] = 1
    capture = open_frame(
        make_frame(object_id=ids, normal=up, mask=ids.astype(np.uint8), canny=ids.astype(np.uint8))
    )
    assert capture.size == (48, 32)
    assert capture.color.shape == (32, 48, 3)
    assert capture.depth_step == 0
    np.testing.assert_array_equal(capture.object_ids, ids)
    assert capture.normals[0, 0].tolist() == [0, 1, 0]
    np.testing.assert_allclose(capture.mask, ids.astype(np.uint8) / 255, atol=1e-7)
    assert capture.canny.max() == 1


def test_what_the_host_did_not_send_is_none(make_frame):
    capture = open_frame(make_frame())
    assert (capture.normals, capture.object_ids, capture.canny, capture.mask) == (None,) * 4


def test_transparent_colour_lies_over_grey(make_frame):
    assert open_frame(make_frame(color=np.zeros((32, 48, 4), np.uint8))).color[0, 0].tolist() == [128] * 3


def test_sixteen_bit_depth_is_unpacked_and_its_step_known(make_frame):
    frame = make_frame()
    metres = open_frame(frame).depth
    packed = to_plane("depth", quantise_depth(metres, 1, 50), 1, 50)
    capture = open_frame(Frame({**frame.planes, "depth": packed}))
    np.testing.assert_allclose(capture.depth, metres, rtol=1e-3)
    assert capture.depth_step == pytest.approx(0.98 / 65534)


def test_a_host_without_camera_gets_a_usual_one(make_frame):
    camera = open_frame(make_frame()).camera
    assert camera.is_perspective
    assert camera.projection[0] * 48 == pytest.approx(camera.projection[5] * 32)


@pytest.mark.parametrize("name", ["color", "depth"])
def test_colour_and_depth_are_needed(make_frame, name):
    error = fault(make_frame(**{name: None}))
    assert error.code == "missing_plane"
    assert name in error.message


def test_depth_of_another_size_than_colour_is_named(make_frame):
    error = fault(make_frame(depth=np.ones((24, 48), np.float32)))
    assert (error.code, error.message) == ("size_mismatch", "depth is 48×24, but color is 48×32")


@pytest.mark.parametrize(
    "depth",
    [np.full((32, 48), np.inf), np.full((32, 48), np.nan), np.zeros((32, 48)), -np.ones((32, 48))],
)
def test_depth_that_says_nothing_is_refused(make_frame, depth):
    assert fault(make_frame(depth=depth)).code == "bad_depth"


def test_sixteen_bit_depth_needs_its_ends(make_frame):
    assert fault(make_frame(depth=np.ones((32, 48), np.uint16))).code == "bad_depth"


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("color", np.zeros((32, 48), np.uint8)),
        ("color", np.zeros((32, 48, 3), np.float32)),
        ("depth", np.ones((32, 48, 1), np.float32)),
        ("normal", np.ones((32, 48), np.float32)),
        ("normal", np.ones((32, 48, 2), np.float32)),
        ("mask", np.ones((32, 48, 3), np.uint8)),
    ],
)
def test_planes_of_another_form_are_refused(make_frame, name, array):
    assert fault(make_frame(**{name: array})).code == "bad_plane"


def test_a_camera_without_scale_is_refused(make_frame, scene):
    camera = scene.perspective(48, 32)
    flat = replace(camera, projection=(0.0, *camera.projection[1:]))
    assert fault(replace(make_frame(), camera=flat)).code == "bad_camera"


def test_bytes_that_do_not_fit_the_shape_are_refused(make_frame):
    frame = make_frame()
    short = Plane("color", (32, 48, 3), "u8", bytes(100))
    assert fault(Frame({**frame.planes, "color": short})).code == "size_mismatch"


def test_a_mask_holds_nothing_but_shares(make_frame):
    mask = np.full((32, 48), 0.5, np.float32)
    mask[0, :3] = np.nan, 1e30, -2
    read = open_frame(make_frame(mask=mask)).mask
    assert read[0, :4].tolist() == [0, 1, 0, 0.5]
