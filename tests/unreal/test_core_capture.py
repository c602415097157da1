"""An engine's files as a frame that the daemon understands."""

import numpy as np
import pytest

from bridge.imaging import open_frame
from bridge.protocol import Camera, Frame, Plane

from .plain import exr_file, normal_file, png_file
from .test_core_studio import core  # noqa: F401 - a fixture


def as_ours(frame):
    """The vendored classes' content in those of ``bridge``."""
    planes = {}
    for name, plane in frame.planes.items():
        turned = (plane.near, plane.far, plane.scale, plane.sky, plane.rotation)
        planes[name] = Plane(plane.name, plane.shape, plane.dtype, plane.data, plane.codec, *turned)
    camera = frame.camera
    return Frame(planes, camera and Camera(camera.view, camera.projection, camera.near, camera.far))


@pytest.fixture
def files(core, tmp_path):  # noqa: F811
    view = core("core.axes").View((100.0, 50.0, 150.0), (0.0, 0.0, 0.0), 64, 48)
    depth, normal = exr_file(tmp_path, 64, 48), normal_file(tmp_path, 64, 48)
    return core("core.editor").Files(view, png_file(64, 48), depth, normal)


def test_the_daemon_opens_it(core, files):  # noqa: F811
    capture = open_frame(as_ours(core("core.capture").frame_of(files, 7)))
    assert capture.size == (64, 48)
    assert np.isinf(capture.depth[:12]).all()
    assert capture.depth[-1, 0] == pytest.approx(2.0)
    assert (capture.color != 128).any(), "transparent pixels are not seen as grey"


def test_normals_face_the_camera_as_they_did_in_the_world(core, files):  # noqa: F811
    capture = open_frame(as_ours(core("core.capture").frame_of(files)))
    np.testing.assert_allclose(capture.normals[0, 0], (0, 0, 1), atol=1e-3)  # the wall
    np.testing.assert_allclose(capture.normals[-1, 0], (0, 1, 0), atol=1e-3)  # the floor


def test_what_was_not_captured_is_not_sent(core, files):  # noqa: F811
    plain = core("core.editor").Files(files.view, files.color, files.depth)
    assert set(core("core.capture").frame_of(plain).planes) == {"color", "depth"}


def test_unlit_colours_take_the_place_of_lit_ones(core, files):  # noqa: F811
    whole = core("core.editor").Files(
        files.view, files.color, files.depth, None, files.depth, png_file(64, 48, 2)
    )
    frame = core("core.capture").frame_of(whole)
    assert frame.planes["object_id"].dtype == "u16"
    assert frame.planes["color"].data == whole.base_color
    assert "base_color" not in frame.planes


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_a_picture_that_is_none_is_told(core, data):  # noqa: F811
    with pytest.raises(Exception, match="no PNG") as caught:
        core("core.capture").png_size(data)
    assert caught.value.code == "capture_failed"


@pytest.mark.parametrize(
    ("shape", "dtype", "codec", "size"),
    [
        ((2, 2), "u8", "raw", 4),
        ((2, 2, 3), "f32", "raw", 48),
        ((2, 2, 3), "u8", "png", 12),
        ((2, 2, 3), "u8", "raw", 11),
    ],
)
def test_what_comes_back_and_is_no_picture_is_told(core, shape, dtype, codec, size):  # noqa: F811
    plane = core("_bridge.protocol").Plane("image", shape, dtype, bytes(size), codec)
    with pytest.raises(Exception, match="no picture") as caught:
        core("core.pixels").png_of_picture(plane)
    assert caught.value.code == "bad_image"
