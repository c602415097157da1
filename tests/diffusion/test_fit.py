"""Fitting pictures to latents."""

import pytest
import torch
from torch.nn.functional import interpolate

from bridge.diffusion.fit import fit_picture, repeat_to


def test_a_picture_that_fits_stays_the_same() -> None:
    picture = torch.rand(2, 3, 16, 24)
    assert torch.equal(fit_picture(picture, 16, 24), picture)


def test_pixels_are_repeated_not_mixed() -> None:
    picture = torch.rand(1, 3, 8, 8)
    expected = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(fit_picture(picture, 16, 16), expected)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((16, 48), slice(None), slice(16, 32)), ((48, 16), slice(16, 32), slice(None))],
)
def test_what_sticks_out_is_cropped_on_both_sides(size: tuple[int, int], rows: slice, columns: slice) -> None:
    picture = torch.rand(1, 3, *size)
    expected = interpolate(picture[:, :, rows, columns], size=(32, 32), mode="nearest-exact")
    assert torch.equal(fit_picture(picture, 32, 32), expected)


def test_batches_go_round() -> None:
    values = torch.arange(3)[:, None]
    assert repeat_to(values, 5).flatten().tolist() == [0, 1, 2, 0, 1]
    assert repeat_to(values, 2).flatten().tolist() == [0, 1]
    assert repeat_to(values, 3) is values
