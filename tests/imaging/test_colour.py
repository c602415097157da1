import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.imaging import (
    channels_of,
    cut_to_bytes,
    linear_to_srgb,
    over,
    srgb_to_linear,
    to_bytes,
    to_floats,
)

EVERY_BYTE = np.arange(256, dtype=np.uint8)


def test_bytes_survive_floats():
    np.testing.assert_array_equal(to_bytes(to_floats(EVERY_BYTE)), EVERY_BYTE)


def test_values_outside_and_nan_become_bytes():
    wild = np.array([-1, 0.5, 2, np.nan, np.inf, -np.inf], np.float32)
    assert to_bytes(wild).tolist() == [0, 128, 255, 0, 255, 0]
    assert cut_to_bytes(wild).tolist() == [0, 127, 255, 0, 255, 0]


def test_bytes_survive_being_cut_off() -> None:
    np.testing.assert_array_equal(cut_to_bytes(to_floats(EVERY_BYTE)), EVERY_BYTE)


def test_sixteen_bits_become_floats_of_full_range():
    np.testing.assert_allclose(to_floats(np.array([0, 32768, 65535], np.uint16)), [0, 0.5000076, 1])


def test_floats_pass():
    image = np.ones((2, 2, 3), np.float32)
    assert to_floats(image) is image


@pytest.mark.parametrize(("srgb", "linear"), [(0.0, 0.0), (0.04045, 0.0031308), (0.5, 0.21404), (1.0, 1.0)])
def test_srgb_curve_has_the_published_values(srgb, linear):
    assert srgb_to_linear(np.float32(srgb)) == pytest.approx(linear, abs=1e-5)
    assert linear_to_srgb(np.float32(linear)) == pytest.approx(srgb, abs=1e-4)


@given(st.floats(0, 1, width=32))
def test_linear_light_survives_the_display(value):
    image = np.full((1, 1, 3), value, np.float32)
    np.testing.assert_allclose(srgb_to_linear(linear_to_srgb(image)), image, atol=1e-6)


def test_transparency_shows_the_background():
    image = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [255, 255, 255, 128]]], np.uint8)
    assert over(image, background=0.5).tolist() == [[[200, 100, 0], [128, 128, 128], [192, 192, 192]]]
    assert over(image, background=0.0)[0, 1].tolist() == [0, 0, 0]


def test_opaque_pictures_are_not_touched():
    image = np.dstack(
        [np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8), np.full((4, 4), 255, np.uint8)]
    )
    np.testing.assert_array_equal(over(image), image[..., :3])
    assert over(image[..., :3].copy()).shape == (4, 4, 3)


def test_a_colour_in_hexadecimal_has_three_channels():
    assert channels_of(0x12AB7F) == (0x12, 0xAB, 0x7F)
