"""The denoiser: guidance, regions, times, batches, turns, ControlNets, special UNets, memory."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import (
    Area,
    Control,
    ControlNetwork,
    DiffusionModel,
    Network,
    Prompt,
    Region,
    add_control,
)
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.networks import empty_unet
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.engine import Folders, Job, Turns, running
from bridge.errors import InputError, Interrupted, ModelError, OutOfMemory
from bridge.models import Family

SHAPE = (2, 4, 8, 8)
SIGMA = 3.0
NOISY = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * SIGMA
AsNode = Callable[[Any], Any]
Make = Callable[..., ControlNetwork]


def prompt(seed: int, chunks: int = 1) -> Prompt:
    return Prompt(torch.randn(1, 77 * chunks, 16, generator=torch.Generator().manual_seed(seed)))


POSITIVE, NEGATIVE = prompt(1), prompt(2)


class Calls:
    """Counts the forward passes of a model, and the prompts of each."""

    def __init__(self, unet: Network[Any]) -> None:
        self.batches: list[int] = []
        unet.module().register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: Any, positional: tuple[Tensor, ...], named: Any) -> None:
        self.batches.append(len(positional[0]))


async def denoised(
    model: DiffusionModel, positive: Any, negative: Any, guidance_scale: float, as_node: AsNode
) -> Tensor:
    denoiser = Denoiser(model, positive, negative, guidance_scale, SHAPE)
    result: Tensor = await as_node(denoiser(NOISY, SIGMA))
    return result


def expected(model: DiffusionModel, prompt: Prompt) -> Tensor:
    """The denoising equation, written out."""
    scaled = NOISY / (1 + SIGMA**2) ** 0.5
    timestep = torch.full((2,), model.schedule.timestep(SIGMA))
    embeds = prompt.prompt_embeds.expand(2, -1, -1)
    epsilon = model.unet.module()(scaled, timestep, encoder_hidden_states=embeds).sample
    return NOISY - SIGMA * epsilon


async def test_without_guidance_only_the_positive_prompt_runs(model: DiffusionModel, as_node: AsNode) -> None:
    calls = Calls(model.unet)
    result = await denoised(model, (POSITIVE,), (NEGATIVE,), 1.0, as_node)
    assert calls.batches == [2]
    torch.testing.assert_close(result, expected(model, POSITIVE), atol=1e-4, rtol=1e-4)


async def test_guidance_runs_both_prompts_in_one_pass(model: DiffusionModel, as_node: AsNode) -> None:
    calls = Calls(model.unet)
    result = await denoised(model, (POSITIVE,), (NEGATIVE,), 7.5, as_node)
    assert calls.batches == [4]
    positive, negative = expected(model, POSITIVE), expected(model, NEGATIVE)
    torch.testing.assert_close(result, negative + 7.5 * (positive - negative), atol=1e-3, rtol=1e-3)


async def test_guidance_of_zero_runs_only_the_negative(model: DiffusionModel, as_node: AsNode) -> None:
    calls = Calls(model.unet)
    result = await denoised(model, (POSITIVE,), (NEGATIVE,), 0.0, as_node)
    assert calls.batches == [2]
    torch.testing.assert_close(result, expected(model, NEGATIVE), atol=1e-4, rtol=1e-4)


async def test_several_prompts_are_averaged(model: DiffusionModel, as_node: AsNode) -> None:
    result = await denoised(model, (POSITIVE, NEGATIVE), (), 1.0, as_node)
    mean = (expected(model, POSITIVE) + expected(model, NEGATIVE)) / 2
    torch.testing.assert_close(result, mean, atol=1e-4, rtol=1e-4)


async def test_prompts_of_unlike_length_share_a_pass(model: DiffusionModel, as_node: AsNode) -> None:
    calls = Calls(model.unet)
    long = prompt(3, chunks=2)
    result = await denoised(model, (long,), (NEGATIVE,), 2.0, as_node)
    assert calls.batches == [4]
    positive, negative = expected(model, long), expected(model, NEGATIVE)
    torch.testing.assert_close(result, 2 * positive - negative, atol=1e-3, rtol=1e-3)


async def test_v_prediction(model: DiffusionModel, unet: Network[Any], as_node: AsNode) -> None:
    v_model = DiffusionModel(unet, stable_diffusion_schedule("v_prediction"), 1.0, 8)
    result = await denoised(v_model, (POSITIVE,), (), 1.0, as_node)
    output = (NOISY - expected(model, POSITIVE)) / SIGMA
    root = (1 + SIGMA**2) ** 0.5
    torch.testing.assert_close(result, NOISY / root**2 - output * SIGMA / root, atol=1e-4, rtol=1e-4)


async def test_a_controlnet_changes_the_result(
    model: DiffusionModel, make_controlnet: Make, as_node: AsNode
) -> None:
    image = torch.rand(1, 64, 64, 3)
    plain = await denoised(model, (POSITIVE,), (), 1.0, as_node)
    results = {
        scale: await denoised(
            model, add_control((POSITIVE,), Control(make_controlnet(), image, scale)), (), 1.0, as_node
        )
        for scale in (0.0, 0.5, 1.0)
    }
    assert torch.equal(results[0.0], plain)
    assert not torch.allclose(results[1.0], plain, atol=1e-2)
    assert not torch.allclose(results[1.0], results[0.5], atol=1e-2)


async def test_a_controlnet_rests_outside_its_range(
    model: DiffusionModel, make_controlnet: Make, as_node: AsNode
) -> None:
    image = torch.rand(1, 64, 64, 3)
    plain = await denoised(model, (POSITIVE,), (), 1.0, as_node)
    fraction = 1 - model.schedule.timestep(SIGMA) / 999
    for start, end, rests in ((0.0, fraction - 0.05, True), (fraction - 0.05, 1.0, False)):
        control = Control(make_controlnet(), image, 1.0, start, end)
        result = await denoised(model, add_control((POSITIVE,), control), (), 1.0, as_node)
        assert torch.equal(result, plain) is rests


async def test_prompts_with_other_controls_run_apart(
    model: DiffusionModel, make_controlnet: Make, as_node: AsNode
) -> None:
    calls = Calls(model.unet)
    controlled = add_control((POSITIVE,), Control(make_controlnet(), torch.rand(1, 64, 64, 3)))
    await denoised(model, controlled, (NEGATIVE,), 2.0, as_node)
    assert calls.batches == [2, 2]


async def test_covered_negative_prompts_run_together(
    model: DiffusionModel, make_controlnet: Make, as_node: AsNode
) -> None:
    calls = Calls(model.unet)
    control = Control(make_controlnet(), torch.rand(1, 64, 64, 3), covers_negative=True)
    await denoised(model, add_control((POSITIVE,), control), (NEGATIVE,), 2.0, as_node)
    assert calls.batches == [4]


async def test_full_memory_runs_prompts_one_by_one(model: DiffusionModel, as_node: AsNode) -> None:
    whole = await denoised(model, (POSITIVE,), (NEGATIVE,), 3.0, as_node)
    unet = model.unet.module()

    def too_much(module: Any, positional: tuple[Tensor, ...], named: Any) -> None:
        if len(positional[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    unet.register_forward_pre_hook(too_much, with_kwargs=True)
    split = await denoised(model, (POSITIVE,), (NEGATIVE,), 3.0, as_node)
    torch.testing.assert_close(split, whole, atol=1e-4, rtol=1e-4)


async def test_idle_networks_go_before_prompts_run_apart(model: DiffusionModel, as_node: AsNode) -> None:
    idle = Network("idle", lambda placement: torch.nn.Linear(4, 4))
    idle.module()
    calls = Calls(model.unet)

    def too_much(module: Any, positional: tuple[Tensor, ...], named: Any) -> None:
        if idle.is_loaded:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.unet.module().register_forward_pre_hook(too_much, with_kwargs=True)
    await denoised(model, (POSITIVE,), (NEGATIVE,), 3.0, as_node)
    assert calls.batches == [4, 4]
    assert not idle.is_loaded


async def test_memory_too_small_for_one_prompt_is_said(model: DiffusionModel, as_node: AsNode) -> None:
    def too_much(module: Any, positional: tuple[Tensor, ...], named: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model.unet.module().register_forward_pre_hook(too_much, with_kwargs=True)
    with pytest.raises(OutOfMemory, match="denoising"):
        await denoised(model, (POSITIVE,), (NEGATIVE,), 3.0, as_node)


async def test_cancelling_takes_effect_within_one_call(
    model: DiffusionModel, as_node: AsNode, job: Job
) -> None:
    denoiser = Denoiser(model, (POSITIVE,), (), 1.0, SHAPE)
    calls = Calls(model.unet)

    async def forever() -> None:
        while True:
            await denoiser(NOISY, SIGMA)
            if len(calls.batches) == 3:
                job.cancel()

    with pytest.raises(Interrupted):
        await as_node(forever())
    assert len(calls.batches) == 3


async def test_two_jobs_take_turns(model: DiffusionModel, job: Job) -> None:
    turns = Turns()
    order: list[str] = []

    async def work(name: str) -> None:
        folders: Folders = job.folders
        denoiser = Denoiser(model, (POSITIVE,), (), 1.0, SHAPE)
        async with running(Job(name, folders, turns=turns), "3"):
            for _ in range(4):
                await denoiser(NOISY, SIGMA)
                order.append(name)

    await asyncio.gather(work("a"), work("b"))
    assert sorted(order[:4]) == ["a", "a", "b", "b"]


def test_prompts_of_another_checkpoint_are_refused(model: DiffusionModel) -> None:
    with pytest.raises(ModelError, match=r"\(SDXL\) than tiny UNet \(Stable Diffusion 1\.x\)") as caught:
        Denoiser(model, (Prompt(torch.zeros(1, 77, 2048)),), (), 1.0, SHAPE)
    assert caught.value.code == "model_mismatch"


def test_latents_of_another_family_are_refused(model: DiffusionModel) -> None:
    with pytest.raises(InputError, match="16 channels"):
        Denoiser(model, (POSITIVE,), (), 1.0, (1, 16, 8, 8))


async def test_the_negative_alone_comes_beside_the_guided(model: DiffusionModel, as_node: AsNode) -> None:
    positive, negative = expected(model, POSITIVE), expected(model, NEGATIVE)
    for guidance_scale in (1.0, 3.0):
        denoiser = Denoiser(model, (POSITIVE,), (NEGATIVE,), guidance_scale, SHAPE)
        guided, alone = await as_node(denoiser.with_negative(NOISY, SIGMA))
        torch.testing.assert_close(alone, negative, atol=1e-4, rtol=1e-4)
        mixed = negative + guidance_scale * (positive - negative)
        torch.testing.assert_close(guided, mixed, atol=1e-3, rtol=1e-3)


async def test_without_negative_prompts_theirs_is_zero(model: DiffusionModel, as_node: AsNode) -> None:
    guided, alone = await as_node(Denoiser(model, (POSITIVE,), (), 1.0, SHAPE).with_negative(NOISY, SIGMA))
    torch.testing.assert_close(guided, expected(model, POSITIVE), atol=1e-4, rtol=1e-4)
    assert not bool(alone.any())


async def test_rescaling_gives_v_the_deviation_of_the_prompts_own(
    model: DiffusionModel, as_node: AsNode
) -> None:
    rescaled = replace(model, guidance_rescale=1.0)
    result = await denoised(rescaled, (POSITIVE,), (NEGATIVE,), 7.5, as_node)
    origin = NOISY / (1 + SIGMA**2)
    deviations = [(origin - each).std((1, 2, 3)) for each in (result, expected(model, POSITIVE))]
    torch.testing.assert_close(deviations[0], deviations[1], atol=1e-4, rtol=1e-4)
    plain = await denoised(model, (POSITIVE,), (NEGATIVE,), 7.5, as_node)
    half = await denoised(replace(model, guidance_rescale=0.5), (POSITIVE,), (NEGATIVE,), 7.5, as_node)
    torch.testing.assert_close(half, (plain + result) / 2, atol=1e-4, rtol=1e-4)


async def test_strengths_weigh_prompts(model: DiffusionModel, as_node: AsNode) -> None:
    weak = replace(NEGATIVE, strength=0.25)
    result = await denoised(model, (POSITIVE, weak), (), 1.0, as_node)
    mean = 0.8 * expected(model, POSITIVE) + 0.2 * expected(model, NEGATIVE)
    torch.testing.assert_close(result, mean, atol=1e-4, rtol=1e-4)


async def test_a_masked_prompt_holds_where_its_mask_is(model: DiffusionModel, as_node: AsNode) -> None:
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1.0
    inside, outside = (replace(p, region=Region(m)) for p, m in ((POSITIVE, left), (NEGATIVE, 1 - left)))
    result = await denoised(model, (inside, outside), (), 1.0, as_node)
    split = expected(model, POSITIVE) * left + expected(model, NEGATIVE) * (1 - left)
    torch.testing.assert_close(result, split, atol=1e-4, rtol=1e-4)


async def test_where_no_prompt_holds_the_latents_are_zero(model: DiffusionModel, as_node: AsNode) -> None:
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1.0
    result = await denoised(model, (replace(POSITIVE, region=Region(left)),), (), 1.0, as_node)
    assert not bool(result[..., 4:].any())
    empty = replace(POSITIVE, region=Region(torch.zeros(1, 8, 8), is_cropped=True))
    assert not bool((await denoised(model, (empty,), (), 1.0, as_node)).any())


async def test_an_area_sees_and_changes_its_window_only(model: DiffusionModel, as_node: AsNode) -> None:
    area = replace(POSITIVE, area=Area(64, 32, 0, 32))  # 8 × 4 latents, one of which fades
    result = await denoised(model, (area,), (), 1.0, as_node)
    assert not bool(result[..., :4].any())
    seen = NOISY[..., 4:]
    timestep = torch.full((2,), model.schedule.timestep(SIGMA))
    epsilon = model.unet.module()(
        seen / (1 + SIGMA**2) ** 0.5, timestep, POSITIVE.prompt_embeds.expand(2, -1, -1)
    ).sample
    torch.testing.assert_close(result[..., 4:], seen - SIGMA * epsilon, atol=1e-4, rtol=1e-4)


async def test_prompts_come_and_go_with_time(model: DiffusionModel, as_node: AsNode) -> None:
    now = 1 - model.schedule.timestep(SIGMA) / 999
    calls = Calls(model.unet)
    early, late = replace(POSITIVE, end=now - 0.05), replace(NEGATIVE, start=now - 0.05)
    result = await denoised(model, (early, late), (), 1.0, as_node)
    assert calls.batches == [2]
    torch.testing.assert_close(result, expected(model, NEGATIVE), atol=1e-4, rtol=1e-4)


async def test_an_inpainting_unet_sees_mask_and_picture(model: DiffusionModel, as_node: AsNode) -> None:
    special = special_model(model, in_channels=9)
    picture, mask = torch.randn(1, 4, 8, 8), torch.ones(1, 1, 8, 8)
    shown = replace(POSITIVE, concat_latents=picture, concat_mask=mask)
    result = await denoised(special, (shown,), (), 1.0, as_node)
    sample = torch.cat(
        (
            NOISY / (1 + SIGMA**2) ** 0.5,
            mask.expand(2, -1, -1, -1),
            special.scaling_factor * picture.expand(2, -1, -1, -1),
        ),
        1,
    )
    timestep = torch.full((2,), model.schedule.timestep(SIGMA))
    epsilon = special.unet.module()(sample, timestep, POSITIVE.prompt_embeds.expand(2, -1, -1)).sample
    torch.testing.assert_close(result, NOISY - SIGMA * epsilon, atol=1e-4, rtol=1e-4)


async def test_sdxl_is_told_pooled_embeddings_and_sizes(model: DiffusionModel, as_node: AsNode) -> None:
    sdxl = replace(
        special_model(
            model,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 + 6 * 8,
        ),
        family=Family.SDXL,
    )
    first, second = (replace(p, pooled_prompt_embeds=torch.randn(1, 6)) for p in (POSITIVE, NEGATIVE))
    result = await denoised(sdxl, (first,), (second,), 2.0, as_node)
    timestep = torch.full((2,), model.schedule.timestep(SIGMA))
    looks = [
        NOISY
        - SIGMA
        * sdxl.unet.module()(
            NOISY / (1 + SIGMA**2) ** 0.5,
            timestep,
            prompt.prompt_embeds.expand(2, -1, -1),
            added_cond_kwargs={
                "text_embeds": prompt.pooled_prompt_embeds.expand(2, -1),
                "time_ids": torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]).expand(2, -1),
            },
        ).sample
        for prompt in (first, second)
    ]
    torch.testing.assert_close(result, 2 * looks[0] - looks[1], atol=1e-3, rtol=1e-3)


def special_model(model: DiffusionModel, **config: Any) -> DiffusionModel:
    """The same model with another kind of UNet."""
    changed = {**dict(model.unet.module().config), **config}
    network = Network("special UNet", lambda placement: fill(empty_unet(changed)))
    return replace(model, unet=network)


def fill(module: Any) -> Any:
    generator = torch.Generator().manual_seed(5)
    module = module.to_empty(device="cpu")
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.data = spread * torch.randn(parameter.shape, generator=generator)
    return module
