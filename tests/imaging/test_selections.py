"""Selections: widening, narrowing, softening, filling, and colours brought to another picture's."""

import cv2
import numpy as np
import pytest

from bridge.imaging import (
    Filling,
    Softness,
    fill_blurred,
    fill_hole,
    match_colours,
    narrow,
    soften,
    widen,
)

DOT = np.zeros((9, 9), np.float32)
DOT[4, 4] = 0.2
RANDOM = np.random.default_rng(1)


def test_whatever_is_selected_at_all_grows_to_a_square() -> None:
    wide = widen(DOT, 2)
    assert wide.sum() == 25
    assert (wide[2:7, 2:7] == 1).all()


def test_widening_by_nothing_keeps_greys() -> None:
    assert widen(DOT, 0) is DOT
    assert narrow(DOT, 0) is DOT


def test_only_what_is_selected_fully_all_round_stays_and_the_outside_counts_as_selected() -> None:
    mask = np.ones((6, 8), np.float32)
    mask[:, 7] = 0.9
    left = narrow(mask, 2)
    assert (left[:, :5] == 1).all()
    assert (left[:, 5:] == 0).all()


def test_a_reach_beyond_the_picture_is_as_good_as_one_to_its_edge() -> None:
    assert (widen(DOT, 8000) == 1).all()


@pytest.mark.parametrize(
    ("softness", "profile"),
    [("box", [1, 1, 1, 1, 1]), ("linear", [1, 1, 2, 1, 1])],
)
def test_a_softened_line_shows_the_kernel(softness: Softness, profile: list[float]) -> None:
    line = np.zeros((9, 9), np.float32)
    line[:, 4] = 1
    expected = np.array(profile) / sum(profile)
    np.testing.assert_allclose(soften(line, 5, softness)[4, 2:7], expected, atol=1e-6)


def test_a_gaussian_sums_to_one_and_even_sizes_grow() -> None:
    spot = np.zeros((21, 21), np.float32)
    spot[10, 10] = 1
    soft = soften(spot, 6, "gaussian")
    np.testing.assert_allclose(soft, soften(spot, 7, "gaussian"))
    assert soft.sum() == pytest.approx(1, abs=1e-5)
    assert soft[10, 14] == 0 < soft[10, 13]


def test_a_size_below_three_softens_nothing() -> None:
    assert soften(DOT, 2, "box") is not None
    np.testing.assert_allclose(soften(DOT, 1, "box"), DOT)


@pytest.mark.parametrize("filling", ["telea", "navier-stokes"])
def test_a_hole_takes_the_colour_around_it(filling: Filling) -> None:
    image = np.full((16, 16, 3), 0.6, np.float32)
    image[5:9, 5:9] = (1, 0, 0)
    mask = np.zeros((16, 16), np.float32)
    mask[5:9, 5:9] = 1
    filled = fill_hole(image, mask, filling, 0)
    np.testing.assert_allclose(filled, 0.6, atol=0.01)


def test_neutral_is_grey_where_selected_and_leaves_the_rest() -> None:
    image = RANDOM.random((8, 8, 3), np.float32)
    mask = np.zeros((8, 8), np.float32)
    mask[:4] = 1
    mask[4] = 0.5
    filled = fill_hole(image, mask, "neutral", 0)
    np.testing.assert_allclose(filled[:4], 0.5)
    np.testing.assert_allclose(filled[4:], image[4:], atol=1e-6)


def test_a_falloff_fades_in_from_the_edge() -> None:
    image, mask = np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), np.float32)
    mask[16:48, 16:48] = 1
    row = fill_hole(image, mask, "neutral", 5)[32, :, 0]
    assert row[15] == 0
    assert 0 < row[21] < row[23] <= row[32] == pytest.approx(0.5)


def test_blurring_stays_within_the_selection() -> None:
    image = RANDOM.random((32, 32, 3), np.float32)
    mask = np.zeros((32, 32), np.float32)
    mask[8:24, 8:24] = 1
    blurred = fill_blurred(image, mask, 9, 0)
    np.testing.assert_allclose(blurred[mask == 0], image[mask == 0])
    assert blurred[12:20, 12:20].std() < image[12:20, 12:20].std() / 2


def test_colours_take_the_others_mean_and_spread() -> None:
    target = RANDOM.random((24, 24, 3), np.float32) * 0.3 + 0.1
    reference = RANDOM.random((30, 20, 3), np.float32) * 0.2 + 0.5
    matched = match_colours(target, reference)
    for statistic in (np.mean, np.std):
        found, wanted = (
            statistic(cv2.cvtColor(each, cv2.COLOR_RGB2LAB), (0, 1)) for each in (matched, reference)
        )
        np.testing.assert_allclose(found, wanted, atol=0.6)  # of 100; what leaves 0..1 is cut off
    np.testing.assert_allclose(match_colours(reference, reference), reference, atol=3e-3)


def test_what_is_excluded_has_no_say_in_colours() -> None:
    target = RANDOM.random((16, 16, 3), np.float32) * 0.2 + 0.4
    spoilt = target.copy()
    spoilt[:8] = (1, 0, 0)
    excluded = np.zeros((16, 16), np.float32)
    excluded[:8] = 1
    reference = RANDOM.random((16, 16, 3), np.float32) * 0.2 + 0.6
    clean = match_colours(target[8:], reference[8:])
    np.testing.assert_allclose(match_colours(spoilt, reference, excluded)[8:], clean, atol=1e-4)
    np.testing.assert_allclose(match_colours(target, reference, np.ones((16, 16), np.float32)), target)
