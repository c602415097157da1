"""Canny edges; ``canny_reference.npz`` holds a picture and the lines that kornia 0.9 finds in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import canny, canny_of_render


def step_image(contrast, size=32):
    image = np.zeros((size, size, 3), np.float32)
    image[:, size // 2 :] = contrast
    return image


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.8), (0.1, 0.2), (0.05, 0.3)])
def test_every_pixel_is_as_in_comfyui(low, high):
    with np.load(Path(__file__).with_name("canny_reference.npz")) as reference:
        picture, lines = reference["picture"], np.unpackbits(reference[f"{low} {high}"])
    np.testing.assert_array_equal(canny(picture / np.float32(255), low, high).ravel(), lines)


@pytest.mark.parametrize("turns", range(4))
def test_of_two_equal_sides_of_an_edge_the_left_or_upper_one_is_drawn(turns):
    rows, columns = np.nonzero(canny(np.ascontiguousarray(np.rot90(step_image(1.0), turns)), 0.4, 0.8))
    assert set(rows if turns % 2 else columns) == {15}


def test_a_step_gives_one_line_one_pixel_wide():
    lines = canny(step_image(1.0), 0.4, 0.8)
    assert lines.dtype == np.float32
    assert lines.sum(axis=1).tolist() == [1.0] * 32
    assert np.unique(np.nonzero(lines)[1]).size == 1


def test_thresholds_are_those_of_an_unnormalised_sobel_after_a_blur():
    # A unit step, blurred with sigma 1 and differentiated by (−1, 0, 1) × (1, 2, 1), peaks at 4·c where c
    # is the weight of the two middle taps of the 5-tap Gaussian.
    taps = np.exp(-0.5 * np.arange(-2, 3) ** 2)
    taps /= taps.sum()
    peak = 4 * (taps[2] + taps[3])
    for contrast, is_seen in ((0.8 / peak * 1.02, True), (0.8 / peak * 0.98, False)):
        assert bool(canny(step_image(contrast), 0.8, 0.8).any()) is is_seen


def test_weak_edges_count_only_where_they_join_strong_ones():
    image = np.zeros((32, 64, 3), np.float32)
    image[16:, :32] = np.linspace(1.0, 0.2, 32)[:, None]
    image[16:, 48:] = 0.2
    lines = canny(image, 0.3, 1.5)
    assert lines[:, 20:28].any()
    assert not lines[:, 52:].any()


def test_luminance_counts_and_not_single_channels():
    blue = step_image(0.0)
    blue[:, 16:, 2] = 1.0
    assert not canny(blue, 0.4, 0.8).any()  # luminance 0.114
    assert canny_of_render((blue * 255).astype(np.uint8), 40, 100).any()


def test_render_canny_is_what_control_nets_were_trained_on():
    image = np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)
    image = cv2.GaussianBlur(image, (7, 7), 2)
    np.testing.assert_array_equal(canny_of_render(image, 40, 100), cv2.Canny(image, 40, 100) / 255)


def test_a_flat_picture_has_no_lines():
    assert not canny(np.full((16, 16, 3), 0.7, np.float32), 0.01, 0.01).any()


@pytest.mark.parametrize("find", [canny, canny_of_render])
def test_thresholds_the_wrong_way_round_are_refused(find):
    with pytest.raises(InputError, match="above the high one") as caught:
        find(np.zeros((16, 16, 3), np.uint8), 0.9, 0.2)
    assert caught.value.code == "out_of_range"
