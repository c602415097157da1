"""SD3's transformer, asked as diffusers' pipeline asks it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from torch import Tensor

from bridge.diffusion import DiffusionModel, PicturePrompt, Prompt
from bridge.errors import InputError, ModelError, UnsupportedModel
from bridge.models import Family

TOLERANCE = 1e-5
GUIDANCE = 5.0


@pytest.fixture(scope="module")
def transformer(seeded: Callable[..., Any]) -> Any:
    return seeded(
        SD3Transformer2DModel(
            sample_size=8, num_layers=2, attention_head_dim=8, num_attention_heads=4, joint_attention_dim=16,
            caption_projection_dim=32, pooled_projection_dim=12, pos_embed_max_size=8, qk_norm="rms_norm",
            dual_attention_layers=(0,),
        )
    )  # fmt: skip


@pytest.fixture
def sd3(transformer: Any, make_model: Callable[..., DiffusionModel]) -> DiffusionModel:
    return make_model(transformer, Family.SD3)


@pytest.fixture
def prompts(noise: Callable[..., Tensor]) -> list[Prompt]:
    return [Prompt(noise(1, 7, 16, seed=seed), noise(1, 12, seed=seed + 5)) for seed in (1, 2)]


async def test_a_run_is_the_pipelines(
    transformer: Any, sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    noisy = noise(2, 16, 8, 6, seed=3)
    positive, negative = prompts
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    pipeline = StableDiffusion3Pipeline(transformer, scheduler, *[None] * 7)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=positive.prompt_embeds.expand(2, -1, -1),
        pooled_prompt_embeds=positive.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        negative_prompt_embeds=negative.prompt_embeds.expand(2, -1, -1),
        negative_pooled_prompt_embeds=negative.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        latents=noisy, height=64, width=48, sigmas=[1.0, 0.7, 0.4], guidance_scale=GUIDANCE,
        output_type="latent",
    ).images  # fmt: skip
    ours = await run(sd3, noisy, [positive], [negative], GUIDANCE)
    assert error(ours, theirs) < TOLERANCE


async def test_odd_latents_go_round_at_the_edge(
    transformer: Any, sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    noisy = noise(1, 16, 5, 7, seed=4)
    whole = torch.cat((noisy, noisy[..., :1]), dim=3)
    whole = torch.cat((whole, whole[:, :, :1]), dim=2)
    velocity = transformer(
        whole, prompts[0].prompt_embeds, prompts[0].pooled_prompt_embeds, torch.tensor([700.0])
    ).sample[..., :5, :7]
    ours = await run(sd3, noisy, prompts[:1], sigmas=(0.7, 0.0))
    assert error(ours, noisy - 0.7 * velocity) < TOLERANCE


async def test_prompts_of_other_lengths_run_apart(
    transformer: Any, sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    """In joint attention repeated tokens would count more."""
    noisy, positive = noise(1, 16, 4, 4, seed=6), prompts[0]
    short = replace(prompts[1], prompt_embeds=prompts[1].prompt_embeds[:, :3])
    velocities = [
        transformer(noisy, each.prompt_embeds, each.pooled_prompt_embeds, torch.tensor([500.0])).sample
        for each in (positive, short)
    ]
    ours = await run(sd3, noisy, [positive], [short], 3.0, sigmas=(0.5, 0.0))
    assert error(ours, noisy - 0.5 * (3 * velocities[0] - 2 * velocities[1])) < TOLERANCE


@pytest.mark.parametrize("pooled", [None, torch.zeros(1, 6)])
async def test_a_pooled_embedding_of_another_family_is_refused(
    sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any, pooled: Tensor | None
) -> None:
    with pytest.raises(ModelError, match="needs the pooled embedding") as caught:
        await run(sd3, noise(1, 16, 4, 4, seed=0), [replace(prompts[0], pooled_prompt_embeds=pooled)])
    assert caught.value.code == "model_mismatch"


async def test_pictures_larger_than_its_positions_are_refused(
    sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any
) -> None:
    with pytest.raises(InputError, match="up to 128×128, not 144×32") as caught:
        await run(sd3, noise(1, 16, 4, 18, seed=0), prompts[:1])
    assert caught.value.code == "image_too_large"


async def test_what_it_cannot_see_is_refused(
    sd3: DiffusionModel, prompts: list[Prompt], noise: Any, run: Any
) -> None:
    noisy = noise(1, 16, 4, 4, seed=0)
    for shown in ({"references": (noisy,)}, {"pictures": (PicturePrompt(torch.zeros(1, 12)),)},
                  {"concat_latents": noisy}):  # fmt: skip
        with pytest.raises(UnsupportedModel, match="cannot see"):
            await run(sd3, noisy, [replace(prompts[0], **shown)])
