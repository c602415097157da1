"""Samplers of first order: one model call a step, the latest prediction only."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import (
    Denoise,
    Step,
    Steps,
    ancestral_split,
    ancestral_step,
    euler_step,
    slope,
)
from bridge.diffusion.sigmas import NoiseSchedule


async def euler(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Follow the probability-flow ODE in straight steps. Source: Karras et al. 2022, algorithm 2.

    In this picture deterministic DDIM (Song et al. 2021, eq. 12 with eta 0) is the same method.
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        latents = euler_step(latents, denoised, sigma, next_sigma)
        yield Step(latents, denoised)


async def euler_ancestral(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
    eta: float = 1.0,
    noise_scale: float = 1.0,
) -> Steps:
    """Step further down than asked, then add noise to get back. Source: k-diffusion; Song et al. 2021."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        step = ancestral_step(schedule, sigma, next_sigma, eta)
        latents = euler_step(latents, denoised, sigma, step.down)
        if step.down > 0:
            latents = step.back(latents, noise, noise_scale)
        yield Step(latents, denoised)


async def euler_ancestral_cfg_pp(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
    eta: float = 1.0,
    noise_scale: float = 1.0,
) -> Steps:
    """Denoise with guidance, noise again with what the negative prompt takes for noise.

    Source: Chung et al. 2024, "CFG++", algorithm 2.
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = await denoise.with_negative(latents, sigma)
        down, up = ancestral_split(schedule.noise_ratio(sigma), schedule.noise_ratio(next_sigma), eta)
        direction = slope(latents, unguided * schedule.signal(sigma), sigma)
        exploding = denoised + direction * down
        if next_sigma > 0 and eta > 0:
            exploding = exploding + noise.independent() * (noise_scale * up)
        latents = exploding * schedule.signal(next_sigma)
        yield Step(latents, denoised)


async def euler_alternative_cfg_pp(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> Steps:
    """Follow the slope of latents that were moved back by what guidance adds. Source: ComfyUI."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = await denoise.with_negative(latents, sigma)
        moved_back = latents - (denoised - unguided)
        latents = latents + slope(moved_back, denoised, sigma) * (next_sigma - sigma)
        yield Step(latents, denoised)


async def gradient_estimation(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> Steps:
    """Correct the slope by how it has changed. Source: Permenter and Yuan 2023, algorithm 2, gamma 2."""
    last_slope: Tensor | None = None
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        direction = slope(latents, denoised, sigma)
        latents = latents + _extrapolated(direction, last_slope, next_sigma) * (next_sigma - sigma)
        last_slope = direction
        yield Step(latents, denoised)


async def gradient_estimation_cfg_pp(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> Steps:
    """As ``gradient_estimation``, with the noise of the negative prompt (CFG++)."""
    last_slope: Tensor | None = None
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = await denoise.with_negative(latents, sigma)
        direction = slope(latents, unguided, sigma)
        latents = denoised + direction * next_sigma
        latents = latents + (_extrapolated(direction, last_slope, next_sigma) - direction) * (
            next_sigma - sigma
        )
        last_slope = direction
        yield Step(latents, denoised)


def _extrapolated(direction: Tensor, last: Tensor | None, next_sigma: float) -> Tensor:
    return direction if last is None or next_sigma == 0 else direction * 2 - last


async def ddpm(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Draw from the posterior of the forward process. Source: Ho et al. 2020, algorithm 2.

    It speaks of latents scaled to variance 1, x / sqrt(1 + sigma²).
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        kept, next_kept = 1 / (1 + sigma**2), 1 / (1 + next_sigma**2)  # the paper's ᾱ
        alpha = kept / next_kept
        predicted = slope(latents, denoised, sigma) * ((1 - alpha) / math.sqrt(1 - kept))
        scaled = (latents * math.sqrt(kept) - predicted) / math.sqrt(alpha)
        if next_sigma > 0:
            variance = (1 - alpha) * (1 - next_kept) / (1 - kept)
            scaled = scaled + noise.independent() * math.sqrt(max(variance, 0.0))
        latents = scaled / math.sqrt(next_kept)
        yield Step(latents, denoised)


async def lcm(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
) -> Steps:
    """Predict the clean latents, noise them afresh to the next level.

    Source: Luo et al. 2023, algorithm 3.
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        latents = denoised
        if next_sigma > 0:
            latents = schedule.noised(denoised, noise.independent(), next_sigma)
        yield Step(latents, denoised)
