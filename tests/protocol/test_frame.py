import dataclasses

from bridge.protocol import Camera, Frame, Plane

VIEW = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
COLOR = Plane("color", (2, 4, 3), "u8", bytes(24))
DEPTH = Plane("depth", (2, 4), "u16", bytes(16), near=0.1, far=100.0)
FRAME = Frame({"color": COLOR, "depth": DEPTH}, Camera(VIEW, VIEW, 0.1, 100.0), 7)


def test_size_is_width_then_height() -> None:
    assert FRAME.size == (4, 2)


def test_raw_bytes_follow_from_shape_and_dtype() -> None:
    assert (COLOR.raw_bytes, DEPTH.raw_bytes) == (24, 16)


def test_orthographic_camera_is_told_from_perspective() -> None:
    camera = Camera(VIEW, VIEW, 0.1, 100.0)
    assert not camera.is_perspective
    assert dataclasses.replace(camera, projection=(*VIEW[:14], -1.0, 0.0)).is_perspective


def test_digest_ignores_the_number_and_the_order_of_planes() -> None:
    same = Frame({"depth": DEPTH, "color": COLOR}, FRAME.camera, 8)
    assert same.digest == FRAME.digest


def test_digest_sees_pixels_camera_and_form() -> None:
    others = [
        dataclasses.replace(FRAME, camera=None),
        dataclasses.replace(FRAME, planes={"color": COLOR}),
        dataclasses.replace(FRAME, planes={"color": COLOR, "depth": dataclasses.replace(DEPTH, far=99.0)}),
        dataclasses.replace(
            FRAME, planes={"depth": DEPTH, "color": dataclasses.replace(COLOR, data=b"\1" * 24)}
        ),
    ]
    assert len({frame.digest for frame in [FRAME, *others]}) == 5
