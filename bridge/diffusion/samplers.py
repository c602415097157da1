"""Samplers: from noise to latents along a list of noise levels.

A sampler is an async generator. It awaits the denoiser for every model call and yields the latents
after every step, with what the model last took them for. All are written in the variance-exploding
picture (x = x0 + sigma · noise), in which both prediction types look alike.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from bridge.diffusion.noise import NoiseSource

Denoise = Callable[[Tensor, float], Awaitable[Tensor]]
"""Noisy latents and their noise level → clean latents."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: the latents at the next noise level, and the clean ones last predicted."""

    latents: Tensor
    denoised: Tensor


Sampler = Callable[[Denoise, Tensor, Sequence[float], NoiseSource], AsyncGenerator[Step, None]]
"""Denoiser, noisy latents, n + 1 descending noise levels, noise → one ``Step`` for each of n steps."""


async def euler(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """Follow the probability-flow ODE in straight steps. Source: Karras et al. 2022, algorithm 2."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        latents = _euler_step(latents, denoised, sigma, next_sigma)
        yield Step(latents, denoised)


async def euler_ancestral(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """Step further down than asked, then add noise to get back. Source: k-diffusion, Song et al. 2021."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        up = min(next_sigma, math.sqrt(next_sigma**2 * (sigma**2 - next_sigma**2)) / sigma)
        down = math.sqrt(next_sigma**2 - up**2)
        latents = _euler_step(latents, denoised, sigma, down)
        if next_sigma > 0:
            latents = latents + noise.independent() * up
        yield Step(latents, denoised)


async def heun(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """Average the slopes at both ends of a step; two model calls. Source: Karras et al. 2022, algorithm 1."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        ahead = _euler_step(latents, denoised, sigma, next_sigma)
        if next_sigma > 0:
            slope = (latents - denoised) / sigma
            denoised = await denoise(ahead, next_sigma)
            ahead = latents + (slope + (ahead - denoised) / next_sigma) * ((next_sigma - sigma) / 2)
        latents = ahead
        yield Step(latents, denoised)


async def dpmpp_2m(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """Extrapolate from the last two predictions. Source: Lu et al. 2022, DPM-Solver++(2M)."""
    before: Tensor | None = None
    last_h = 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            h = math.log(sigma / next_sigma)
            target = denoised
            if before is not None and h > 0:
                target = denoised + (denoised - before) * (h / (2 * last_h))
            latents = latents * (next_sigma / sigma) - target * math.expm1(-h)
            before, last_h = (denoised, h) if h > 0 else (None, 0.0)
        yield Step(latents, denoised)


async def dpmpp_2m_sde(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """As ``dpmpp_2m``, with as much noise added as the reverse SDE has.

    Source: Lu et al. 2022, SDE-DPM-Solver++(2M), midpoint rule.
    """
    before: Tensor | None = None
    last_h = 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        h = math.log(sigma / next_sigma) if next_sigma > 0 else math.inf
        if next_sigma == 0:
            latents = denoised
        elif h > 0:
            gain = -math.expm1(-2 * h)
            latents = latents * (next_sigma / sigma * math.exp(-h)) + denoised * gain
            if before is not None:
                latents = latents + (denoised - before) * (gain * h / (2 * last_h))
            latents = latents + noise.between(sigma, next_sigma) * (next_sigma * math.sqrt(gain))
            before, last_h = denoised, h
        yield Step(latents, denoised)


async def lcm(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> AsyncGenerator[Step, None]:
    """Predict the clean latents, noise them afresh to the next level.

    Source: Luo et al. 2023, algorithm 3.
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        latents = denoised + noise.independent() * next_sigma if next_sigma > 0 else denoised
        yield Step(latents, denoised)


def _euler_step(latents: Tensor, denoised: Tensor, sigma: float, next_sigma: float) -> Tensor:
    return latents + (latents - denoised) * ((next_sigma - sigma) / sigma)


SAMPLERS: Mapping[str, Sampler] = {
    "euler": euler,
    "euler_ancestral": euler_ancestral,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "lcm": lcm,
    # In this picture deterministic DDIM (Song et al. 2021, eq. 12 with eta 0) is Euler's method.
    "ddim": euler,
}
"""ComfyUI's name → sampler."""
