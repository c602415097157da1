"""Rules of guidance in their places; ComfyUI's numbers are in tests/parity, topic ``guidance``."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import (
    DiffusionModel,
    DualGuidance,
    Network,
    PerturbedAttentionGuidance,
    ProjectedGuidance,
    Prompt,
    PromptGuidance,
    TangentialDamping,
    add_self_attention_guidance,
    with_rule,
)
from bridge.diffusion.guidance import GuidanceRule, Predictions, follow
from bridge.diffusion.networks import empty_unet
from bridge.errors import InputError, UnsupportedModel
from tests.diffusion.conftest import UNET, with_weights

POSITIVE, NEGATIVE = (
    (Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(seed))),) for seed in (1, 2)
)
CLEAN = torch.zeros(1, 4, 8, 8)
NOISY = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3


def predictions(scale: float = 3.0, *, has_negative: bool = True, sigma: float = 2.0) -> Predictions:
    generator = torch.Generator().manual_seed(5)
    latents, positive, negative = (torch.randn(2, 4, 4, 4, generator=generator) for _ in range(3))
    if not has_negative:
        negative = torch.zeros_like(positive)

    def ask(*_: Any) -> Tensor:
        raise AssertionError("nobody was to be asked")

    return Predictions(latents, sigma, positive, negative, scale, has_negative, ask, {})


@dataclass(frozen=True)
class Rule(GuidanceRule):
    """Adds to the positive prediction before, or to the result after; or stands for the result."""

    early: float = 0.0
    late: float = 0.0
    instead: float | None = None

    def before(self, seen: Predictions) -> Predictions:
        return replace(seen, positive=seen.positive + self.early)

    def together(self, seen: Predictions) -> Tensor | None:
        return None if self.instead is None else torch.full_like(seen.positive, self.instead)

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        return guided * 2 + self.late


def test_what_comes_before_is_guided_and_what_comes_after_is_not() -> None:
    seen = predictions()
    guided, negative = follow([Rule(late=1.0), Rule(early=0.5)], seen)
    straight = seen.negative + 3 * (seen.positive + 0.5 - seen.negative)
    torch.testing.assert_close(guided, (straight * 2 + 1) * 2)
    torch.testing.assert_close(negative, seen.negative)


def test_the_last_to_put_together_does_so() -> None:
    guided, _ = follow([Rule(instead=1.0), Rule(instead=5.0), Rule()], predictions())
    assert guided.unique().tolist() == [40.0]


@pytest.mark.parametrize("rule", [ProjectedGuidance(0.5, 1.0), TangentialDamping()])
def test_without_a_negative_prompt_there_is_nothing_to_change(rule: GuidanceRule) -> None:
    seen = predictions(1.0, has_negative=False)
    guided, _ = follow([rule], seen)
    torch.testing.assert_close(guided, seen.positive)


def test_a_projection_that_keeps_all_is_plain_guidance() -> None:
    seen = predictions()
    (guided, _), (plain, _) = follow([ProjectedGuidance(1.0, 0.0)], seen), follow([], seen)
    torch.testing.assert_close(guided, plain + seen.positive - seen.negative)


def test_momentum_begins_anew_where_noise_rises() -> None:
    rule, seen = ProjectedGuidance(1.0, 0.0, momentum=0.5), predictions()
    first, second, again = (follow([rule], replace(seen, sigma=sigma))[0] for sigma in (2.0, 1.0, 1.5))
    assert not torch.allclose(first, second)
    torch.testing.assert_close(again, first)


def test_without_guidance_there_is_nothing_to_project() -> None:
    seen = predictions(0.0)
    torch.testing.assert_close(follow([ProjectedGuidance(0.5, 1.0)], seen)[0], seen.negative)


async def test_a_step_that_is_tried_again_counts_once(
    model: DiffusionModel, as_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_rule(model, ProjectedGuidance(1.0, 0.0, momentum=0.5))

    async def run() -> Tensor:
        denoise = PromptGuidance(model, POSITIVE, NEGATIVE, 4.0).denoiser(CLEAN, None)
        await as_node(denoise(NOISY, 3.0))
        result: Tensor = await as_node(denoise(NOISY, 2.0))
        return result

    expected = await run()
    failures = iter([True])

    @dataclass(frozen=True)
    class Full(GuidanceRule):
        def after(self, guided: Tensor, seen: Predictions) -> Tensor:
            if next(failures, False):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return guided

    model = with_rule(model, Full())
    torch.testing.assert_close(await run(), expected, atol=1e-3, rtol=1e-3)


async def test_a_rule_asks_the_same_prompts_of_a_changed_network(model: DiffusionModel, as_node: Any) -> None:
    async def seen(model: DiffusionModel) -> Tensor:
        denoise = PromptGuidance(model, POSITIVE, NEGATIVE, 4.0).denoiser(CLEAN, None)
        result: Tensor = await as_node(denoise(NOISY, 3.0))
        return result

    plain = await seen(model)
    once, twice = [await seen(with_rule(model, PerturbedAttentionGuidance(scale))) for scale in (1.0, 2.0)]
    torch.testing.assert_close(twice - plain, 2 * (once - plain), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(once, plain, atol=1e-3)
    torch.testing.assert_close(await seen(model), plain)


async def test_a_blur_of_nothing_changes_nothing(model: DiffusionModel, as_node: Any) -> None:
    guidance = PromptGuidance(model, POSITIVE, NEGATIVE, 4.0)
    blurless = replace(guidance, model=add_self_attention_guidance(model, 1.0, 0.0))
    plain, same = [await as_node(each.denoiser(CLEAN, None)(NOISY, 3.0)) for each in (guidance, blurless)]
    torch.testing.assert_close(same, plain, atol=1e-3, rtol=1e-3)


def test_guidance_between_three_prompts_takes_no_rules(model: DiffusionModel) -> None:
    dual = DualGuidance(with_rule(model, TangentialDamping()), POSITIVE, NEGATIVE, NEGATIVE, 4.0, 2.0)
    with pytest.raises(InputError, match="Dual CFG Guider"):
        dual.denoiser(CLEAN, None)


async def test_a_unet_without_attention_in_its_middle_is_refused(model: DiffusionModel, as_node: Any) -> None:
    config = {**UNET, "mid_block_type": "UNetMidBlock2D"}
    plain = replace(model, unet=Network("tiny SSD", lambda placement: with_weights(empty_unet(config))))
    guidance = PromptGuidance(with_rule(plain, PerturbedAttentionGuidance(1.0)), POSITIVE)
    with pytest.raises(UnsupportedModel, match="no attention in its middle"):
        await as_node(guidance.denoiser(CLEAN, None)(NOISY, 3.0))


async def test_without_a_negative_prompt_nothing_is_blurred(model: DiffusionModel, as_node: Any) -> None:
    blurring = add_self_attention_guidance(model, 1.0, 2.0)
    await as_node(PromptGuidance(blurring, POSITIVE, NEGATIVE, 4.0).denoiser(CLEAN, None)(NOISY, 3.0))
    plain, same = [
        await as_node(PromptGuidance(each, POSITIVE).denoiser(CLEAN, None)(NOISY, 3.0))
        for each in (model, blurring)
    ]
    torch.testing.assert_close(same, plain, atol=1e-3, rtol=1e-3)
