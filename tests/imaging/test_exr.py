"""OpenEXR files that the reference library wrote, read to the bit; damaged ones, refused."""

import contextlib
import struct

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InputError
from bridge.imaging.exr import read_exr

COMPRESSIONS = {
    "none": OpenEXR.NO_COMPRESSION,
    "rle": OpenEXR.RLE_COMPRESSION,
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "zip": OpenEXR.ZIP_COMPRESSION,
}
DTYPES = (np.float16, np.float32, np.uint32)


def noise(height, width, dtype):
    """Half of it smooth, so that compression has something to do; half noise, so that it cannot always."""
    random = np.random.default_rng(height * width)
    values = random.random((height, width)) * 1000
    values[: height // 2] = np.arange(width) // 3
    return values.astype(dtype)


def written(tmp_path, channels, compression="zip", **header):
    path = tmp_path / "a.exr"
    fields = {"compression": COMPRESSIONS.get(compression, compression), "type": OpenEXR.scanlineimage}
    OpenEXR.File({**fields, **header}, dict(channels)).write(str(path))
    return path.read_bytes()


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (17, 64), (31, 16)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_others_write_is_read_to_the_bit(tmp_path, compression, dtype, size):
    channels = {"R": noise(*size, dtype), "G": noise(*size, dtype) * 2, "Z": noise(*size, np.float32)}
    read = read_exr(written(tmp_path, channels, compression), "file")
    assert set(read) == set(channels)
    for name, expected in channels.items():
        assert read[name].dtype == expected.dtype
        np.testing.assert_array_equal(read[name], expected)


def test_parts_and_layers_keep_their_names(tmp_path):
    path = tmp_path / "parts.exr"
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    color, depth = noise(20, 24, np.float16), noise(20, 24, np.float32)
    parts = [
        OpenEXR.Part({**kind, "name": "color"}, {"R": color}, "color"),
        OpenEXR.Part({**kind, "name": "depth"}, {"Z": depth}, "depth"),
    ]
    OpenEXR.File(parts).write(str(path))
    read = read_exr(path.read_bytes(), "file")
    np.testing.assert_array_equal(read["color.R"], color)
    np.testing.assert_array_equal(read["depth.Z"], depth)


@pytest.mark.parametrize("order", [OpenEXR.INCREASING_Y, OpenEXR.DECREASING_Y])
def test_rows_in_any_order_and_a_window_that_begins_elsewhere(tmp_path, order):
    depth = noise(35, 20, np.float32)
    window = (np.array([-3, 7], np.int32), np.array([16, 41], np.int32))
    data = written(tmp_path, {"Z": depth}, lineOrder=order, dataWindow=window)
    np.testing.assert_array_equal(read_exr(data, "file")["Z"], depth)


@pytest.mark.parametrize("compression", [OpenEXR.PIZ_COMPRESSION, OpenEXR.DWAA_COMPRESSION])
def test_a_compression_that_is_not_read_is_named_with_the_remedy(tmp_path, compression):
    data = written(tmp_path, {"R": noise(20, 20, np.float16)}, compression)
    with pytest.raises(InputError, match=r"PIZ|DWAA") as caught:
        read_exr(data, "plane 'depth'")
    assert caught.value.code == "bad_image"
    assert "ZIP" in caught.value.hint


def test_what_is_no_exr_says_so():
    for data in (b"", b"v/1", b"\x89PNG\r\n\x1a\n" + bytes(64)):
        with pytest.raises(InputError, match="OpenEXR"):
            read_exr(data, "file")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return written(tmp_path_factory.mktemp("exr"), {"R": noise(20, 20, np.float16)})


@given(data=st.data())
def test_damage_anywhere_is_a_clear_error_or_harmless(sound, data):
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(sound)))] if data.draw(st.booleans()) else damaged
    with contextlib.suppress(InputError):
        read_exr(bytes(damaged), "file")


def test_a_huge_picture_is_refused_before_it_is_unpacked(sound):
    place = sound.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    huge = sound[:place] + struct.pack("<4i", 0, 0, 100_000, 100_000) + sound[place + 16 :]
    with pytest.raises(InputError) as caught:
        read_exr(huge, "file")
    assert caught.value.code == "image_too_large"


def test_chunks_that_lie_over_one_another_are_refused_at_once(tmp_path):
    data = bytearray(written(tmp_path, {"R": noise(64, 64, np.float32)}, "none"))
    table = data.index(b"\0", data.index(b"screenWindowWidth")) + len("\0float\0") + 8 + 1
    first = struct.unpack_from("<Q", data, table)[0]
    for row in range(64):
        struct.pack_into("<Q", data, table + 8 * row, first)
    with pytest.raises(InputError, match="damaged"):
        read_exr(bytes(data), "file")


def test_an_offset_beyond_all_files_is_damage(sound):
    table = sound.index(b"\0", sound.index(b"screenWindowWidth")) + len("\0float\0") + 8 + 1
    for offset in (2**63, 2**64 - 1):
        damaged = sound[:table] + struct.pack("<Q", offset) + sound[table + 8 :]
        with pytest.raises(InputError) as caught:
            read_exr(damaged, "file")
        assert caught.value.code == "bad_image"


def test_only_what_is_wanted_is_unpacked(tmp_path, monkeypatch):
    data = written(tmp_path, {"R": noise(32, 32, np.float16), "Z": noise(32, 32, np.float32)})
    assert set(read_exr(data, "file", lambda sizes: ["Z"])) == {"Z"}

    def unpacked(*arguments):
        raise AssertionError("it was unpacked")

    monkeypatch.setattr("bridge.imaging.exr._unpacked", unpacked)

    def refuse(sizes):
        raise InputError(f"{sizes['R']} is not wanted", code="size_mismatch")

    with pytest.raises(InputError, match="not wanted"):
        read_exr(data, "file", refuse)
