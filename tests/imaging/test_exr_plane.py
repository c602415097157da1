"""Planes that came as OpenEXR, as an engine writes them."""

import numpy as np
import OpenEXR
import pytest

from bridge.errors import InputError
from bridge.imaging import decode_plane, open_frame, to_plane
from bridge.imaging.frame_file import pack_frame, unpack_frame
from bridge.protocol import Camera, Frame, Plane

HEIGHT, WIDTH = 24, 40
CENTIMETRES = np.linspace(20.0, 60_000.0, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.float16)
SKY = 65504.0

# The camera looks along the file's X, with Y to its right and Z up, as in Unreal.
TURN = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0)


def exr(tmp_path, channels):
    path = tmp_path / "plane.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))
    return path.read_bytes()


def depth_plane(data, **options):
    return Plane("depth", (HEIGHT, WIDTH), "f32", data, "exr", **options)


def test_centimetres_become_metres_and_the_sky_endless(tmp_path):
    depth = CENTIMETRES.copy()
    depth[0, :3] = SKY, np.inf, np.nan
    read = decode_plane(depth_plane(exr(tmp_path, {"R": depth, "G": depth}), scale=0.01, sky=SKY))
    assert read.dtype == np.float32
    assert np.isinf(read[0, :3]).all()
    np.testing.assert_allclose(read[1:], CENTIMETRES[1:].astype(np.float64) / 100, rtol=1e-6)


def test_the_layer_that_is_named_after_the_plane_is_taken(tmp_path):
    other = np.full((HEIGHT, WIDTH), 7, np.float16)
    channels = {"R": other, "G": other, "B": other, "FinalImage_WorldDepth.R": CENTIMETRES}
    read = decode_plane(depth_plane(exr(tmp_path, channels)))
    np.testing.assert_array_equal(read, CENTIMETRES.astype(np.float32))


@pytest.mark.parametrize(("names", "taken"), [("ZR", "Z"), ("YR", "Y"), ("RG", "R")])
def test_depth_is_z_or_y_or_red(tmp_path, names, taken):
    channels = {name: CENTIMETRES * np.float16(0.5 if name != taken else 1) for name in names}
    read = decode_plane(depth_plane(exr(tmp_path, channels)))
    np.testing.assert_array_equal(read, CENTIMETRES.astype(np.float32))


def test_channels_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match="channels A, B, and needs Z or Y or R") as caught:
        decode_plane(depth_plane(exr(tmp_path, {"A": CENTIMETRES, "B": CENTIMETRES})))
    assert caught.value.code == "bad_image"


def test_another_size_is_a_mismatch(tmp_path):
    data = exr(tmp_path, {"R": CENTIMETRES})
    for shape in ((WIDTH, HEIGHT), (HEIGHT, WIDTH + 1)):
        with pytest.raises(InputError) as caught:
            decode_plane(Plane("depth", shape, "f32", data, "exr"))
        assert caught.value.code == "size_mismatch"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
def test_ids_are_whole_numbers(tmp_path, dtype):
    ids = (np.arange(HEIGHT * WIDTH) % 200).reshape(HEIGHT, WIDTH)
    plane = Plane("object_id", (HEIGHT, WIDTH), "u8", exr(tmp_path, {"R": ids.astype(dtype)}), "exr")
    np.testing.assert_array_equal(decode_plane(plane), ids)


@pytest.mark.parametrize("number", [-1.0, 300.0, np.nan])
def test_ids_that_do_not_fit_are_refused(tmp_path, number):
    ids = np.full((HEIGHT, WIDTH), number, np.float32)
    with pytest.raises(InputError, match="no uint8"):
        decode_plane(Plane("object_id", (HEIGHT, WIDTH), "u8", exr(tmp_path, {"R": ids}), "exr"))


def test_normals_are_turned_to_the_camera(tmp_path):
    up = {
        name: np.full((HEIGHT, WIDTH), value, np.float16)
        for name, value in zip("RGB", (0, 0, 1), strict=True)
    }
    plane = Plane("normal", (HEIGHT, WIDTH, 3), "f32", exr(tmp_path, up), "exr", rotation=TURN)
    np.testing.assert_allclose(decode_plane(plane)[3, 4], (0, 1, 0), atol=1e-6)
    back = {
        name: np.full((HEIGHT, WIDTH), value, np.float16)
        for name, value in zip("RGB", (-1, 0, 0), strict=True)
    }
    plane = Plane("normal", (HEIGHT, WIDTH, 3), "f32", exr(tmp_path, back), "exr", rotation=TURN)
    np.testing.assert_allclose(decode_plane(plane)[3, 4], (0, 0, 1), atol=1e-6)


def frame(tmp_path):
    """One frame as an engine sends it, and the same as the wire's own planes."""
    color = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    depth = CENTIMETRES.copy()
    depth[:4] = SKY
    tilted = np.array((-0.6, 0.0, 0.8), np.float16)
    world = {name: np.full((HEIGHT, WIDTH), tilted[index]) for index, name in enumerate("RGB")}
    camera = Camera(
        (1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0),
        (1.2, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, -1.0, -0.2, 0, 0, -1.0, 0),
        0.1,
        655.0,
    )
    engine = {
        "color": to_plane("color", color),
        "depth": depth_plane(exr(tmp_path, {"R": depth}), scale=0.01, sky=SKY),
        "normal": Plane("normal", (HEIGHT, WIDTH, 3), "f32", exr(tmp_path, world), "exr", rotation=TURN),
    }
    metres = depth.astype(np.float32) / 100
    metres[:4] = np.inf
    seen = np.broadcast_to(np.array((0.0, 0.8, 0.6), np.float32), (HEIGHT, WIDTH, 3))
    own = {
        "color": to_plane("color", color),
        "depth": to_plane("depth", metres),
        "normal": to_plane("normal", seen),
    }
    return Frame(engine, camera), Frame(own, camera)


def test_an_engines_frame_is_the_wires_frame(tmp_path):
    engine, own = map(open_frame, frame(tmp_path))
    np.testing.assert_allclose(engine.depth, own.depth, rtol=1e-6)
    np.testing.assert_allclose(engine.normals, own.normals, atol=1e-3)
    np.testing.assert_array_equal(engine.color, own.color)


def test_an_engines_frame_survives_being_kept(tmp_path):
    engine, _ = frame(tmp_path)
    kept = unpack_frame(pack_frame(engine), "kept")
    assert kept.digest == engine.digest
    assert kept.planes["depth"].scale == 0.01
    assert kept.planes["normal"].rotation == TURN


def test_what_turns_a_plane_is_part_of_its_digest(tmp_path):
    data = exr(tmp_path, {"R": CENTIMETRES})
    one, other = (Frame({"depth": depth_plane(data, scale=scale)}) for scale in (0.01, 1.0))
    assert one.digest != other.digest


def test_a_crowd_of_channels_is_told_in_a_few_words(tmp_path):
    channels = {f"{letter}{number:02}" * 20: CENTIMETRES for letter in "AB" for number in range(25)}
    with pytest.raises(InputError, match="and 38 more") as caught:
        decode_plane(depth_plane(exr(tmp_path, channels)))
    assert len(caught.value.message) < 1000
