"""Samplers of one model call a step that extrapolate from the slopes or predictions of earlier steps."""

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps, ancestral_split, euler_step, slope

Floats = NDArray[np.float64]


async def lms(
    denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, order: int = 4
) -> Steps:
    """Integrate the polynomial through the last slopes. Source: Adams–Bashforth, as in k-diffusion."""
    slopes: deque[Tensor] = deque(maxlen=order)
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = await denoise(latents, sigma)
        slopes.appendleft(slope(latents, denoised, sigma))
        if next_sigma == 0:
            latents = denoised
        else:
            weights = _adams_bashforth([sigmas[index - back] for back in range(len(slopes))], next_sigma)
            latents = _add(latents, slopes, weights)
        yield Step(latents, denoised)


def _adams_bashforth(nodes: Sequence[float], end: float) -> list[float]:
    """Integrate the Lagrange polynomials of some nodes from the first of them to an end."""
    points, shares = np.polynomial.legendre.leggauss(len(nodes) // 2 + 1)  # exact for these degrees
    half = (end - nodes[0]) / 2
    places = nodes[0] + half * (points + 1)
    return [float(half * shares @ _lagrange(nodes, index, places)) for index in range(len(nodes))]


def _lagrange(nodes: Sequence[float], index: int, places: Floats) -> Floats:
    """Evaluate the polynomial that is 1 at one node and 0 at the others."""
    values = np.ones_like(places)
    for other, node in enumerate(nodes):
        if other != index:
            values = values * (places - node) / (nodes[index] - node)
    return values


async def ipndm(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Use the weights of equal steps, whatever the steps. Source: Zhang and Chen 2023, iPNDM."""
    weights_of_order = (
        (1,),
        (3 / 2, -1 / 2),
        (23 / 12, -16 / 12, 5 / 12),
        (55 / 24, -59 / 24, 37 / 24, -9 / 24),
    )
    slopes: deque[Tensor] = deque(maxlen=4)
    for sigma, next_sigma in pairwise(sigmas):
        denoised = await denoise(latents, sigma)
        slopes.appendleft(slope(latents, denoised, sigma))
        if next_sigma == 0:
            latents = denoised
        else:
            weights = weights_of_order[len(slopes) - 1]
            latents = _add(latents, slopes, [weight * (next_sigma - sigma) for weight in weights])
        yield Step(latents, denoised)


async def ipndm_v(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """As ``ipndm``, with weights for unequal steps. Source: github.com/zju-pi/diff-sampler."""
    slopes: deque[Tensor] = deque(maxlen=4)
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = await denoise(latents, sigma)
        slopes.appendleft(slope(latents, denoised, sigma))
        if next_sigma == 0:
            latents = denoised
        else:
            levels = [next_sigma, *(sigmas[index - back] for back in range(len(slopes)))]
            steps = [low - high for low, high in pairwise(levels)]
            latents = _add(latents, slopes, [weight * steps[0] for weight in _variable_step(steps)])
        yield Step(latents, denoised)


def _variable_step(steps: Sequence[float]) -> list[float]:
    """Weigh the last slopes for steps of unequal length, the coming one first.

    For equal steps these are the weights of Adams–Bashforth. For others they are not quite: the second
    difference's weight (``second``) and the oldest slope's ratio stand here as the authors' code has them,
    which is what people's pictures were made with.
    """
    h, *past = steps
    weights = [1.0, 0.0, 0.0, 0.0]
    if len(past) >= 1:
        first = h / past[0] / 2
        weights = [1 + first, -first, 0.0, 0.0]
    if len(past) >= 2:
        h1, h2 = past[:2]
        second = (1 - h**2 / (3 * h1 * (h1 + h2))) / 2
        difference = (1, -1 - h1 / h2, h1 / h2, 0.0)
        weights = [weight + second * part for weight, part in zip(weights, difference, strict=True)]
    if len(past) >= 3:
        h1, h2, h3 = past
        third = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
        third *= h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        ratio = h1 * (h1 + h2) / (h2 * (h2 + h3))
        difference = (1, -1 - h1 / h2 - ratio, h1 / h2 + ratio * (1 + h2 / h3), -ratio * h1 / h2)
        weights = [weight + third * part for weight, part in zip(weights, difference, strict=True)]
    return weights[: len(steps)]


async def deis(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Integrate a polynomial in the time of a VP SDE. Source: Zhang and Chen 2023, tAB-DEIS."""
    times = _vp_times(np.asarray(sigmas))
    slopes: deque[Tensor] = deque(maxlen=3)
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = await denoise(latents, sigma)
        slopes.appendleft(slope(latents, denoised, sigma))
        if next_sigma == 0 or len(slopes) == 1:
            latents = euler_step(latents, denoised, sigma, next_sigma)
        else:
            nodes = [float(times[index - back]) for back in range(len(slopes))]
            latents = _add(latents, slopes, _deis_weights(nodes, float(times[index + 1])))
        yield Step(latents, denoised)


_EDM_RANGE = 0.002, 80.0
_VP_END = 1e-3
_VP_SPREAD = 2 * (math.log1p(_EDM_RANGE[0] ** 2) / _VP_END - math.log1p(_EDM_RANGE[1] ** 2)) / (_VP_END - 1)
_VP_BASE = math.log1p(_EDM_RANGE[1] ** 2) - _VP_SPREAD / 2
"""Slope and start of a beta(t) that reaches these levels. Source: Karras et al. 2022, table 1."""


def _vp_times(sigmas: Floats) -> Floats:
    """Return when the variance-preserving SDE reaches some noise levels."""
    times: Floats = (np.sqrt(_VP_BASE**2 + 2 * _VP_SPREAD * np.log1p(sigmas**2)) - _VP_BASE) / _VP_SPREAD
    return times


def _deis_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Integrate the Lagrange polynomials in time over dsigma, by the authors' sum of 10,000 points."""
    times = np.linspace(nodes[0], end, 10_000)
    exponent = times**2 * _VP_SPREAD / 2 + times * _VP_BASE
    sigma = np.sqrt(np.expm1(exponent))
    sigma_per_time = (times * _VP_SPREAD + _VP_BASE) * np.exp(exponent) / (2 * sigma)
    span = end - nodes[0]
    return [
        float(span * (sigma_per_time * _lagrange(nodes, index, times)).mean()) for index in range(len(nodes))
    ]


async def res_multistep(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    eta: float = 0.0,
    is_cfg_pp: bool = False,
) -> Steps:
    """Exponential integrator with refined coefficients over two steps. Source: Zhang et al. 2023, RES, §3.

    Args:
        denoise: See ``SamplerFunction``, as the rest.
        latents: Noisy.
        sigmas: Noise levels.
        noise: Used where ``eta`` is above 0.
        eta: 1 steps further down and adds noise.
        is_cfg_pp: Whether the noise of the negative prompt is followed (CFG++).
    """
    before: Tensor | None = None
    last_sigma = last_down = math.inf
    for sigma, next_sigma in pairwise(sigmas):
        denoised, unguided = (
            await denoise.with_negative(latents, sigma) if is_cfg_pp else (await denoise(latents, sigma),) * 2
        )
        down, up = ancestral_split(sigma, next_sigma, eta)
        if down == 0 or before is None:
            latents = denoised + slope(latents, unguided, sigma) * down
        else:
            h = math.log(sigma / down)
            current, previous = _res_weights(h, math.log(last_down / last_sigma))
            shifted = latents + (denoised - unguided) if is_cfg_pp else latents
            latents = shifted * math.exp(-h) + unguided * current + before * previous
        if next_sigma > 0 and eta > 0:
            latents = latents + noise.independent() * up
        before, last_sigma, last_down = unguided, sigma, down
        yield Step(latents, denoised)


def _res_weights(h: float, back: float) -> tuple[float, float]:
    """Weigh the last two predictions, which lie ``back`` apart in log sigma (negative), over a step of h."""
    if h == 0 or back == 0:
        return -math.expm1(-h), 0.0
    phi_1 = -math.expm1(-h) / h
    phi_2 = (1 - phi_1) / h
    previous = phi_2 * h / back
    return h * (phi_1 - previous), h * previous


def _add(latents: Tensor, slopes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    for direction, weight in zip(slopes, weights, strict=True):
        latents = latents + direction * weight
    return latents
