"""Whole runs on a tiny model."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion import (
    Autoencoder,
    DiffusionModel,
    LatentBatch,
    Prompt,
    PromptGuidance,
    SeededNoise,
    Settings,
    add_noise,
    sample,
)
from bridge.diffusion import run as run_levels
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.noise import initial_noise
from bridge.diffusion.samplers import SAMPLERS
from bridge.diffusion.sampling import run_sigmas
from bridge.diffusion.schedulers import make_sigmas
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.engine import Job
from bridge.errors import ExecutionError, InputError, Interrupted
from bridge.models import Family
from bridge.protocol import Preview, Progress

AsNode = Callable[[Any], Any]
SETTINGS = Settings(42, 4, 1.0, "euler", "normal")
PROMPT = (Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(1))),)
OTHER = (Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(2))),)
SCHEDULE = stable_diffusion_schedule()


def empty(batch: int = 1) -> LatentBatch:
    return {"samples": torch.zeros(batch, 4, 8, 8)}


def some(seed: int = 0) -> LatentBatch:
    return {"samples": torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))}


@pytest.fixture
def run(model: DiffusionModel, as_node: AsNode) -> Callable[..., Any]:
    async def run(latents: LatentBatch, settings: Settings = SETTINGS, **changes: Any) -> torch.Tensor:
        result = await as_node(sample(model, PROMPT, OTHER, latents, replace(settings, **changes)))
        samples: torch.Tensor = result["samples"]
        return samples

    return run


@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_every_sampler_runs_and_repeats_itself(sampler: str, run: Callable[..., Any]) -> None:
    first = await run(empty(), sampler=sampler)
    assert first.shape == (1, 4, 8, 8)
    assert first.isfinite().all()
    assert torch.equal(first, await run(empty(), sampler=sampler))
    assert not torch.allclose(first, await run(empty(), sampler=sampler, seed=43))


async def test_latents_are_divided_by_the_scaling_factor(
    model: DiffusionModel, run: Callable[..., Any]
) -> None:
    """One Euler step on a model that predicts its own input as noise gives zero: x − sigma · x / sigma."""
    unet = model.unet.module()
    unet.forward = lambda sample, *_, **__: (sample,)  # type: ignore[method-assign]
    sigma = SCHEDULE.sigma_max
    noisy = initial_noise((1, 4, 8, 8), 42) * (1 + sigma**2) ** 0.5
    expected = (noisy - sigma * noisy / (1 + sigma**2) ** 0.5) / model.scaling_factor
    torch.testing.assert_close(await run(empty(), num_inference_steps=1), expected, atol=1e-4, rtol=1e-4)


async def test_batch_index_gives_each_picture_its_noise(run: Callable[..., Any]) -> None:
    batch = await run({**empty(3), "batch_index": [0, 1, 2]})
    second = await run({**empty(1), "batch_index": [1]})
    torch.testing.assert_close(second[0], batch[1], atol=1e-4, rtol=1e-4)


async def test_nothing_to_do_returns_the_latents(run: Callable[..., Any]) -> None:
    latents = some()
    assert torch.equal(await run(latents, strength=0.0), latents["samples"])
    assert torch.equal(await run(latents, start_at_step=4), latents["samples"])
    assert torch.equal(await run(latents, end_at_step=0), latents["samples"])


async def test_what_else_is_known_about_latents_is_kept(model: DiffusionModel, as_node: AsNode) -> None:
    latents: LatentBatch = {**empty(), "batch_index": [3]}
    result = await as_node(sample(model, PROMPT, OTHER, latents, SETTINGS))
    assert result["batch_index"] == [3]
    assert torch.equal(latents["samples"], torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize(("made_for", "shape"), [(8, (8, 6)), (4, (16, 12)), (16, (4, 3))])
async def test_empty_latents_of_another_factor_keep_their_size_in_pixels(
    model: DiffusionModel, fine_model: DiffusionModel, as_node: AsNode, made_for: int, shape: tuple[int, int]
) -> None:
    """The same as from empty latents of the right size, noise and all."""
    latents: LatentBatch = {"samples": torch.zeros(2, 4, *shape), "downscale_ratio_spacial": made_for}
    for each, expected in ((model, (8, 6)), (fine_model, (16, 12))):
        result = await as_node(sample(each, PROMPT, OTHER, latents, SETTINGS))
        right: LatentBatch = {"samples": torch.zeros(2, 4, *expected)}
        same = await as_node(sample(each, PROMPT, OTHER, right, SETTINGS))
        assert result["samples"].shape == (2, 4, *expected)
        assert torch.equal(result["samples"], same["samples"])
        assert result["downscale_ratio_spacial"] == each.latent_factor
        assert latents["samples"].shape == (2, 4, *shape)


async def test_empty_latents_never_vanish(model: DiffusionModel, as_node: AsNode) -> None:
    latents: LatentBatch = {"samples": torch.zeros(1, 4, 1, 8), "downscale_ratio_spacial": 2}
    result = await as_node(sample(model, PROMPT, OTHER, latents, SETTINGS))
    assert result["samples"].shape == (1, 4, 1, 2)


async def test_empty_latents_are_made_anew_even_if_there_is_nothing_to_do(
    fine_model: DiffusionModel, as_node: AsNode
) -> None:
    latents: LatentBatch = {**empty(), "downscale_ratio_spacial": 8}
    result = await as_node(sample(fine_model, PROMPT, OTHER, latents, replace(SETTINGS, strength=0.0)))
    assert torch.equal(result["samples"], torch.zeros(1, 4, 16, 16))


async def test_latents_that_hold_something_keep_their_shape(
    fine_model: DiffusionModel, as_node: AsNode
) -> None:
    latents: LatentBatch = {**some(), "downscale_ratio_spacial": 8}
    result = await as_node(sample(fine_model, PROMPT, OTHER, latents, replace(SETTINGS, strength=0.0)))
    assert torch.equal(result["samples"], latents["samples"])


async def test_empty_latents_of_an_unknown_factor_keep_their_shape(
    fine_model: DiffusionModel, as_node: AsNode
) -> None:
    result = await as_node(sample(fine_model, PROMPT, OTHER, empty(), SETTINGS))
    assert result["samples"].shape == (1, 4, 8, 8)


@pytest.mark.parametrize("scheduler", ["normal", "karras"])
async def test_two_runs_hand_over_in_the_middle(run: Callable[..., Any], scheduler: str) -> None:
    whole = await run(empty(), scheduler=scheduler)
    first = await run(empty(), scheduler=scheduler, end_at_step=2)
    second = await run({"samples": first}, scheduler=scheduler, start_at_step=2, adds_noise=False)
    torch.testing.assert_close(second, whole, atol=1e-3, rtol=1e-3)


def test_an_early_end_without_leftover_noise_goes_to_zero() -> None:
    settings = replace(SETTINGS, end_at_step=2, keeps_leftover_noise=False)
    sigmas = make_sigmas(SCHEDULE, "normal", 4, 1.0).tolist()
    assert run_sigmas(SCHEDULE, settings) == [*sigmas[:2], 0.0]
    assert run_sigmas(SCHEDULE, replace(settings, keeps_leftover_noise=True)) == sigmas[:3]
    assert run_sigmas(SCHEDULE, replace(settings, end_at_step=10_000)) == sigmas


async def test_a_mask_limits_what_changes(run: Callable[..., Any]) -> None:
    latents = some()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    result = await run({**latents, "noise_mask": mask})
    torch.testing.assert_close(result[..., 5:], latents["samples"][..., 5:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(result[..., :4], latents["samples"][..., :4], atol=0.1)


async def test_progress_after_every_step(run: Callable[..., Any], sent: list[Any]) -> None:
    await run(empty(), sampler="heun")
    assert [(m.node, m.value, m.maximum) for m in sent if isinstance(m, Progress)] == [
        ("3", step, 4) for step in (1, 2, 3, 4)
    ]


async def test_previews_where_wanted(
    model: DiffusionModel, vae: Autoencoder, job: Job, as_node: AsNode, sent: list[Any]
) -> None:
    with_vae = replace(model, vae=vae)
    await as_node(sample(with_vae, PROMPT, OTHER, empty(), SETTINGS))
    assert not [message for message in sent if isinstance(message, Preview)]
    job.wants_preview = True
    await as_node(sample(with_vae, PROMPT, OTHER, empty(), SETTINGS))
    previews = [message for message in sent if isinstance(message, Preview)]
    assert len(previews) == 4
    assert previews[0].planes[0].shape == (8, 8, 3)


async def test_cancelling_stops_the_run(run: Callable[..., Any], job: Job, sent: list[Any]) -> None:
    job.emit = lambda message: (sent.append(message), job.cancel())[0]  # type: ignore[func-returns-value]
    with pytest.raises(Interrupted):
        await run(empty(), num_inference_steps=50)
    assert len(sent) == 1


async def test_a_broken_checkpoint_is_named(model: DiffusionModel, run: Callable[..., Any]) -> None:
    model.unet.module().conv_out.bias.fill_(torch.nan)
    with pytest.raises(ExecutionError, match="tiny UNet") as caught:
        await run(empty())
    assert caught.value.code == "nan_output"
    assert "float32" in caught.value.hint


async def test_latents_are_ordinary_tensors(run: Callable[..., Any]) -> None:
    result = await run(empty())
    assert not result.is_inference()
    assert result.device.type == "cpu"


@pytest.fixture
def custom(model: DiffusionModel, as_node: AsNode) -> Callable[..., Any]:
    async def custom(
        sigmas: list[float], latents: LatentBatch | None = None, sampler: str = "euler", seed: int = 42
    ) -> tuple[torch.Tensor, torch.Tensor]:
        guider = PromptGuidance(model, PROMPT)
        work = run_levels(guider, SAMPLERS[sampler], sigmas, SeededNoise(seed), latents or empty())
        output, denoised = await as_node(work)
        return output["samples"], denoised["samples"]

    return custom


async def test_custom_sampling_gives_what_ksampler_gives(run: Callable[..., Any], custom: Any) -> None:
    sigmas = make_sigmas(SCHEDULE, "normal", 4, 1.0).tolist()
    output, denoised = await custom(sigmas)
    assert torch.equal(output, await run(empty()))
    torch.testing.assert_close(output, denoised, atol=1e-4, rtol=1e-4)


async def test_the_denoised_output_is_what_the_model_last_saw(custom: Any, model: DiffusionModel) -> None:
    output, denoised = await custom([5.0, 2.0])
    noisy = initial_noise((1, 4, 8, 8), 42) * 5.0 / model.scaling_factor
    torch.testing.assert_close(output, noisy + (noisy - denoised) / 5.0 * -3.0, atol=1e-3, rtol=1e-3)


async def test_no_levels_change_nothing_and_one_only_adds_noise(custom: Any, model: DiffusionModel) -> None:
    latents = some()
    output, denoised = await custom([], latents)
    assert torch.equal(output, latents["samples"])
    output, denoised = await custom([5.0], latents)
    noisy = latents["samples"] + initial_noise((1, 4, 8, 8), 42) * 5.0 / model.scaling_factor
    torch.testing.assert_close(output, noisy)
    assert torch.equal(output, denoised)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "er_sde", "deis", "uni_pc"])
async def test_a_repeated_level_changes_nothing(custom: Any, sampler: str) -> None:
    once, _ = await custom([8.0, 2.0, 0.5, 0.0], sampler=sampler)
    twice, _ = await custom([8.0, 8.0, 2.0, 0.5, 0.5, 0.0, 0.0], sampler=sampler)
    assert torch.equal(once, twice)


@pytest.mark.parametrize("sigmas", [[3.0, 0.0, 1.0], [math.nan, 0.0], [math.inf, 1.0], [3.0, -1.0]])
async def test_levels_that_no_sampler_can_follow_are_refused(custom: Any, sigmas: list[float]) -> None:
    with pytest.raises(InputError, match="noise level") as caught:
        await custom(sigmas)
    assert caught.value.code == "out_of_range"


async def test_ddim_draws_noise_of_its_own_for_what_a_mask_protects(run: Callable[..., Any]) -> None:
    latents: LatentBatch = {**some(), "noise_mask": torch.full((1, 1, 64, 64), 0.5)}
    assert torch.equal(await run(some(), sampler="ddim"), await run(some(), sampler="euler"))
    assert not torch.allclose(
        await run(latents, sampler="ddim"), await run(latents, sampler="euler"), atol=0.01
    )


async def test_a_soft_mask_lets_go_pixel_by_pixel(model: DiffusionModel, as_node: AsNode) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 0.5
    latents: LatentBatch = {**some(), "noise_mask": mask}
    soft = await as_node(sample(replace(model, soft_inpainting=1.0), PROMPT, OTHER, latents, SETTINGS))
    hard = await as_node(sample(model, PROMPT, OTHER, latents, SETTINGS))
    assert not torch.allclose(soft["samples"][..., :4], hard["samples"][..., :4], atol=0.1)


async def test_progress_of_an_adaptive_run_ends_at_the_steps_asked_for(
    run: Callable[..., Any], sent: list[Any]
) -> None:
    await run(empty(), sampler="dpm_adaptive", scheduler="karras")
    values = [message.value for message in sent if isinstance(message, Progress)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(4)
    assert {message.maximum for message in sent if isinstance(message, Progress)} == {4}


def test_added_noise_spans_the_levels(model: DiffusionModel) -> None:
    latents = some()
    noise = initial_noise((1, 4, 8, 8), 5) / model.scaling_factor
    for sigmas, span in (([7.0, 2.0, 1.0], 6.0), ([7.0], 7.0), ([], 0.0)):
        noisy = add_noise(model, SeededNoise(5), sigmas, latents)["samples"]
        torch.testing.assert_close(noisy, latents["samples"] + noise * span, atol=1e-4, rtol=1e-4)


@pytest.fixture
def flow(model: DiffusionModel) -> DiffusionModel:
    return replace(model, schedule=flow_schedule(3.0), shift_factor=0.06)


@pytest.mark.parametrize("scheduler", ["normal", "simple"])
async def test_a_flows_run_hands_over_in_the_middle(
    flow: DiffusionModel, as_node: AsNode, scheduler: str
) -> None:
    settings = replace(SETTINGS, scheduler=scheduler)
    whole = await as_node(sample(flow, PROMPT, OTHER, empty(), settings))
    first = await as_node(sample(flow, PROMPT, OTHER, empty(), replace(settings, end_at_step=2)))
    rest = replace(settings, start_at_step=2, adds_noise=False)
    second = await as_node(sample(flow, PROMPT, OTHER, first, rest))
    torch.testing.assert_close(second["samples"], whole["samples"], atol=1e-4, rtol=1e-4)


async def test_a_picture_is_shifted_before_it_is_scaled(flow: DiffusionModel, as_node: AsNode) -> None:
    """With a network that sees no way to go, half of the noise is what comes of half of it."""
    flow.unet.module().forward = lambda sample, *_, **__: (torch.zeros_like(sample),)
    noise = initial_noise((1, 4, 8, 8), 42)
    for latents, clean in ((some(), (some()["samples"] - 0.06) * flow.scaling_factor), (empty(), 0.0)):
        work = run_levels(
            PromptGuidance(flow, PROMPT), SAMPLERS["euler"], [0.5, 0.0], SeededNoise(42), latents
        )
        output, _ = await as_node(work)
        expected = (clean * 0.5 + noise * 0.5) / flow.scaling_factor + 0.06
        torch.testing.assert_close(output["samples"], expected, atol=1e-4, rtol=1e-4)


async def test_what_a_flow_protects_comes_back_clean(flow: DiffusionModel, as_node: AsNode) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    result = await as_node(sample(flow, PROMPT, OTHER, {**some(), "noise_mask": mask}, SETTINGS))
    torch.testing.assert_close(result["samples"][..., 5:], some()["samples"][..., 5:], atol=1e-5, rtol=1e-5)


def test_noise_added_for_a_flow_takes_the_place_of_the_picture(flow: DiffusionModel) -> None:
    noisy = add_noise(flow, SeededNoise(5), [0.9, 0.2], some())["samples"]
    clean = (some()["samples"] - 0.06) * flow.scaling_factor
    mixed = clean * 0.3 + initial_noise((1, 4, 8, 8), 5) * 0.7
    torch.testing.assert_close(noisy, mixed / flow.scaling_factor + 0.06, atol=1e-4, rtol=1e-4)


async def test_empty_latents_of_other_channels_are_made_anew(flow: DiffusionModel, as_node: AsNode) -> None:
    model, nothing = replace(flow, family=Family.SD3), replace(SETTINGS, strength=0.0)
    result = await as_node(sample(model, PROMPT, OTHER, empty(2), nothing))
    assert torch.equal(result["samples"], torch.zeros(2, 16, 8, 8))
    result = await as_node(sample(model, PROMPT, OTHER, some(), nothing))
    assert torch.equal(result["samples"], some()["samples"])


async def test_a_flow_goes_up_to_noise_and_back(flow: DiffusionModel, as_node: AsNode) -> None:
    """What lies at the level 1 survives being divided by what is left of the picture there."""
    guider = PromptGuidance(flow, PROMPT)
    flow.unet.module().forward = lambda sample, *_, **__: (torch.ones_like(sample),)
    silent = SeededNoise(is_silent=True)
    noise, _ = await as_node(run_levels(guider, SAMPLERS["euler"], [1e-4, 0.5, 1.0], silent, some()))
    back, _ = await as_node(run_levels(guider, SAMPLERS["euler"], [1.0, 0.5, 0.0], silent, noise))
    torch.testing.assert_close(back["samples"], some()["samples"], atol=1e-2, rtol=1e-2)
