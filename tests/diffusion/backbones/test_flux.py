"""Flux's transformer, asked as diffusers' pipelines ask it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch import Tensor

from bridge.diffusion import DiffusionModel, Prompt, choose_placement
from bridge.diffusion.backbones import Outset, backbone_of
from bridge.diffusion.backbones.patches import to_latents, to_tokens
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Family
from tests.diffusion.tiny_transformers import SCALING, SHIFT, tiny_vae

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

TOLERANCE = 1e-5
GUIDANCE = 30.0
Make = Callable[..., DiffusionModel]


@pytest.fixture
def make_flux(seeded: Callable[..., Any], make_model: Make) -> Make:
    def make(in_channels: int = 64, *, is_guided: bool = True) -> DiffusionModel:
        module = seeded(
            FluxTransformer2DModel(
                in_channels=in_channels, out_channels=64, num_layers=1, num_single_layers=1,
                attention_head_dim=16, num_attention_heads=2, joint_attention_dim=12, pooled_projection_dim=8,
                guidance_embeds=is_guided, axes_dims_rope=(4, 6, 6),
            )
        )  # fmt: skip
        return replace(make_model(module, Family.FLUX), scaling_factor=SCALING, shift_factor=SHIFT)

    return make


@pytest.fixture
def prompt(noise: Callable[..., Tensor]) -> Prompt:
    return Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2), guidance=GUIDANCE)


@pytest.fixture
def vae() -> Any:
    return tiny_vae()


def theirs(
    kind: Any, model: DiffusionModel, prompt: Prompt, noisy: Tensor, vae: Any = None, **inputs: Any
) -> Tensor:
    """Run a pipeline of diffusers'."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    pipeline = kind(scheduler, vae, None, None, None, None, model.unet.module())
    pipeline.set_progress_bar_config(disable=True)
    count, _, height, width = noisy.shape
    tokens = pipeline(
        prompt_embeds=prompt.prompt_embeds.expand(count, -1, -1),
        pooled_prompt_embeds=prompt.pooled_prompt_embeds.expand(count, -1),  # type: ignore[union-attr]
        latents=to_tokens(noisy, 2), height=8 * height, width=8 * width, sigmas=[1.0, 0.7, 0.4],
        guidance_scale=GUIDANCE, output_type="latent", **inputs,
    ).images  # fmt: skip
    return to_latents(tokens, height // 2, 2)


@pytest.mark.parametrize("is_guided", [True, False], ids=["dev", "schnell"])
async def test_a_run_is_the_pipelines(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any, is_guided: bool
) -> None:
    model, noisy = make_flux(is_guided=is_guided), noise(2, 16, 4, 6, seed=3)
    expected = theirs(FluxPipeline, model, prompt, noisy)
    assert error(await run(model, noisy, [prompt]), expected) < TOLERANCE
    other = await run(model, noisy, [replace(prompt, guidance=1.0)])
    assert (error(other, expected) > 1e-3) is is_guided


async def test_guidance_can_be_left_unsaid(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    """What is left is a network that was never told of it."""
    guided, plain, noisy = make_flux(), make_flux(is_guided=False), noise(1, 16, 4, 4, seed=4)
    plain.unet.module().load_state_dict(
        {name: guided.unet.module().state_dict()[name] for name in plain.unet.module().state_dict()}
    )
    silent = replace(prompt, guidance=None)
    assert error(await run(guided, noisy, [silent]), await run(plain, noisy, [silent])) < TOLERANCE
    assert error(await run(guided, noisy, [prompt]), await run(plain, noisy, [prompt])) > 1e-3


async def test_negative_prompts_count_by_true_guidance(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    model, noisy = make_flux(), noise(1, 16, 4, 4, seed=4)
    negative = replace(
        prompt, prompt_embeds=noise(1, 5, 12, seed=8), pooled_prompt_embeds=noise(1, 8, seed=9)
    )
    expected = theirs(
        FluxPipeline, model, prompt, noisy, true_cfg_scale=3.0,
        negative_prompt_embeds=negative.prompt_embeds,
        negative_pooled_prompt_embeds=negative.pooled_prompt_embeds,
    )  # fmt: skip
    assert error(await run(model, noisy, [prompt], [negative], 3.0), expected) < TOLERANCE


async def test_odd_latents_go_round_at_the_edge(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    model, noisy = make_flux(), noise(1, 16, 3, 5, seed=4)
    whole = torch.cat((noisy, noisy[..., :1]), dim=3)
    whole = torch.cat((whole, whole[:, :, :1]), dim=2)
    velocity = (whole - await run(model, whole, [prompt], sigmas=(0.7, 0.0))) / 0.7
    ours = await run(model, noisy, [prompt], sigmas=(0.7, 0.0))
    assert error(ours, noisy - 0.7 * velocity[..., :3, :5]) < TOLERANCE


async def test_fill_sees_picture_and_mask(
    make_flux: Make, vae: Any, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    model, noisy = make_flux(384), noise(2, 16, 4, 6, seed=3)
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., 3:17, 21:40] = 1.0
    expected = theirs(FluxFillPipeline, model, prompt, noisy, vae, image=picture, mask_image=mask)
    shown = replace(
        prompt,
        concat_latents=vae.encode((2 * picture - 1) * (1 - mask)).latent_dist.mode(),
        concat_mask=mask,
    )
    assert error(await run(model, noisy, [shown]), expected) < TOLERANCE
    other = replace(shown, concat_mask=1 - mask)
    assert error(await run(model, noisy, [other]), expected) > 1e-3


async def test_depth_sees_a_picture(
    make_flux: Make, vae: Any, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    model, noisy = make_flux(128), noise(2, 16, 4, 6, seed=3)
    depth = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(5)) * 2 - 1
    expected = theirs(FluxControlPipeline, model, prompt, noisy, vae, control_image=depth)
    shown = replace(prompt, concat_latents=vae.encode(depth).latent_dist.mode())
    assert error(await run(model, noisy, [shown]), expected) < TOLERANCE


async def test_a_reference_is_kontexts(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    model, noisy, reference = make_flux(), noise(1, 16, 4, 6, seed=3), noise(1, 16, 8, 2, seed=4)
    expected = theirs(
        FluxKontextPipeline, model, prompt, noisy, image=(reference - SHIFT) * SCALING, max_area=32 * 48,
        _auto_resize=False,
    )  # fmt: skip
    shown = replace(prompt, references=(reference,))
    assert error(await run(model, noisy, [shown]), expected) < TOLERANCE
    assert error(await run(model, noisy, [prompt]), expected) > 1e-3


async def test_references_share_one_canvas(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    """The halves of one, given one after the other, are laid out as the whole."""
    model, noisy, tall = make_flux(), noise(1, 16, 4, 4, seed=3), noise(1, 16, 8, 4, seed=4)
    whole = await run(model, noisy, [replace(prompt, references=(tall,))])
    halves = await run(model, noisy, [replace(prompt, references=tuple(tall.chunk(2, dim=2)))])
    swapped = await run(model, noisy, [replace(prompt, references=tuple(tall.chunk(2, dim=2))[::-1])])
    assert error(halves, whole) < TOLERANCE
    assert error(swapped, whole) > 1e-4


@pytest.mark.parametrize(
    ("layout", "first", "second"),
    [
        ("canvas", (1, 0, 0), (1, 0, 1)),
        ("stack", (1, 0, 0), (2, 0, 0)),
        ("diagonal", (0, 2, 3), (0, 4, 4)),
    ],
)
def test_references_are_laid_out_as_asked(
    make_flux: Make, prompt: Prompt, noise: Any, layout: Any, first: Any, second: Any
) -> None:
    """In patches; the picture made is 3 × 5 latents, the references 4 × 2."""
    references = noise(1, 16, 4, 2, seed=4), noise(1, 16, 4, 2, seed=5)
    shown = replace(prompt, references=references, reference_layout=layout)
    backbone = backbone_of(Family.FLUX)
    extras = backbone.extras(shown, make_flux(), Outset((1, 16, 3, 5)), is_negative=False)
    places = [tuple(each) for each in extras["reference_places"][0].int().tolist()]
    assert (places[0], places[2]) == (first, second)
    assert len(places) == extras["reference_tokens"].shape[1] == 4


async def test_prompts_with_other_references_run_apart(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any
) -> None:
    """As many tokens at other places."""
    model, noisy, tall = make_flux(), noise(1, 16, 4, 4, seed=3), noise(1, 16, 8, 2, seed=4)
    first, second = (replace(prompt, references=(each,)) for each in (tall, tall.mT))
    alone = [await run(model, noisy, [each], sigmas=(0.5, 0.0)) for each in (first, second)]
    both = await run(model, noisy, [first], [second], 3.0, sigmas=(0.5, 0.0))
    assert error(both, 3 * alone[0] - 2 * alone[1]) < TOLERANCE


async def test_what_it_cannot_see_is_refused(make_flux: Make, prompt: Prompt, noise: Any, run: Any) -> None:
    noisy = noise(1, 16, 4, 4, seed=0)
    with pytest.raises(UnsupportedModel, match="picture to edit"):
        await run(make_flux(), noisy, [replace(prompt, concat_latents=noisy)])
    with pytest.raises(UnsupportedModel, match="ReferenceLatent"):
        await run(make_flux(128), noisy, [replace(prompt, references=(noisy,))])


async def test_a_prompt_of_sd3_is_refused(make_flux: Make, prompt: Prompt, noise: Any, run: Any) -> None:
    with pytest.raises(ModelError, match="has one of width 20, not 8"):
        await run(
            make_flux(),
            noise(1, 16, 4, 4, seed=0),
            [replace(prompt, pooled_prompt_embeds=torch.zeros(1, 20))],
        )


async def test_half_precision_comes_close(
    make_flux: Make, prompt: Prompt, noise: Any, run: Any, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a noise level and a guidance that bfloat16 rounds to 752 of a thousand steps and 3504."""
    noisy, shown = noise(1, 16, 4, 6, seed=3), replace(prompt, references=(noise(1, 16, 2, 2, seed=4),))
    exact = await run(make_flux(), noisy, [shown], sigmas=(0.7537, 0.0))
    half = choose_placement("cpu", "bfloat16")
    monkeypatch.setattr("bridge.diffusion.residency.placement", lambda: half)
    model = make_flux()
    model.unet.module().to(torch.bfloat16)
    assert error(await run(model, noisy, [shown], sigmas=(0.7537, 0.0)), exact) < 0.02
