"""DPM-Solver++ over several steps, deterministic and stochastic. Source: Lu et al. 2022, "DPM-Solver++".

Throughout, h is a step's length in log sigma; solvers are exact where predictions are polynomials in it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps, ancestral_split


async def dpmpp_2m(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Extrapolate from the last two predictions. Source: algorithm 2, DPM-Solver++(2M)."""
    before: Tensor | None = None
    last_h = 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        h = _length(sigma, next_sigma)
        target = denoised
        if before is not None and h < math.inf:
            target = denoised + (denoised - before) * (h / (2 * last_h))
        latents = latents * (next_sigma / sigma) - target * math.expm1(-h)
        before, last_h = denoised, h
        yield Step(latents, denoised)


async def dpmpp_2m_cfg_pp(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource
) -> Steps:
    """As ``dpmpp_2m``, with the noise of the negative prompt (Chung et al. 2024, "CFG++")."""
    before: Tensor | None = None
    last_h = 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = await denoise.with_negative(latents, sigma)
        h = _length(sigma, next_sigma)
        latents = denoised + (latents - unguided) * math.exp(-h)
        if before is not None and h < math.inf:
            latents = latents - (denoised - before) * (math.expm1(-h) * h / (2 * last_h))
        before, last_h = unguided, h
        yield Step(latents, denoised)


async def dpmpp_sde(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    noise_scale: float = 1.0,
    r: float = 0.5,
) -> Steps:
    """Solve the reverse SDE with a second prediction within each step, at a share r of it.

    Source: k-diffusion's stochastic DPM-Solver++(2S).
    """
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            between = sigma * (next_sigma / sigma) ** r
            down, up = ancestral_split(sigma, between, eta)
            inner = latents * (down / sigma) + denoised * (1 - down / sigma)
            if eta > 0 and noise_scale > 0:
                inner = inner + noise.between(sigma, between) * (noise_scale * up)
            second = await denoise(inner, between)
            target = denoised + (second - denoised) / (2 * r)
            down, up = ancestral_split(sigma, next_sigma, eta)
            latents = latents * (down / sigma) + target * (1 - down / sigma)
            if eta > 0 and noise_scale > 0:
                latents = latents + noise.between(sigma, next_sigma) * (noise_scale * up)
        yield Step(latents, denoised)


async def dpmpp_2m_sde(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    noise_scale: float = 1.0,
    rule: Literal["midpoint", "heun"] = "midpoint",
) -> Steps:
    """As ``dpmpp_2m``, with as much noise added as the reverse SDE has. Source: SDE-DPM-Solver++(2M).

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels.
        noise: Asked between levels.
        eta: 0 is the ODE, 1 the reverse SDE.
        noise_scale: What noise is multiplied by.
        rule: How the change of predictions is weighed.
    """
    before: Tensor | None = None
    last_h = 0.0
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        h = _length(sigma, next_sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            latents = _exact(latents, denoised, sigma, next_sigma, eta)
            if before is not None:
                length = h * (1 + eta)
                gain = -math.expm1(-length) / 2 if rule == "midpoint" else _phi_2(length)
                latents = latents + (denoised - before) * (gain * h / last_h)
            latents = _noisy(latents, noise, sigma, next_sigma, eta, noise_scale)
            before, last_h = denoised, h
        yield Step(latents, denoised)


async def dpmpp_3m_sde(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    noise_scale: float = 1.0,
) -> Steps:
    """As ``dpmpp_2m_sde``, from the last three predictions. Source: k-diffusion's SDE-DPM-Solver++(3M)."""
    past: list[tuple[float, Tensor]] = []  # steps' lengths and predictions, the latest first
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        h = _length(sigma, next_sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            latents = _exact(latents, denoised, sigma, next_sigma, eta)
            length = h * (1 + eta)
            phi_2 = _phi_2(length)
            if len(past) == 1:
                (h1, first), *_ = past
                latents = latents + (denoised - first) * (phi_2 * h / h1)
            elif past:
                (h1, first), (h2, second) = past
                near, far = (denoised - first) * (h / h1), (first - second) * (h / h2)
                bend = (near - far) * (h / (h1 + h2))
                latents = latents + (near + bend * (h1 / h)) * phi_2 - bend * (phi_2 / length - 0.5)
            latents = _noisy(latents, noise, sigma, next_sigma, eta, noise_scale)
            past = [(h, denoised), *past[:1]]
        yield Step(latents, denoised)


def _length(sigma: float, next_sigma: float) -> float:
    return math.log(sigma / next_sigma) if next_sigma > 0 else math.inf


def _exact(latents: Tensor, denoised: Tensor, sigma: float, next_sigma: float, eta: float) -> Tensor:
    """Solve a step of the SDE but for its noise, as if the prediction did not change."""
    h = _length(sigma, next_sigma)
    return latents * (next_sigma / sigma * math.exp(-h * eta)) - denoised * math.expm1(-h * (1 + eta))


def _noisy(
    latents: Tensor, noise: NoiseSource, sigma: float, next_sigma: float, eta: float, noise_scale: float
) -> Tensor:
    """Add the noise of a step of the SDE."""
    if eta == 0 or noise_scale == 0:
        return latents
    spread = math.sqrt(max(-math.expm1(-2 * eta * _length(sigma, next_sigma)), 0.0))
    return latents + noise.between(sigma, next_sigma) * (next_sigma * spread * noise_scale)


def _phi_2(length: float) -> float:
    return math.expm1(-length) / length + 1
