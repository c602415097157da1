"""Guidance between two and three prompts, against the formulas."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import DiffusionModel, DualGuidance, Prompt, PromptGuidance, denoiser
from bridge.diffusion.look import Look, looking

AsNode = Callable[[Any], Any]
FIRST, SECOND, NEGATIVE = (
    (Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(seed))),) for seed in (1, 2, 3)
)
CLEAN = torch.zeros(1, 4, 8, 8)
NOISY = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def look(model: DiffusionModel, as_node: AsNode) -> Callable[[Any], Any]:
    async def look(guidance: Any) -> tuple[Tensor, Tensor, Tensor]:
        denoise = guidance.denoiser(CLEAN, None)
        both = await as_node(denoise.with_negative(NOISY, 3.0))
        return await as_node(denoise(NOISY, 3.0)), *both

    return look


@pytest.fixture
async def alone(model: DiffusionModel, look: Callable[[Any], Any]) -> list[Tensor]:
    return [(await look(PromptGuidance(model, prompts)))[0] for prompts in (FIRST, SECOND, NEGATIVE)]


async def test_a_prompt_and_a_negative_one(model: DiffusionModel, look: Any, alone: list[Tensor]) -> None:
    first, _, negative = alone
    guided, also, unguided = await look(PromptGuidance(model, FIRST, NEGATIVE, 4.0))
    torch.testing.assert_close(guided, negative + 4 * (first - negative), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(also, guided)
    torch.testing.assert_close(unguided, negative, atol=1e-4, rtol=1e-4)


async def test_without_a_negative_prompt_it_says_nothing(model: DiffusionModel, look: Any) -> None:
    _, _, unguided = await look(PromptGuidance(model, FIRST))
    assert not unguided.any()


async def test_three_prompts_in_a_chain(model: DiffusionModel, look: Any, alone: list[Tensor]) -> None:
    first, second, negative = alone
    guided, also, unguided = await look(DualGuidance(model, FIRST, SECOND, NEGATIVE, 4.0, 2.0))
    expected = negative + 2 * (second - negative) + 4 * (first - second)
    torch.testing.assert_close(guided, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(also, guided)
    torch.testing.assert_close(unguided, negative, atol=1e-4, rtol=1e-4)


async def test_three_prompts_nested(model: DiffusionModel, look: Any, alone: list[Tensor]) -> None:
    first, second, negative = alone
    guided, also, unguided = await look(
        DualGuidance(model, FIRST, SECOND, NEGATIVE, 4.0, 2.0, is_nested=True)
    )
    inner = second + 4 * (first - second)
    torch.testing.assert_close(guided, negative + 2 * (inner - negative), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(also, guided)
    torch.testing.assert_close(unguided, second, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("is_nested", [False, True])
async def test_of_three_prompts_only_the_first_is_positive(
    model: DiffusionModel, as_node: AsNode, is_nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells sides apart, as image prompts do, means the same in each; and each runs once."""
    looks: list[Look] = []

    def seen(look: Look) -> Any:
        looks.append(look)
        return looking(look)

    monkeypatch.setattr(denoiser, "looking", seen)
    guidance = DualGuidance(model, FIRST, SECOND, NEGATIVE, 4.0, 2.0, is_nested=is_nested)
    await as_node(guidance.denoiser(CLEAN, None)(NOISY, 3.0))
    assert sorted(side for look in looks for side in look.is_negative) == [False, True, True]


async def test_rescaling_a_chain_rescales_the_way_from_the_negative(
    model: DiffusionModel, look: Any, alone: list[Tensor]
) -> None:
    first, second, _ = alone
    model = replace(model, guidance_rescale=0.7)
    base, _, _ = await look(PromptGuidance(model, SECOND, NEGATIVE, 2.0))
    guided, _, _ = await look(DualGuidance(model, FIRST, SECOND, NEGATIVE, 4.0, 2.0))
    torch.testing.assert_close(guided, base + 4 * (first - second), atol=1e-3, rtol=1e-3)
