import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.imaging import center_crop, check_size, latent_size, resize, resize_lines

CHECKS = np.indices((8, 8)).sum(0) % 2
METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_a_flat_picture_and_gives_the_size(method):
    image = np.full((10, 12, 3), 0.4, np.float32)
    scaled = resize(image, 7, 5, method)
    assert scaled.shape == (5, 7, 3)
    np.testing.assert_allclose(scaled, 0.4, atol=1 / 500)  # lanczos goes through 8 bits


def test_the_same_size_is_the_same_array():
    assert resize(CHECKS, 8, 8, "area") is CHECKS


def test_only_averaging_methods_see_what_has_no_room():
    checks = CHECKS.astype(np.float32)
    assert np.ptp(resize(checks, 4, 4, "area")) == 0
    assert set(resize(checks, 4, 4, "nearest-exact").ravel()) <= {0.0, 1.0}


def test_area_averages_blocks():
    ramp = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(resize(ramp, 2, 2, "area"), [[2.5, 4.5], [10.5, 12.5]])


def test_nearest_takes_the_centre_of_three():
    assert resize(np.arange(6, dtype=np.uint8)[None], 2, 1, "nearest-exact").tolist() == [[1, 4]]


def test_bilinear_keeps_pixel_centres():
    np.testing.assert_allclose(
        resize(np.array([[0, 1]], np.float32), 4, 1, "bilinear"), [[0, 0.25, 0.75, 1]], atol=1e-6
    )


def test_lanczos_is_pillows():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    theirs = PillowImage.fromarray(image).resize((9, 7), PillowImage.Resampling.LANCZOS)
    np.testing.assert_array_equal(resize(image, 9, 7, "lanczos"), np.asarray(theirs))


@pytest.mark.parametrize(
    ("width", "to", "kept"),
    [(30, (1, 1), (10, 10)), (20, (2, 1), (10, 20)), (20, (4, 1), (6, 20)), (20, (5, 20), (10, 2))],
)
def test_crop_keeps_the_middle(width, to, kept):
    image = np.broadcast_to(np.arange(width), (10, width))
    cropped = center_crop(image, *to)
    assert cropped.shape == kept
    assert cropped[0, 0] + cropped[0, -1] == width - 1


SHAPE = st.tuples(st.integers(64, 512), st.integers(64, 512))
"""Of captures: a side that follows from the other is 8 times it at most."""


@given(SHAPE, st.integers(0, 2048), st.integers(0, 2048))
def test_latents_divide_every_size(captured, width, height):
    size = latent_size(captured, width, height)
    assert all(side >= 8 and side % 8 == 0 for side in size)


@pytest.mark.parametrize(
    ("captured", "wanted", "size"),
    [
        ((512, 384), (0, 0), (512, 384)),
        ((1023, 767), (0, 0), (1024, 768)),
        ((960, 540), (512, 0), (512, 288)),
        ((960, 540), (0, 270), (480, 272)),
        ((960, 540), (300, 300), (304, 304)),
    ],
)
def test_a_missing_side_keeps_the_shape(captured, wanted, size):
    assert latent_size(captured, *wanted) == size


def test_thin_lines_stay_whole_and_thin_when_the_drawing_shrinks():
    lines = np.zeros((90, 90), np.float32)
    lines[np.arange(90), np.arange(90)] = 1
    lines[40] = 1
    small = resize_lines(lines, 31, 31)
    assert set(np.unique(small)) == {0.0, 1.0}
    assert small[40 * 31 // 90].all()
    assert small.sum() == 61  # a row and a diagonal that share one pixel


def test_lines_grow_without_gaps():
    lines = np.zeros((4, 4), np.float32)
    lines[1] = 1
    assert resize_lines(lines, 8, 8)[2:4].all()


@pytest.mark.parametrize(
    ("size", "fits"), [((16_384, 16_384, 1), True), ((16_385, 8, 1), False), ((16_384, 16_384, 2), False)]
)
def test_pictures_that_would_fill_the_memory_are_refused(size: tuple[int, int, int], fits: bool) -> None:
    if fits:
        check_size(*size)
        return
    with pytest.raises(InputError, match="too large") as caught:
        check_size(*size)
    assert caught.value.code == "image_too_large"


def test_a_side_that_follows_from_the_other_is_bounded_too() -> None:
    with pytest.raises(InputError):
        latent_size((16_384, 16), height=8192)
