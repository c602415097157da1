"""A run: noise from the seed, a sampler along its sigmas, latents at the end."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.fit import repeat_to
from bridge.diffusion.noise import NoiseSource, initial_noise
from bridge.diffusion.preview import preview
from bridge.diffusion.residency import placement
from bridge.diffusion.samplers import SAMPLERS, Denoise
from bridge.diffusion.sigmas import NoiseSchedule, make_sigmas
from bridge.diffusion.types import DiffusionModel, LatentBatch, Prompt
from bridge.engine import current_job
from bridge.errors import ExecutionError


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
    """Denoise latents under positive and negative conditioning.

    Reports progress after every step, and a preview if the job wants one.

    Args:
        model: The checkpoint.
        positive: What the picture should be.
        negative: What it should not be; unused at a guidance scale of 1.
        latents: Where to start: an encoded picture, or zeros, of which there are more or fewer afterwards if
            they were made for another latent factor. A ``noise_mask`` limits what changes.
        settings: How to sample.

    Returns:
        The batch with new ``samples``.

    Raises:
        ExecutionError: Code ``nan_output`` if the model returns something that is no number.
        Interrupted: If the job was cancelled.
        OutOfMemory: If the model or the latents do not fit.
    """
    latents = _fitted(latents, model)
    sigmas = run_sigmas(model.schedule, settings)
    if len(sigmas) < 2:
        return latents
    samples = latents["samples"]
    here = placement().device
    clean = samples.to(here, torch.float32) * model.scaling_factor
    noise = torch.zeros_like(clean)
    if settings.adds_noise:
        noise = initial_noise(samples.shape, settings.seed, latents.get("batch_index")).to(here)
    denoise: Denoise = Denoiser(model, positive, negative, settings.guidance_scale, samples.shape)
    if "noise_mask" in latents:
        denoise = _limited(denoise, latents["noise_mask"], clean, noise)
    noisy = model.schedule.add_noise(clean, noise, sigmas[0])
    result = await _run(model, denoise, noisy, sigmas, settings) / model.scaling_factor
    if not bool(result.isfinite().all()):
        raise ExecutionError(
            f"{model.unet.name} gave values that are no numbers",
            code="nan_output",
            hint="The checkpoint is damaged, or needs more precision: try --dtype float32.",
        )
    finished = latents.copy()
    finished["samples"] = result.cpu()
    return finished


def run_sigmas(schedule: NoiseSchedule, settings: Settings) -> list[float]:
    """Return the noise levels a run goes through; fewer than two mean that there is nothing to do."""
    sigmas = make_sigmas(schedule, settings.scheduler, settings.num_inference_steps, settings.strength)
    if settings.end_at_step is not None and settings.end_at_step < len(sigmas) - 1:
        sigmas = sigmas[: settings.end_at_step + 1]
        if not settings.keeps_leftover_noise:
            sigmas[-1] = 0.0
    return sigmas[settings.start_at_step :]


def _fitted(latents: LatentBatch, model: DiffusionModel) -> LatentBatch:
    """Return latents of the model's factor: empty ones of another are made anew for a picture of that size.

    Latents that hold something stay as they are.

    Source: ComfyUI's ``fix_empty_latent_channels``.
    """
    samples = latents["samples"]
    ratio = latents.get("downscale_ratio_spacial", model.latent_factor) / model.latent_factor
    if ratio != 1 and not bool(samples.any()):
        height, width = (max(1, round(side * ratio)) for side in samples.shape[2:])
        samples = samples.new_zeros(*samples.shape[:2], height, width)
    fitted = latents.copy()
    fitted["samples"], fitted["downscale_ratio_spacial"] = samples, model.latent_factor
    return fitted


async def _run(
    model: DiffusionModel, denoise: Denoise, noisy: Tensor, sigmas: Sequence[float], settings: Settings
) -> Tensor:
    job = current_job()
    latents = noisy
    source = NoiseSource(noisy, sigmas, settings.seed)
    async with aclosing(SAMPLERS[settings.sampler](denoise, noisy, sigmas, source)) as steps:
        done = 0
        async for step in steps:
            latents, done = step.latents, done + 1
            job.progress(done, len(sigmas) - 1)
            if job.wants_preview and model.vae is not None:
                job.preview(await preview(model.vae, step.denoised / model.scaling_factor))
    return latents


def _limited(denoise: Denoise, mask: Tensor, clean: Tensor, noise: Tensor) -> Denoise:
    """Denoise only where a mask is 1; elsewhere the model sees, and the result is, the clean latents.

    Args:
        denoise: What is limited.
        mask: Shape (B, 1, H, W) or (B, H, W), range 0..1; resized to the latents.
        clean: The latents to keep, (B, C, h, w).
        noise: The run's initial noise.
    """
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).to(clean)
    mask = repeat_to(interpolate(mask, size=clean.shape[2:], mode="bilinear"), len(clean))

    async def limited(latents: Tensor, sigma: float) -> Tensor:
        around = clean + noise * sigma
        denoised = await denoise(latents * mask + around * (1 - mask), sigma)
        return denoised * mask + clean * (1 - mask)

    return limited
