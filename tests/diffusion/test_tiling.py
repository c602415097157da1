"""Covering with tiles and putting them together."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.diffusion.tiling import Blend, spans, tiles


@given(st.integers(1, 400), st.integers(2, 64), st.data())
def test_spans_cover_everything_and_overlap_enough(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    found = spans(length, tile, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(stop - start == min(tile, length) for start, stop in found)
    for (_, stop), (start, _) in pairwise(found):
        assert stop - start >= overlap
    needed = 1 if length <= tile else -(-(length - overlap) // (tile - overlap))
    assert len(found) == needed


@given(st.integers(1, 90), st.integers(1, 90), st.integers(4, 40))
def test_blending_tiles_of_a_picture_gives_the_picture(height: int, width: int, tile: int) -> None:
    picture = torch.randn(1, 2, height, width)
    overlap = tile // 4
    blend = Blend((1, 2, height, width), overlap)
    for rows, columns in tiles(height, width, tile, overlap):
        blend.add(picture[..., rows, columns], rows, columns)
    torch.testing.assert_close(blend.result, picture)


def test_seams_are_ramps() -> None:
    blend = Blend((1, 1, 1, 12), 4)
    blend.add(torch.zeros(1, 1, 1, 8), slice(0, 1), slice(0, 8))
    blend.add(torch.ones(1, 1, 1, 8), slice(0, 1), slice(4, 12))
    expected = torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    torch.testing.assert_close(blend.result.flatten(), expected)
