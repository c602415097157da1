"""Where prompts hold, and how much."""

from typing import Any

import pytest
import torch

from bridge.diffusion import Area, Prompt, Region
from bridge.diffusion.regions import Window, shares, stretch_mask, weight_of, window_of
from bridge.errors import InputError

SHAPE = (2, 4, 16, 24)
EMBEDS = torch.zeros(1, 77, 16)


def limited(**limits: Any) -> Prompt:
    return Prompt(EMBEDS, **limits)


def mask(*rows: slice, height: int = 16, width: int = 24) -> torch.Tensor:
    selected = torch.zeros(1, height, width)
    selected[:, rows[0], rows[1]] = 1.0
    return selected


def test_a_prompt_without_limits_sees_everything() -> None:
    assert window_of(limited(), SHAPE, 8) is None
    assert weight_of(limited(strength=0.7), None, SHAPE) == 0.7


@pytest.mark.parametrize(("factor", "expected"), [(8, Window(2, 1, 8, 10)), (4, Window(4, 2, 12, 20))])
def test_an_area_is_in_pixels_and_cut_at_the_picture(factor: int, expected: Window) -> None:
    assert window_of(limited(area=Area(64, 80, 16, 8)), SHAPE, factor) == expected


def test_an_area_in_fractions_is_at_least_one_latent() -> None:
    assert window_of(limited(area=Area(0.5, 0.25, 0.5, 0.0, is_fraction=True)), SHAPE, 8) == Window(
        8, 0, 8, 6
    )
    assert window_of(limited(area=Area(0.0, 0.0, 0.0, 0.0, is_fraction=True)), SHAPE, 8) == Window(0, 0, 1, 1)


@pytest.mark.parametrize("area", [Area(64, 64, 128, 0), Area(1.0, 1.0, 0.0, 1.0, is_fraction=True)])
def test_an_area_outside_the_picture_is_refused(area: Area) -> None:
    with pytest.raises(InputError, match="outside the picture of 192×128"):
        window_of(limited(area=area), SHAPE, 8)


def test_borders_inside_the_picture_fade() -> None:
    weight = weight_of(limited(strength=2.0), Window(0, 8, 16, 16), SHAPE)
    assert isinstance(weight, torch.Tensor)
    assert weight.shape == (1, 1, 16, 16)
    # Only the left border lies inside: a quarter of 16 latents rises, and no other does.
    torch.testing.assert_close(weight[0, 0, 0], 2.0 * torch.tensor([0.25, 0.5, 0.75, 1.0] + [1.0] * 12))
    assert torch.equal(weight[0, 0, 0], weight[0, 0, 15])


def test_the_fade_is_at_most_eight_latents() -> None:
    weight = weight_of(limited(), Window(0, 0, 4, 64), (1, 4, 4, 100))
    assert isinstance(weight, torch.Tensor)
    torch.testing.assert_close(weight[0, 0, 0, -8:], torch.arange(8, 0, -1) / 8)
    assert bool((weight[0, 0, 0, :-8] == 1).all())


def test_a_mask_multiplies_both_strengths_without_a_fade() -> None:
    prompt = limited(
        region=Region(mask(slice(0, 8), slice(None)), 0.5), strength=3.0, area=Area(64, 64, 0, 0)
    )
    window = window_of(prompt, SHAPE, 8)
    weight = weight_of(prompt, window, SHAPE)
    assert isinstance(weight, torch.Tensor)
    assert weight.shape[2:] == (8, 8)
    assert bool((weight == 1.5).all())


def test_a_mask_of_another_size_is_stretched() -> None:
    half = mask(slice(0, 2), slice(None), height=4, width=4)
    stretched = stretch_mask(half, 16, 24)
    assert stretched.shape == (1, 16, 24)
    assert bool((stretched[:, :6] == 1).all())
    assert bool((stretched[:, 10:] == 0).all())


def test_mask_bounds_hold_all_that_is_selected() -> None:
    selected = mask(slice(2, 14), slice(20, 22))
    assert window_of(limited(region=Region(selected, is_cropped=True)), SHAPE, 8) == Window(2, 20, 12, 4)
    both = torch.cat((mask(slice(0, 1), slice(0, 1)), mask(slice(15, 16), slice(23, 24))))
    assert window_of(limited(region=Region(both, is_cropped=True)), SHAPE, 8) == Window(0, 0, 16, 24)


def test_mask_bounds_of_an_empty_mask_are_small_and_weigh_nothing() -> None:
    prompt = limited(region=Region(torch.zeros(1, 16, 24), is_cropped=True))
    window = window_of(prompt, SHAPE, 8)
    assert window == Window(0, 0, 8, 8)
    weight = weight_of(prompt, window, SHAPE)
    assert isinstance(weight, torch.Tensor)
    assert not bool(weight.any())


def test_masks_go_with_the_pictures_of_a_batch() -> None:
    two = torch.cat((torch.zeros(1, 16, 24), torch.ones(1, 16, 24)))
    weight = weight_of(limited(region=Region(two)), None, (4, 4, 16, 24))
    assert isinstance(weight, torch.Tensor)
    assert weight[:, 0, 0, 0].tolist() == [0, 1, 0, 1]


def test_masks_that_do_not_divide_the_batch_are_refused() -> None:
    with pytest.raises(InputError, match="2 masks, but the batch has 3 pictures"):
        weight_of(limited(region=Region(torch.ones(2, 16, 24))), None, (3, 4, 16, 24))


def test_shares_of_numbers_add_up_to_one() -> None:
    assert shares([1.0, 3.0], [None, None], SHAPE) == [0.25, 0.75]
    assert shares([0.0], [None], SHAPE) == [0.0]


def test_shares_add_up_to_one_wherever_a_prompt_counts() -> None:
    window = Window(4, 4, 8, 8)
    weights = [0.5 * mask(slice(0, 8), slice(None))[:, None], torch.rand(1, 1, 8, 8) + 0.1]
    everywhere, inside = shares(weights, [None, window], SHAPE)
    assert isinstance(everywhere, torch.Tensor)
    total = everywhere.clone()
    window.cut(total).add_(inside)
    counts = mask(slice(0, 8), slice(None))[0].bool()
    counts[4:12, 4:12] = True
    torch.testing.assert_close(total, counts.float().expand(2, 1, -1, -1))
