"""Samplers that ask the model several times within a step, and remember nothing of the steps before."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from bridge.diffusion.flow import FlowSchedule
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

_NEARLY_NOISE = 0.9999
"""Where a flow is asked that begins at noise alone. Source: ComfyUI."""


async def heun(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Average the slopes at both ends of a step; two model calls. Source: Karras et al. 2022, algorithm 1."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        ahead = euler_step(latents, denoised, sigma, next_sigma)
        if next_sigma > 0:
            average = slope(latents, denoised, sigma)
            average = (average + slope(ahead, await denoise(ahead, next_sigma), next_sigma)) / 2
            ahead = latents + average * (next_sigma - sigma)
        latents = ahead
        yield Step(latents, denoised)


async def heunpp2(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Average the slopes at up to three levels ahead, weighted by the levels; up to three model calls.

    Source: "Heun++" of github.com/Carzit/sd-webui-samplers-scheduler.
    """
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = await denoise(latents, sigma)
        direction = slope(latents, denoised, sigma)
        ahead = [level for level in sigmas[index + 1 : index + 3] if level != sigmas[-1]]
        shares = [level / ((len(ahead) + 1) * sigmas[0]) for level in ahead]
        mean = direction * (1 - sum(shares))
        point, level = latents, sigma
        for next_level, share in zip(ahead, shares, strict=True):
            point = point + direction * (next_level - level)
            direction, level = slope(point, await denoise(point, next_level), next_level), next_level
            mean = mean + direction * share
        latents = latents + mean * (next_sigma - sigma)
        yield Step(latents, denoised)


async def dpm_2(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Take the slope in the middle of a step, in log sigma; two model calls.

    Source: Lu et al. 2022, DPM-Solver-2, as in k-diffusion.
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        latents = await _midpoint_step(denoise, latents, denoised, sigma, next_sigma)
        yield Step(latents, denoised)


async def dpm_2_ancestral(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
) -> Steps:
    """As ``dpm_2``, stepping further down and adding noise."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        step = ancestral_step(schedule, sigma, next_sigma)
        latents = await _midpoint_step(denoise, latents, denoised, sigma, step.down)
        if step.down > 0:
            latents = step.back(latents, noise, 1.0)
        yield Step(latents, denoised)


async def _midpoint_step(
    denoise: Denoise, latents: Tensor, denoised: Tensor, sigma: float, next_sigma: float
) -> Tensor:
    if next_sigma == 0:
        return denoised
    middle = math.sqrt(sigma * next_sigma)
    between = euler_step(latents, denoised, sigma, middle)
    return latents + slope(between, await denoise(between, middle), middle) * (next_sigma - sigma)


async def dpmpp_2s_ancestral(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
    eta: float = 1.0,
    noise_scale: float = 1.0,
) -> Steps:
    """Take the prediction in the middle of a step. Source: Lu et al. 2022, DPM-Solver++(2S)."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        step = ancestral_step(schedule, sigma, next_sigma, eta)
        predicted = denoised
        if step.down > 0:
            middle = _middle(schedule, sigma, step.down)
            predicted = await denoise(_toward(latents, denoised, middle / sigma), middle)
        latents = _toward(latents, predicted, step.down / sigma)
        if next_sigma > 0:
            latents = step.back(latents, noise, noise_scale)
        yield Step(latents, denoised)


def _middle(schedule: NoiseSchedule, sigma: float, down: float) -> float:
    """Return the level half-way in the logarithm of noise to signal; near 1 where there is no signal."""
    if not isinstance(schedule, FlowSchedule):
        return math.sqrt(sigma * down)
    if sigma >= 1:
        return _NEARLY_NOISE
    ratio = math.sqrt(schedule.noise_ratio(sigma) * schedule.noise_ratio(down))
    return ratio / (1 + ratio)


async def dpmpp_2s_ancestral_cfg_pp(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> Steps:
    """As ``dpmpp_2s_ancestral``, with the noise of the negative prompt (CFG++)."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = await denoise.with_negative(latents, sigma)
        down, up = ancestral_split(sigma, next_sigma)
        predicted = denoised
        if down > 0:
            middle = math.sqrt(sigma * down)
            inner = _toward(latents + (denoised - unguided), denoised, middle / sigma)
            predicted, unguided = await denoise.with_negative(inner, middle)
        shifted = latents + (denoised - unguided)
        latents = _toward(shifted, predicted, down / sigma)
        if next_sigma > 0:
            latents = latents + noise.independent() * up
        yield Step(latents, denoised)


def _toward(latents: Tensor, denoised: Tensor, ratio: float) -> Tensor:
    """Keep a share of the noise: the exact solution if the prediction did not change."""
    return latents * ratio + denoised * (1 - ratio)
