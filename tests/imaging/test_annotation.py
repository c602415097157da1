"""What happens around edge detection; the numbers of ControlNet's annotators, worked out by hand."""

import cv2
import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import canny_of_photo, in_steps, padded, scribble, to_resolution


@pytest.mark.parametrize(
    ("height", "width", "resolution", "size"),
    [(100, 200, 64, (64, 128)), (30, 20, 64, (96, 64)), (333, 500, 512, (512, 769)), (64, 64, 64, (64, 64))],
)
def test_the_shorter_side_gets_the_resolution(height, width, resolution, size):
    assert to_resolution(np.zeros((height, width, 3), np.uint8), resolution).shape == (*size, 3)


def test_smaller_pictures_average_and_larger_ones_are_cubic():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    means = image.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(to_resolution(image, 64) - means).max() <= 0.5
    larger = cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(to_resolution(image, 256), larger)


def test_a_long_picture_is_not_blown_up():
    with pytest.raises(InputError, match="too large"):
        to_resolution(np.zeros((10, 1000, 3), np.uint8), 512)


def test_padding_repeats_the_border_up_to_multiples_of_64():
    image = np.random.default_rng(0).integers(0, 256, (64, 70, 3), np.uint8)
    result = padded(image)
    assert result.shape == (64, 128, 3)
    np.testing.assert_array_equal(result[:, :70], image)
    assert (result[:, 70:] == image[:, 69:70]).all()


def test_lines_are_those_of_the_padded_picture():
    image = np.random.default_rng(1).integers(0, 256, (60, 70, 3), np.uint8)
    lines = canny_of_photo(image, 100, 200)
    assert lines.shape == (60, 70)
    expected = cv2.Canny(np.pad(image, ((0, 4), (0, 58), (0, 0)), mode="edge"), 100, 200)
    np.testing.assert_array_equal(lines, expected[:60, :70] / 255)


def test_steps():
    edges = np.array([0, 0.333, 0.334, 0.66, 0.67, 1], np.float32)
    assert in_steps(edges).tolist() == [0, 0, 0.5, 0.5, 1, 1]


def test_a_soft_ring_becomes_a_thick_line_along_its_crest():
    rows, columns = np.mgrid[:96, :96] - 48
    radius = np.hypot(rows, columns)
    drawn = scribble(np.exp(-(((radius - 30) / 8) ** 2)).astype(np.float32))
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn[(radius > 28) & (radius < 31)].all()
    # Crests are looked for where the ring, blurred, is above one half: within 7.4 pixels of its middle.
    # A dot under a Gaussian of sigma 3 is above 4 of 255 within 3.2 pixels, a line within 6.2.
    assert not drawn[(radius < 16) | (radius > 44)].any()


def test_faint_edges_are_left_out_of_a_scribble():
    edges = np.zeros((64, 64), np.float32)
    edges[:, 30:34] = 0.4
    assert not scribble(edges).any()
