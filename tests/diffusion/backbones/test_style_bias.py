"""The bias with which the tokens of pictures are looked at: which weighs them, and Flux that runs with it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from torch import Tensor

from bridge.diffusion import DiffusionModel, Prompt
from bridge.diffusion.backbones.style_bias import joint_bias, style_bias
from bridge.diffusion.types import StyleTokens
from bridge.errors import UnsupportedModel
from bridge.models import Family

Make = Callable[..., DiffusionModel]


@pytest.fixture
def make_flux(seeded: Callable[..., Any], make_model: Make) -> Make:
    def make(single_layers: int) -> DiffusionModel:
        module = seeded(
            FluxTransformer2DModel(
                in_channels=64, num_layers=1, num_single_layers=single_layers, attention_head_dim=16,
                num_attention_heads=2, joint_attention_dim=12, pooled_projection_dim=8,
                axes_dims_rope=(4, 6, 6),
            )
        )  # fmt: skip
        return make_model(module, Family.FLUX)

    return make


@pytest.fixture
def flux(make_flux: Make) -> DiffusionModel:
    return make_flux(1)


@pytest.fixture
def words(noise: Callable[..., Tensor]) -> Prompt:
    return Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2), guidance=None)


def shown(words: Prompt, tokens: Tensor, attention: float) -> Prompt:
    """Put tokens of a picture behind those of a prompt."""
    embeds, count = words.prompt_embeds, words.prompt_embeds.shape[1]
    mine = StyleTokens(range(count, count + tokens.shape[1]), attention)
    return replace(
        words,
        prompt_embeds=torch.cat((embeds, tokens), dim=1),
        style_tokens=(*words.style_tokens, mine),
    )


def test_tokens_before_and_the_picture_look_with_the_weight(words: Prompt, noise: Any) -> None:
    both = shown(shown(words, noise(1, 2, 12, seed=3), 0.5), noise(1, 1, 12, seed=4), 4.0)
    bias = style_bias(both)
    assert bias is not None
    expected = torch.ones(9, 8)
    expected[:5, 5:7] = expected[8, 5:7] = 0.5
    expected[:7, 7] = expected[8, 7] = 4.0
    torch.testing.assert_close(bias[0].exp(), expected)


def test_the_picture_looks_alike_from_all_its_places() -> None:
    bias = torch.arange(6.0).view(1, 3, 2)
    expected = [[0, 1, 0, 0, 0], [2, 3, 0, 0, 0], *([[4, 5, 0, 0, 0]] * 3)]
    assert joint_bias(bias, 3)[0, 0].tolist() == expected


def test_tokens_of_full_weight_need_no_bias(words: Prompt, noise: Any) -> None:
    assert style_bias(shown(words, noise(1, 2, 12, seed=3), 1.0)) is None


async def test_without_attention_a_picture_is_not_seen(
    flux: DiffusionModel, words: Prompt, noise: Any, run: Any, error: Any
) -> None:
    noisy, tokens = noise(2, 16, 4, 6, seed=5), noise(1, 3, 12, seed=3)
    alone = await run(flux, noisy, [words])
    assert error(await run(flux, noisy, [shown(words, tokens, 0.0)]), alone) < 1e-5
    assert error(await run(flux, noisy, [shown(words, tokens, 0.2)]), alone) > 1e-3


async def test_twice_the_attention_is_the_tokens_twice(
    make_flux: Make, words: Prompt, noise: Any, run: Any, error: Any
) -> None:
    """In one layer, before what they make of themselves counts; a reference looks at them, too."""
    flux = make_flux(0)
    noisy, tokens = noise(1, 16, 4, 6, seed=5), noise(1, 3, 12, seed=3)
    words = replace(words, references=(noise(1, 16, 2, 2, seed=6),))
    twice = shown(words, torch.cat((tokens, tokens), dim=1), 1.0)
    weighed = await run(flux, noisy, [shown(words, tokens, 2.0)])
    assert error(weighed, await run(flux, noisy, [twice])) < 1e-5
    assert error(weighed, await run(flux, noisy, [shown(words, tokens, 1.0)])) > 1e-4


async def test_weighed_prompts_run_beside_others(
    flux: DiffusionModel, words: Prompt, noise: Any, run: Any, error: Any
) -> None:
    """Of as many tokens, with a bias and without."""
    noisy, tokens = noise(1, 16, 4, 4, seed=5), noise(1, 3, 12, seed=3)
    sides = [shown(words, tokens, weight) for weight in (0.3, 2.0, 1.0)]
    first, second, third = [await run(flux, noisy, [side], sigmas=(0.5, 0.0)) for side in sides]
    both = await run(flux, noisy, sides[:1], sides[1:2], 3.0, sigmas=(0.5, 0.0))
    assert error(both, 3 * first - 2 * second) < 1e-5
    apart = await run(flux, noisy, sides[:1], sides[2:], 3.0, sigmas=(0.5, 0.0))
    assert error(apart, 3 * first - 2 * third) < 1e-5


async def test_another_family_cannot_see_them(
    seeded: Callable[..., Any], make_model: Make, words: Prompt, noise: Any, run: Any
) -> None:
    """Whose prompts may be as wide."""
    module = seeded(
        SD3Transformer2DModel(
            num_layers=1, num_attention_heads=2, attention_head_dim=16, joint_attention_dim=12,
            caption_projection_dim=32, pooled_projection_dim=8,
        )
    )  # fmt: skip
    prompt = shown(words, noise(1, 3, 12, seed=3), 1.0)
    with pytest.raises(UnsupportedModel, match=r"Redux\), which .* \(Stable Diffusion 3\) cannot see"):
        await run(make_model(module, Family.SD3), noise(1, 16, 4, 4, seed=5), [prompt])
