"""The stochastic Adams solver: a predictor and a corrector. Source: Xue et al. 2023, "SA-Solver"."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps
from bridge.diffusion.sigmas import NoiseSchedule

_PREDICTOR_ORDER, _CORRECTOR_ORDER = 3, 4
_NOISY = 0.2, 0.8
"""Between these fractions of the schedule the reverse SDE is solved, outside of them the ODE."""


async def sa_solver(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
    looks_again: bool = False,
) -> Steps:
    """Predict from up to three past predictions, look, and correct with four. Source: algorithm 1.

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels.
        noise: Used in the middle of the schedule.
        schedule: The model's.
        looks_again: Whether the model sees the corrected latents too (PECE): twice the calls.
    """
    highest, lowest = (schedule.sigma_at(fraction) for fraction in _NOISY)
    predicted = corrected = latents
    added: Tensor | None = None
    past: list[tuple[float, Tensor]] = []  # levels and predictions, the latest last
    tau = 0.0
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        seen = denoised = await denoise(predicted, sigma)
        past = [*past, (sigma, denoised)][-_CORRECTOR_ORDER:]
        to_end = len(sigmas) - 1 - index if sigmas[-1] == 0 else _CORRECTOR_ORDER
        corrected = (
            predicted
            if index == 0 or (next_sigma == 0 and not looks_again)
            else _moved(corrected, past[-to_end:], sigmas[index - 1], sigma, tau, added)
        )
        if looks_again and index > 0:
            denoised = await denoise(corrected, sigma)
            past[-1] = sigma, denoised
        if next_sigma == 0:
            predicted = denoised
        else:
            tau = 1.0 if highest >= next_sigma >= lowest else 0.0
            order = min(_PREDICTOR_ORDER, to_end - 1) if sigmas[-1] == 0 else _PREDICTOR_ORDER
            spread = math.sqrt(max(1 - (next_sigma / sigma) ** 2, 0.0))
            added = noise.independent() * (next_sigma * spread) if tau else None
            predicted = _moved(corrected, past[-order:], sigma, next_sigma, tau, added)
        yield Step(predicted, seen)


def _moved(
    latents: Tensor,
    known: Sequence[tuple[float, Tensor]],
    sigma: float,
    next_sigma: float,
    tau: float,
    added: Tensor | None,
) -> Tensor:
    """Bring latents to another level by what is known of predictions; equations 14 and 17 of the paper."""
    moved = latents * float((next_sigma / sigma) ** (1 + tau**2))
    weights = _weights([level for level, _ in known], sigma, next_sigma, tau)
    for (_, denoised), weight in zip(known, weights, strict=True):
        moved = moved + denoised * weight
    return moved if added is None else moved + added


def _weights(levels: Sequence[float], sigma: float, next_sigma: float, tau: float) -> list[float]:
    """Integrate a e^(a u) L_k(u) over a step, a = 1 + τ², u = −log sigma counted from its end."""
    rate, h = 1 + tau**2, math.log(sigma / next_sigma)
    nodes = [math.log(next_sigma / level) for level in levels]
    moments = [-math.expm1(-rate * h)]
    for power in range(1, len(levels)):  # by parts
        moments.append(-((-h) ** power) * math.exp(-rate * h) - power / rate * moments[-1])
    solution: list[float] = np.linalg.solve(np.vander(nodes, increasing=True).T, moments).tolist()
    return solution
