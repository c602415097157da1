import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.imaging import normals_from_depth, normals_to_control, unpack_normals

SIZE = (48, 32)
tilts = st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))


@given(tilt=tilts, distance=st.floats(0.5, 50), shift=tilts)
def test_a_plane_in_perspective_has_its_normal_everywhere(scene, tilt, distance, shift):
    camera = scene.perspective(*SIZE, shift=shift)
    normal = np.array((*tilt, 1.0)) / np.linalg.norm((*tilt, 1.0))
    depth = scene.plane_depth(camera, SIZE, (*tilt, 1.0), distance)
    found = normals_from_depth(depth, camera)
    solid = np.isfinite(depth)
    # Slopes are differences of float32 values that differ by 1e-3 of themselves.
    np.testing.assert_allclose(found[solid], np.broadcast_to(normal, (*solid.shape, 3))[solid], atol=2e-3)


@given(tilt=tilts)
def test_a_plane_in_an_orthographic_view_has_its_normal_everywhere(scene, tilt):
    camera = scene.orthographic(*SIZE)
    normal = np.array((*tilt, 1.0)) / np.linalg.norm((*tilt, 1.0))
    depth = scene.plane_depth(camera, SIZE, (*tilt, 1.0), 10.0)
    np.testing.assert_allclose(
        normals_from_depth(depth, camera), np.broadcast_to(normal, (32, 48, 3)), atol=1e-3
    )


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_no_normal_straddles_two_surfaces_and_the_sky_faces_the_viewer(scene, kind):
    camera = getattr(scene, kind)(*SIZE)
    depth = np.full((32, 48), 5.0, np.float32)
    depth[:, 24:] = 9.0
    depth[:8] = np.inf
    np.testing.assert_allclose(
        normals_from_depth(depth, camera), np.broadcast_to((0, 0, 1), (32, 48, 3)), atol=1e-4
    )


def test_left_is_red_up_is_green_and_front_is_blue():
    faces = np.array([[(-1, 0, 0), (0, 1, 0), (0, 0, 1)]], np.float32)
    np.testing.assert_allclose(normals_to_control(faces)[0], [(1, 0.5, 0.5), (0.5, 1, 0.5), (0.5, 0.5, 1)])


def test_normals_of_bytes_are_read_back_and_nothing_is_the_viewer():
    vectors = np.array([[(0.6, 0.0, 0.8), (0.0, 0.0, 1.0)]], np.float32)
    packed = np.rint((vectors + 1) * 127.5).astype(np.uint8)
    np.testing.assert_allclose(unpack_normals(packed), vectors, atol=0.01)
    nothing = np.full((1, 1, 3), 127, np.uint8)
    assert unpack_normals(nothing).tolist() == [[[0, 0, 1]]]


def test_normals_of_floats_are_brought_to_length_one():
    doubled = np.array([[(0.0, 2.0, 0.0)]], np.float16)
    assert unpack_normals(doubled).tolist() == [[[0, 1, 0]]]


def test_a_picture_one_pixel_wide_faces_the_viewer(scene):
    depth = np.full((4, 1), 3.0, np.float32)
    np.testing.assert_allclose(
        normals_from_depth(depth, scene.perspective(1, 4)), [[(0, 0, 1)]] * 4, atol=1e-6
    )


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_numbers_that_are_no_direction_face_the_viewer(number):
    plane = np.zeros((2, 2, 3), np.float32)
    plane[..., 1] = 1
    plane[0, 0] = number
    read = unpack_normals(plane)
    assert np.isfinite(read).all()
    np.testing.assert_array_equal(read[0, 0], (0, 0, 1))
    np.testing.assert_allclose(read[1, 1], (0, 1, 0))
