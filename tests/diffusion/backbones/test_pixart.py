"""PixArt's transformer, asked as diffusers' pipelines ask it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
)
from torch import Tensor
from torch.nn.functional import pad

from bridge.diffusion import DiffusionModel, MicroConditioning, Prompt
from bridge.diffusion.sigmas import VarianceSchedule
from bridge.errors import UnsupportedModel
from bridge.models import Family

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

TOLERANCE = 1e-5
GUIDANCE, STEPS, TOKENS = 4.5, 4, 9
PIPELINES = {Family.PIXART_ALPHA: PixArtAlphaPipeline, Family.PIXART_SIGMA: PixArtSigmaPipeline}
Make = Callable[..., DiffusionModel]


@pytest.fixture
def make_pixart(seeded: Callable[..., Any], make_model: Make) -> Make:
    def make(family: Family) -> DiffusionModel:
        module = seeded(
            PixArtTransformer2DModel(
                sample_size=128, num_layers=2, attention_head_dim=12, num_attention_heads=4,
                cross_attention_dim=48, caption_channels=16,
                use_additional_conditions=family is Family.PIXART_ALPHA,
            )
        )  # fmt: skip
        betas = torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64)
        return replace(make_model(module, family), schedule=VarianceSchedule.of_betas(betas))

    return make


@pytest.fixture
def prompts(noise: Callable[..., Tensor]) -> list[Prompt]:
    """A positive and a shorter negative one."""
    return [Prompt(noise(1, count, 16, seed=count)) for count in (7, 3)]


def theirs(model: DiffusionModel, prompts: list[Prompt], latents: Tensor) -> tuple[Tensor, list[float]]:
    """Run diffusers' pipeline on prompts that are padded and masked; return its noise levels, too."""
    scheduler = EulerDiscreteScheduler(
        beta_start=0.0001, beta_end=0.02, beta_schedule="linear", timestep_spacing="trailing", steps_offset=1
    )
    pipeline = PIPELINES[model.family](None, None, None, model.unet.module(), scheduler)
    pipeline.set_progress_bar_config(disable=True)
    count, _, height, width = latents.shape
    embeds: list[Tensor] = []
    masks: list[Tensor] = []
    for prompt in prompts:
        length = prompt.prompt_embeds.shape[1]
        embeds.append(pad(prompt.prompt_embeds, (0, 0, 0, TOKENS - length), value=2.0).expand(count, -1, -1))
        masks.append((torch.arange(TOKENS) < length).float().expand(count, -1))
    images = pipeline(
        prompt_embeds=embeds[0], prompt_attention_mask=masks[0], negative_prompt_embeds=embeds[1],
        negative_prompt_attention_mask=masks[1], negative_prompt=None, latents=latents, height=8 * height,
        width=8 * width, num_inference_steps=STEPS, guidance_scale=GUIDANCE, use_resolution_binning=False,
        output_type="latent",
    ).images  # fmt: skip
    return images, scheduler.sigmas.tolist()


@pytest.mark.parametrize("family", PIPELINES, ids=lambda family: family.name)
async def test_a_run_is_the_pipelines(
    family: Family, make_pixart: Make, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    model, latents = make_pixart(family), noise(2, 4, 8, 6, seed=3)
    expected, sigmas = theirs(model, prompts, latents)
    positive, negative = prompts
    ours = await run(model, latents * sigmas[0], [positive], [negative], GUIDANCE, sigmas=sigmas)
    assert error(ours, expected) < TOLERANCE


async def test_prompts_of_any_length_run_as_one(
    make_pixart: Make, prompts: list[Prompt], noise: Any, run: Any
) -> None:
    model, batches = make_pixart(Family.PIXART_SIGMA), []
    model.unet.module().register_forward_pre_hook(lambda module, given: batches.append(len(given[0])))
    await run(model, noise(2, 4, 4, 4, seed=3), prompts[:1], prompts[1:], GUIDANCE, sigmas=(3.0, 0.0))
    assert batches == [4]


async def test_alpha_is_told_the_size_that_the_prompt_says(
    make_pixart: Make, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    model, latents = make_pixart(Family.PIXART_ALPHA), noise(1, 4, 8, 6, seed=3)
    plain = await run(model, latents, prompts[:1], sigmas=(3.0, 0.0))
    for micro, is_other in ((MicroConditioning(48, 64), False), (MicroConditioning(512, 512), True)):
        told = await run(model, latents, [replace(prompts[0], micro=micro)], sigmas=(3.0, 0.0))
        assert (error(told, plain) > 1e-3) is is_other


async def test_odd_latents_go_round_at_the_edge(
    make_pixart: Make, prompts: list[Prompt], noise: Any, run: Any, error: Any
) -> None:
    model, latents = make_pixart(Family.PIXART_SIGMA), noise(1, 4, 5, 8, seed=3)
    whole = torch.cat((latents, latents[:, :, :1]), dim=2)
    expected = await run(model, whole, prompts[:1], sigmas=(3.0, 0.0))
    ours = await run(model, latents, prompts[:1], sigmas=(3.0, 0.0))
    assert error(ours, expected[:, :, :5]) < TOLERANCE


async def test_what_it_cannot_see_is_refused(
    make_pixart: Make, prompts: list[Prompt], noise: Any, run: Any
) -> None:
    latents = noise(1, 4, 4, 4, seed=0)
    for shown in ({"references": (latents,)}, {"concat_latents": latents}):
        with pytest.raises(UnsupportedModel, match="cannot see"):
            await run(make_pixart(Family.PIXART_SIGMA), latents, [replace(prompts[0], **shown)])
