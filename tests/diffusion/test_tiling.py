"""Covering with tiles and putting them together."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.diffusion.tiling import Blend, Tiling, three_tilings

STEPS_OF_8 = (slice(0, 8), slice(6, 14), slice(12, 20))
STEPS_OF_16 = (slice(0, 16), slice(14, 20))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(4, 40))
def test_averaging_the_tilings_of_a_picture_gives_the_picture(height: int, width: int, tile: int) -> None:
    picture = torch.randn(1, 2, height, width)
    overlap = tile // 4
    for places in three_tilings(height, width, tile, overlap):
        blend = Blend((1, 2, height, width), overlap)
        for rows, columns in places:
            blend.add(picture[..., rows, columns], rows, columns)
        torch.testing.assert_close(blend.result, picture)


def test_tiles_step_from_the_upper_left_and_the_last_is_smaller() -> None:
    square, low, high = three_tilings(10, 20, 8, 2)
    assert square == [(rows, columns) for rows in (slice(0, 8), slice(6, 10)) for columns in STEPS_OF_8]
    assert low == [(slice(top, top + 4), columns) for top in (0, 2, 4, 6) for columns in STEPS_OF_16]
    assert high == [(slice(0, 10), slice(left, left + 4)) for left in range(0, 18, 2)]


@given(st.integers(64, 4096), st.integers(0, 4096), st.sampled_from([4, 8, 16]))
def test_half_a_tile_is_more_than_the_overlap(side: int, overlap: int, unit: int) -> None:
    tile, shared = Tiling(side, overlap).in_units(unit)
    assert 0 <= shared < tile // 2


def test_seams_are_ramps() -> None:
    blend = Blend((1, 1, 1, 12), 4)
    blend.add(torch.zeros(1, 1, 1, 8), slice(0, 1), slice(0, 8))
    blend.add(torch.ones(1, 1, 1, 8), slice(0, 1), slice(4, 12))
    expected = torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    torch.testing.assert_close(blend.result.flatten(), expected)
