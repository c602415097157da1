import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.imaging import decode_plane, to_plane
from bridge.protocol import ITEM_BYTES, Plane

COLOUR = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
SHAPES = arrays.array_shapes(min_dims=2, max_dims=3, max_side=6)
DTYPES = st.sampled_from([np.uint8, np.uint16, np.uint32, np.float16, np.float32])


def encoded(array, format):
    file = io.BytesIO()
    PillowImage.fromarray(array).save(file, format, **({"lossless": True} if format == "WEBP" else {}))
    return file.getvalue()


def code_of(plane):
    with pytest.raises(InputError) as caught:
        decode_plane(plane)
    return caught.value.code


@given(DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES)))
def test_arrays_survive(array):
    plane = to_plane("anything", array)
    assert len(plane.data) == plane.raw_bytes
    back = decode_plane(plane)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_every_dtype_of_the_wire_has_an_array():
    for name, size in ITEM_BYTES.items():
        assert decode_plane(Plane("x", (1, 2), name, bytes(2 * size))).itemsize == size


def test_contiguous_arrays_are_not_copied_either_way():
    plane = to_plane("color", COLOUR)
    assert np.shares_memory(decode_plane(plane), COLOUR)


def test_views_doubles_and_foreign_byte_orders_are_packed():
    flipped = to_plane("color", COLOUR[::-1, :, ::-1])
    np.testing.assert_array_equal(decode_plane(flipped), COLOUR[::-1, :, ::-1])
    assert to_plane("depth", np.ones((2, 2))).dtype == "f32"
    big = np.arange(4, dtype=">u2").reshape(2, 2)
    assert bytes(to_plane("x", big).data) == bytes([0, 0, 1, 0, 2, 0, 3, 0])


@pytest.mark.parametrize(
    "array", [np.ones((2, 2), np.int64), np.ones(4, np.uint8), np.ones((0, 2), np.uint8)]
)
def test_what_no_plane_holds_is_refused(array):
    with pytest.raises(InputError, match="cannot be a plane"):
        to_plane("x", array)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_lossless_codecs_keep_pixels(format):
    plane = Plane("color", COLOUR.shape, "u8", encoded(COLOUR, format), format.lower())
    np.testing.assert_array_equal(decode_plane(plane), COLOUR)


def test_alpha_that_is_not_described_is_dropped():
    transparent = np.dstack((COLOUR, np.zeros(COLOUR.shape[:2], np.uint8)))
    plane = Plane("color", COLOUR.shape, "u8", encoded(transparent, "PNG"), "png")
    np.testing.assert_array_equal(decode_plane(plane), COLOUR)


def test_jpeg_and_grey_and_sixteen_bits_are_decoded():
    assert decode_plane(Plane("color", (24, 32, 3), "u8", encoded(COLOUR, "JPEG"), "jpeg")).shape == (
        24,
        32,
        3,
    )
    grey = COLOUR[..., 0].copy()
    np.testing.assert_array_equal(
        decode_plane(Plane("mask", (24, 32), "u8", encoded(grey, "PNG"), "png")), grey
    )
    deep = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(
        decode_plane(Plane("depth", (24, 32), "u16", encoded(deep, "PNG"), "png", 1, 2)), deep
    )


@pytest.mark.parametrize("surplus", [-1, 1])
def test_too_few_or_many_bytes_are_a_size_mismatch(surplus):
    plane = Plane("depth", (24, 32), "f32", bytes(24 * 32 * 4 + surplus))
    assert code_of(plane) == "size_mismatch"


@pytest.mark.parametrize("shape", [(32, 24, 3), (24, 32), (24, 32, 4), (12, 16, 3)])
def test_a_picture_of_another_shape_is_a_size_mismatch(shape):
    assert code_of(Plane("color", shape, "u8", encoded(COLOUR, "PNG"), "png")) == "size_mismatch"


def test_a_picture_of_another_codec_or_cut_short_is_a_bad_image():
    data = encoded(COLOUR, "PNG")
    assert code_of(Plane("color", COLOUR.shape, "u8", data, "jpeg")) == "bad_image"
    assert code_of(Plane("color", COLOUR.shape, "u8", data[:200], "png")) == "bad_image"
