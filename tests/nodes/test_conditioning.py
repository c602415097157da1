"""Nodes that mix prompts, and limit where and when they hold."""

import torch

from bridge.diffusion import Area, Prompt
from bridge.nodes.conditioning import (
    conditioning_average,
    conditioning_combine,
    conditioning_concat,
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_area_strength,
    conditioning_set_mask,
    conditioning_set_timestep_range,
    conditioning_zero_out,
)

ONE, TWO = (Prompt(torch.ones(1, 77, 4)),), (Prompt(torch.zeros(1, 77, 4)),)


def test_combined_prompts_stay_apart() -> None:
    assert conditioning_combine(ONE, TWO) == (*ONE, *TWO)


def test_mixed_prompts_become_one() -> None:
    [mixed] = conditioning_average(ONE, TWO, 0.25)
    [longer] = conditioning_concat(ONE, TWO)
    [zeroed] = conditioning_zero_out(ONE)
    assert bool((mixed.prompt_embeds == 0.25).all())
    assert longer.prompt_embeds.shape == (1, 154, 4)
    assert not bool(zeroed.prompt_embeds.any())


def test_areas_are_in_pixels_or_fractions() -> None:
    [pixels] = conditioning_set_area(ONE, width=64, height=128, x=8, y=16, strength=0.5)
    assert (pixels.area, pixels.strength) == (Area(128, 64, 16, 8), 0.5)
    [fractions] = conditioning_set_area_percentage(ONE, width=0.1, height=0.2, x=0.3, y=0.4, strength=2.0)
    assert (fractions.area, fractions.strength) == (Area(0.2, 0.1, 0.4, 0.3, is_fraction=True), 2.0)
    [weaker] = conditioning_set_area_strength((pixels,), 0.25)
    assert (weaker.area, weaker.strength) == (pixels.area, 0.25)


def test_a_mask_may_bound_what_is_seen() -> None:
    mask = torch.ones(1, 8, 8)
    for choice, is_cropped in (("default", False), ("mask bounds", True)):
        [prompt] = conditioning_set_mask(ONE, mask, 0.5, set_cond_area=choice)  # type: ignore[arg-type]
        assert prompt.region is not None
        assert prompt.region.mask is mask
        assert (prompt.region.strength, prompt.region.is_cropped) == (0.5, is_cropped)
        assert prompt.strength == 1.0


def test_a_prompt_may_hold_for_a_while() -> None:
    [prompt] = conditioning_set_timestep_range(ONE, 0.2, 0.7)
    assert (prompt.start, prompt.end) == (0.2, 0.7)
