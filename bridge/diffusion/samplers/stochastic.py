"""Solvers of the reverse SDE that draw independent noise. h is a step's length in log sigma."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps


async def seeds_2(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Look once within each step, half-way. Source: Gonzalez et al. 2023, SEEDS-2."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            path = _Path(noise, sigma)
            middle = math.sqrt(sigma * next_sigma)
            inner = path.to(middle, latents, -_phi_1(sigma, middle) * denoised)
            second = await denoise(inner, middle)
            latents = path.to(next_sigma, latents, -_phi_1(sigma, next_sigma) * second)
        yield Step(latents, denoised)


async def seeds_3(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Look twice within each step, at its thirds. Source: Gonzalez et al. 2023, SEEDS-3."""
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            path = _Path(noise, sigma)
            first, second = (sigma * (next_sigma / sigma) ** share for share in (1 / 3, 2 / 3))
            seen = await denoise(path.to(first, latents, -_phi_1(sigma, first) * denoised), first)
            change = (seen - denoised) * (2 * _phi_2(sigma, second))
            inner = path.to(second, latents, -_phi_1(sigma, second) * denoised - change)
            change = (await denoise(inner, second) - denoised) * (1.5 * _phi_2(sigma, next_sigma))
            latents = path.to(next_sigma, latents, -_phi_1(sigma, next_sigma) * denoised - change)
        yield Step(latents, denoised)


class _Path:
    """The SDE's noise within a step: what was drawn on the way to one level is kept to the next."""

    def __init__(self, noise: NoiseSource, sigma: float) -> None:
        self._noise = noise
        self._start = self._level = sigma
        self._drawn: Tensor | None = None

    def to(self, sigma: float, latents: Tensor, gain: Tensor) -> Tensor:
        """Return latents of the step's start brought to a lower level: what the model adds, and noise."""
        fresh = self._noise.independent() * math.sqrt(max(1 - (sigma / self._level) ** 2, 0.0))
        self._drawn = fresh if self._drawn is None else self._drawn * (sigma / self._level) + fresh
        self._level = sigma
        return latents * (sigma / self._start) ** 2 + gain + self._drawn * sigma


def _phi_1(sigma: float, next_sigma: float) -> float:
    """Return h φ₁ of a step of the SDE, whose length counts twice."""
    return math.expm1(-2 * math.log(sigma / next_sigma))


def _phi_2(sigma: float, next_sigma: float) -> float:
    length = -2 * math.log(sigma / next_sigma)
    return (math.expm1(length) - length) / length


async def er_sde(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    order: int = 3,
    noise_scale: float = 1.0,
    eta: float | None = None,
) -> Steps:
    """Expand the prediction to an order. Source: Cui et al. 2023, "Elucidating the solution space" (ER-SDE).

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels.
        noise: Drawn once a step.
        order: 1..3.
        noise_scale: What noise is multiplied by.
        eta: 0 solves the ODE, 1 the reverse SDE; ``None`` the SDE that the authors found best.
    """
    scale = partial(_scale, eta=eta)
    before: Tensor | None = None
    last_slope: Tensor | None = None
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = await denoise(latents, sigma)
        if next_sigma == 0:
            latents = denoised
        else:
            keep = float(scale(next_sigma) / scale(sigma))
            latents = latents * keep + denoised * (1 - keep)
            if before is not None and order > 1:
                first, second = _er_integrals(sigma, next_sigma, scale)
                change = (denoised - before) / (sigma - sigmas[index - 1])
                latents = latents + change * first
                if last_slope is not None and order > 2:
                    bend = (change - last_slope) / ((sigma - sigmas[index - 2]) / 2)
                    latents = latents + bend * second
                last_slope = change
            if noise_scale > 0:
                variance = next_sigma**2 - (sigma * keep) ** 2
                latents = latents + noise.independent() * (noise_scale * math.sqrt(max(variance, 0.0)))
        before = denoised
        yield Step(latents, denoised)


def _scale(sigma: float | np.ndarray, eta: float | None) -> np.ndarray:
    """Return the paper's ϕ(x): x^(1 + eta), or x (exp(x^0.3) + 10), which the authors found best."""
    if eta is not None:
        return np.asarray(sigma) ** (1 + eta)
    return np.asarray(sigma * (np.exp(np.asarray(sigma) ** 0.3) + 10))


def _er_integrals(
    sigma: float, next_sigma: float, scale: Callable[[float | np.ndarray], np.ndarray]
) -> tuple[float, float]:
    """Weigh the prediction's first and second derivative, by the authors' sum of 200 points."""
    step = next_sigma - sigma
    width = -step / 200
    places = next_sigma + np.arange(200) * width
    ratio = scale(next_sigma) / scale(places)
    first = float(ratio.sum()) * width
    second = float(((places - sigma) * ratio).sum()) * width
    return step + first, step**2 / 2 + second
