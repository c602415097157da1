"""The stochastic Adams solver: a predictor and a corrector. Source: Xue et al. 2023, "SA-Solver"."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps
from bridge.diffusion.sigmas import NoiseSchedule


@dataclass(frozen=True, slots=True)
class Adams:
    """How the solver goes.

    Args:
        predictor_order: How many past predictions a step is made from, 1..6.
        corrector_order: How many it is corrected by, the new one included; 0 corrects nothing.
        eta: The paper's τ: 0 solves the ODE, 1 the reverse SDE.
        start: Fraction of the noise schedule from which on noise is added, 0..1.
        end: Fraction up to which it is added.
        noise_scale: What noise is multiplied by.
        looks_again: Whether the model sees the corrected latents too (PECE): twice the calls.
        is_simple: Whether two predictions are weighed by the simpler rule of the paper's appendix D.
    """

    predictor_order: int = 3
    corrector_order: int = 4
    eta: float = 1.0
    start: float = 0.2
    end: float = 0.8
    noise_scale: float = 1.0
    looks_again: bool = False
    is_simple: bool = False


DEFAULT_ADAMS = Adams()


async def sa_solver(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: NoiseSchedule,
    adams: Adams = DEFAULT_ADAMS,
) -> Steps:
    """Predict from past predictions, look, and correct with the new one. Source: algorithm 1.

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels, of a flow in the variance-exploding picture.
        noise: Used in a part of the schedule.
        schedule: The model's.
        adams: How to go.
    """
    highest, lowest = (
        schedule.noise_ratio(schedule.sigma_at(fraction)) for fraction in (adams.start, adams.end)
    )
    most = max(adams.predictor_order, adams.corrector_order)
    predicted = corrected = latents
    step = _AdamsStep(sigmas[0], sigmas[0])
    past: list[tuple[float, Tensor]] = []  # levels and predictions, the latest last
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        seen = denoised = await denoise(predicted, sigma)
        past = [*past, (sigma, denoised)][-most:]
        to_end = len(sigmas) - 1 - index if sigmas[-1] == 0 else most + 1  # orders fall towards the end
        order = min(adams.corrector_order, to_end)
        if index == 0 or order == 0 or (next_sigma == 0 and not adams.looks_again):
            corrected = predicted
        else:
            weights = step.corrector(past[-order:], is_simple=adams.is_simple)
            corrected = step.moved(corrected, past[-order:], weights)
            if adams.looks_again:
                denoised = await denoise(corrected, sigma)
                past[-1] = sigma, denoised
        if next_sigma == 0:
            predicted = denoised
        else:
            tau = adams.eta if highest >= next_sigma >= lowest else 0.0
            step = _AdamsStep(sigma, next_sigma, tau).noisy(noise, adams.noise_scale)
            known = past[-min(adams.predictor_order, to_end - 1) :]
            weights = step.predictor(known, is_simple=adams.is_simple)
            predicted = step.moved(corrected, known, weights)
        yield Step(predicted, seen)


Known = Sequence[tuple[float, Tensor]]
"""Levels and predictions there, the latest last."""


@dataclass(frozen=True, slots=True, eq=False)
class _AdamsStep:
    """A step between two levels, at a strength of noise, with the noise it adds."""

    sigma: float
    next_sigma: float
    tau: float = 0.0
    added: Tensor | None = None

    @property
    def rate(self) -> float:
        return 1 + self.tau**2

    @property
    def length(self) -> float:
        return math.log(self.sigma / self.next_sigma)

    def noisy(self, noise: NoiseSource, noise_scale: float) -> "_AdamsStep":
        if self.tau == 0 or noise_scale == 0:
            return self
        spread = math.sqrt(max(-math.expm1(-2 * self.tau**2 * self.length), 0.0))
        return replace(self, added=noise.independent() * (self.next_sigma * spread * noise_scale))

    def moved(self, latents: Tensor, known: Known, weights: Sequence[float]) -> Tensor:
        """Bring latents to the other level by what is known; equations 14 and 17 of the paper."""
        moved = latents * float((self.next_sigma / self.sigma) ** self.rate)
        for (_, denoised), weight in zip(known, weights, strict=True):
            moved = moved + denoised * weight
        return moved if self.added is None else moved + self.added

    def predictor(self, known: Known, *, is_simple: bool) -> list[float]:
        if not (is_simple and len(known) == 2):
            return self._exact(known)
        back = math.log(self.sigma / known[0][0])
        older = self.rate * self.length**2 / (2 * back)
        return [older, self._gain - older]

    def corrector(self, known: Known, *, is_simple: bool) -> list[float]:
        if not (is_simple and len(known) == 2):
            return self._exact(known)
        newer = self.rate * self.length / 2
        return [self._gain - newer, newer]

    @property
    def _gain(self) -> float:
        return -math.expm1(-self.rate * self.length)

    def _exact(self, known: Known) -> list[float]:
        """Integrate a e^(a u) L_k(u) over the step, a the rate, u = −log sigma counted from its end."""
        nodes = [math.log(self.next_sigma / level) for level, _ in known]
        moments = [self._gain]
        for power in range(1, len(known)):  # by parts
            start = (-self.length) ** power * math.exp(-self.rate * self.length)
            moments.append(-start - power / self.rate * moments[-1])
        solution: list[float] = np.linalg.solve(np.vander(nodes, increasing=True).T, moments).tolist()
        return solution
