"""Mixing prompts, and limiting them."""

from dataclasses import replace

import pytest
import torch

from bridge.diffusion import (
    Area,
    Prompt,
    Region,
    average,
    concatenate,
    limit_to_area,
    limit_to_region,
    zero_out,
)
from bridge.engine import Job, running
from bridge.errors import ModelError, Problem


def prompt(seed: int, tokens: int = 77, width: int = 16, pooled: int = 8) -> Prompt:
    generator = torch.Generator().manual_seed(seed)
    return Prompt(
        torch.randn(1, tokens, width, generator=generator),
        torch.randn(1, pooled, generator=generator) if pooled else None,
    )


ONE, TWO, LONG = prompt(1), prompt(2), prompt(3, tokens=154)


def test_tokens_are_appended_to_each_prompt() -> None:
    first, second = concatenate((ONE, LONG), (TWO,))
    assert torch.equal(first.prompt_embeds, torch.cat((ONE.prompt_embeds, TWO.prompt_embeds), 1))
    assert second.prompt_embeds.shape[1] == 231
    assert first.pooled_prompt_embeds is ONE.pooled_prompt_embeds


def test_an_average_is_weighted() -> None:
    [mixed] = average((ONE,), (TWO,), 0.3)
    torch.testing.assert_close(mixed.prompt_embeds, 0.3 * ONE.prompt_embeds + 0.7 * TWO.prompt_embeds)
    assert mixed.pooled_prompt_embeds is not None
    torch.testing.assert_close(
        mixed.pooled_prompt_embeds, 0.3 * ONE.pooled_prompt_embeds + 0.7 * TWO.pooled_prompt_embeds
    )


def test_an_average_has_the_prompts_own_length() -> None:
    [long], [short] = average((LONG,), (ONE,), 0.5), average((ONE,), (LONG,), 0.5)
    torch.testing.assert_close(long.prompt_embeds[:, 77:], 0.5 * LONG.prompt_embeds[:, 77:])
    torch.testing.assert_close(long.prompt_embeds[:, :77], short.prompt_embeds)


def test_a_missing_pooled_embedding_comes_from_the_other() -> None:
    bare = prompt(1, pooled=0)
    [mixed], [still_bare] = average((bare,), (TWO,), 0.3), average((bare,), (bare,), 0.3)
    assert mixed.pooled_prompt_embeds is not None
    torch.testing.assert_close(mixed.pooled_prompt_embeds, TWO.pooled_prompt_embeds)
    assert still_bare.pooled_prompt_embeds is None
    [kept] = average((ONE,), (bare,), 0.3)
    assert kept.pooled_prompt_embeds is ONE.pooled_prompt_embeds


def test_only_the_first_is_mixed_in_and_that_is_told(job: Job) -> None:
    told: list[Problem] = []
    with running(job, "3", told):
        [mixed] = average((ONE,), (TWO, ONE), 0.0)
    torch.testing.assert_close(mixed.prompt_embeds, TWO.prompt_embeds)
    assert [each.message for each in told] == ["of 2 prompts to mix in, only the first is taken"]


def test_prompts_of_unlike_checkpoints_do_not_mix() -> None:
    other = prompt(4, width=32)
    with pytest.raises(ModelError, match="16 and 32 channels") as caught:
        concatenate((ONE,), (other,))
    assert caught.value.code == "model_mismatch"
    with pytest.raises(ModelError):
        average((ONE,), (other,), 0.5)


def test_zeroing_keeps_shapes_and_limits() -> None:
    [zeroed], [bare] = zero_out((replace(LONG, strength=0.4),)), zero_out((prompt(1, pooled=0),))
    assert torch.equal(zeroed.prompt_embeds, torch.zeros(1, 154, 16))
    assert torch.equal(zeroed.pooled_prompt_embeds, torch.zeros(1, 8))
    assert zeroed.strength == 0.4
    assert bare.pooled_prompt_embeds is None


def test_an_area_overrides_the_bounds_of_a_mask_but_keeps_the_mask() -> None:
    masked = limit_to_region((ONE,), Region(torch.ones(1, 8, 8), 0.5, is_cropped=True))
    [both] = limit_to_area(masked, Area(64, 64, 0, 0), 0.9)
    assert both.region is not None
    assert (both.region.is_cropped, both.region.strength, both.strength) == (False, 0.5, 0.9)


def test_an_empty_mask_is_told(job: Job) -> None:
    told: list[Problem] = []
    with running(job, "3", told):
        limit_to_region((ONE,), Region(torch.zeros(1, 8, 8)))
    assert [(each.code, each.input_name) for each in told] == [("empty_mask", "mask")]
