"""Runs: noise from the seed, a sampler along its sigmas, latents at the end."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.diffusion.control_pictures import control_latents
from bridge.diffusion.guiders import Guidance, PromptGuidance
from bridge.diffusion.inpainting import MaskedDenoise, SoftMask, fit_mask
from bridge.diffusion.networks import latent_channels
from bridge.diffusion.noise import NoiseSource, SeededNoise, initial_noise, next_seed
from bridge.diffusion.preview import previewer
from bridge.diffusion.samplers import SAMPLERS, Denoise, SolverSampler, Step, Steps
from bridge.diffusion.schedulers import make_sigmas
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.diffusion.types import DiffusionModel, LatentBatch, Prompt
from bridge.engine import current_job
from bridge.errors import ExecutionError, InputError
from bridge.protocol import Plane


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample.

    Args:
        seed: 0..2**64 − 1; names the noise.
        num_inference_steps: At least 1.
        guidance_scale: 1 is off.
        sampler: A key of ``SAMPLERS``.
        scheduler: A key of ``SCHEDULERS``.
        strength: 0..1; below 1 all steps are run, on the tail of a schedule of steps / strength.
        adds_noise: Whether noise is added at the start; not, if a run before left some.
        start_at_step: Steps before it are left out.
        end_at_step: Steps from it on are left out; ``None`` for none.
        keeps_leftover_noise: Whether a run that ends early keeps its noise for the next one.
    """

    seed: int
    num_inference_steps: int
    guidance_scale: float
    sampler: str
    scheduler: str
    strength: float = 1.0
    adds_noise: bool = True
    start_at_step: int = 0
    end_at_step: int | None = None
    keeps_leftover_noise: bool = True


async def sample(
    model: DiffusionModel,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    latents: LatentBatch,
    settings: Settings,
) -> LatentBatch:
    """Denoise latents under positive and negative conditioning, along a scheduler's levels.

    Args:
        model: The checkpoint.
        positive: What the picture should be.
        negative: What it should not be; unused at a guidance scale of 1.
        latents: See ``run``.
        settings: How to sample.

    Returns:
        The batch with new ``samples``.

    Raises:
        BridgeError: See ``run``.
    """
    guider = PromptGuidance(model, positive, negative, settings.guidance_scale)
    sampler = SAMPLERS[settings.sampler]
    sigmas = run_sigmas(model.schedule, settings)
    if len(sigmas) < 2:
        return _fitted(latents, model)
    noise = SeededNoise(settings.seed, is_silent=not settings.adds_noise)
    finished, _ = await run(guider, sampler, sigmas, noise, latents)
    return finished


def run_sigmas(schedule: NoiseSchedule, settings: Settings) -> list[float]:
    """Return the noise levels a run goes through; fewer than two mean that there is nothing to do."""
    sigmas: list[float] = make_sigmas(
        schedule,
        settings.scheduler,
        settings.num_inference_steps,
        settings.strength,
        omits_penultimate=SAMPLERS[settings.sampler].omits_penultimate,
    ).tolist()
    if settings.end_at_step is not None and settings.end_at_step < len(sigmas) - 1:
        sigmas = sigmas[: settings.end_at_step + 1]
        if not settings.keeps_leftover_noise:
            sigmas[-1] = 0.0
    return sigmas[settings.start_at_step :]


async def run(
    guider: Guidance,
    sampler: SolverSampler,
    sigmas: Sequence[float],
    noise: SeededNoise,
    latents: LatentBatch,
) -> tuple[LatentBatch, LatentBatch]:
    """Noise latents to the first of some levels, and follow a sampler along them.

    Reports progress after every step, and a preview if the job wants one.

    Args:
        guider: The model and its prompts.
        sampler: How to go.
        sigmas: Noise levels, all but the last above 0. Without any nothing is done; a single one only
            adds noise. A level that is the one before is left out: a step of length 0 changes nothing.
        noise: What to begin with.
        latents: Where to start: an encoded picture, or zeros, of which there are more or fewer afterwards if
            they were made for another latent factor. A ``noise_mask`` limits what changes.

    Returns:
        The batch at the last level, and the clean latents that the model last saw in it.

    Raises:
        InputError: If a level is 0 before the end, or no number.
        ExecutionError: Code ``nan_output`` if the model returns something that is no number.
        Interrupted: If the job was cancelled.
        OutOfMemory: If the model or the latents do not fit.
    """
    model = guider.model
    latents = _fitted(latents, model)
    levels = _distinct(sigmas)
    if not levels:
        return latents, latents
    show = await previewer(model.vae) if current_job().wants_preview and model.vae else None
    clean = _for_network(latents, model).to(model.unet.placement.device, torch.float32)
    initial = noise.initial(latents).to(clean)
    noisy = model.schedule.add_noise(clean, initial, levels[0])
    last = Step(noisy, noisy)
    if len(levels) > 1:
        mask = latents.get("noise_mask")
        shown = await control_latents(model, guider.prompts, clean.shape)
        denoise = guider.denoiser(clean, mask, noise.seed, shown)
        if mask is not None:
            denoise = _masked(denoise, mask, clean, _protecting(initial, sampler, noise), model, levels)
        source = NoiseSource(noisy, levels, noise.seed)
        solve = sampler.for_schedule(model.schedule)
        last = await _followed(solve(denoise, noisy, levels, source), len(levels) - 1, show, model)
    left = last.latents / model.schedule.signal(levels[-1])
    seen = last.denoised if len(levels) > 1 else left
    return _batch(latents, left, model), _batch(latents, seen, model)


def _distinct(sigmas: Sequence[float]) -> list[float]:
    levels = [sigma for sigma, _ in itertools.groupby(float(sigma) for sigma in sigmas)]
    if 0.0 in levels[:-1] or not all(math.isfinite(sigma) and sigma >= 0 for sigma in levels):
        raise InputError(
            "a noise level before the last one is 0, or one is no number",
            code="out_of_range",
            hint="Samplers go down to 0 once, at the end: check the nodes that make the sigmas.",
        )
    return levels


def _protecting(initial: Tensor, sampler: SolverSampler, noise: SeededNoise) -> Tensor:
    """Return the noise on what a mask protects."""
    if not sampler.redraws_masked:
        return initial
    return initial_noise(initial.shape, next_seed(noise.seed)).to(initial)


def _masked(
    denoise: Denoise,
    mask: Tensor,
    clean: Tensor,
    noise: Tensor,
    model: DiffusionModel,
    levels: Sequence[float],
) -> Denoise:
    share = model.soft_inpainting
    soft = None if share is None else SoftMask(model.schedule, levels, share)
    return MaskedDenoise(denoise, fit_mask(mask, clean), clean, noise, model.schedule, soft)


async def _followed(
    steps: Steps, count: int, show: Callable[[Tensor], Plane] | None, model: DiffusionModel
) -> Step:
    """Go through a run, telling the client how far it is; return its last step."""
    job = current_job()
    done = 0.0
    async with aclosing(steps):
        async for step in steps:
            last = step
            done = done + 1 if step.position is None else step.position
            job.progress(done, count)
            if show:
                job.preview(show(_as_encoded(step.denoised, model)))
    return last


def _for_network(latents: LatentBatch, model: DiffusionModel) -> Tensor:
    """Return samples as they are noised. Empty ones stay empty, as in ComfyUI: they are no grey picture."""
    samples = latents["samples"]
    if not bool(samples.any()):
        return samples
    return (samples - model.shift_factor) * model.scaling_factor


def _as_encoded(scaled: Tensor, model: DiffusionModel) -> Tensor:
    return scaled / model.scaling_factor + model.shift_factor


def _batch(latents: LatentBatch, scaled: Tensor, model: DiffusionModel) -> LatentBatch:
    """Return latents with other samples, as they are on sockets."""
    samples = _as_encoded(scaled, model)
    if not bool(samples.isfinite().all()):
        raise ExecutionError(
            f"{model.unet.name} gave values that are no numbers",
            code="nan_output",
            hint="The checkpoint is damaged, or needs more precision: try --dtype float32.",
        )
    finished = latents.copy()
    finished["samples"] = samples.cpu()
    return finished


def add_noise(
    model: DiffusionModel, noise: SeededNoise, sigmas: Sequence[float], latents: LatentBatch
) -> LatentBatch:
    """Noise latents by the way from the first to the last of some levels, or to the only one."""
    levels = [float(sigma) for sigma in sigmas]
    if not levels:
        return latents
    sigma = abs(levels[0] - levels[-1]) if len(levels) > 1 else levels[0]
    noisy = model.schedule.noised(_for_network(latents, model), noise.initial(latents), sigma)
    return _batch(latents, noisy, model)


def _fitted(latents: LatentBatch, model: DiffusionModel) -> LatentBatch:
    """Return latents of the model's channels and factor: empty ones of others are made anew.

    They are for a picture of the same size. Latents that hold something stay as they are.

    Source: ComfyUI's ``fix_empty_latent_channels``.
    """
    samples = latents["samples"]
    if not bool(samples.any()):
        ratio = latents.get("downscale_ratio_spacial", model.latent_factor) / model.latent_factor
        height, width = (max(1, round(side * ratio)) for side in samples.shape[2:])
        samples = samples.new_zeros(len(samples), latent_channels(model.family), height, width)
    fitted = latents.copy()
    fitted["samples"], fitted["downscale_ratio_spacial"] = samples, model.latent_factor
    return fitted
