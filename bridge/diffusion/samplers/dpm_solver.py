"""DPM-Solver, in steps of fixed and of adaptive length. Source: Lu et al. 2022, as in k-diffusion.

It solves for the noise over t = −log sigma, and ends at the lowest level above 0: what is left of noise
there stays in the result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps, ancestral_split, slope
from bridge.errors import ExecutionError, InputError


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How ``dpm_adaptive`` chooses its steps.

    Args:
        order: 2 or 3.
        relative: Error allowed, as a share of the latents.
        absolute: Error allowed in any case.
        first_step: Length of the first step, in log sigma.
        proportional: Weight of the error's change, in a PID controller of the length.
        integral: Weight of the error.
        derivative: Weight of the change's change.
        acceptance: A step that asks for a length shorter than this share is done again.

    Raises:
        InputError: If the first step has no length, or no step could ever be accepted.
    """

    order: int = 3
    relative: float = 0.05
    absolute: float = 0.0078
    first_step: float = 0.05
    proportional: float = 0.0
    integral: float = 1.0
    derivative: float = 0.0
    acceptance: float = 0.81

    def __post_init__(self) -> None:
        if self.first_step == 0:
            raise _unusable("a first step of length 0 goes nowhere", "0.05 is usual for h_init.")
        if self.relative == self.absolute == 0:
            raise _unusable("no error at all is allowed", "Set rtol or atol above 0.")
        if self.acceptance >= 1 + math.pi / 2:  # the limit of what a step can ask for
            raise _unusable("no step is ever accepted", "Use an accept_safety below 1; 0.81 is usual.")


DEFAULT_TOLERANCE = Tolerance()

MAX_REFUSED = 100
"""Steps in a row; a controller that works needs a handful."""

SHORTEST = 1e-5
"""Step in log sigma; the whole way is about 6."""

_TINY = 1e-8
"""Keeps quotients finite."""

_LARGEST_LOG = 700.0
"""Whose power is still a number."""


class _Solver:
    """One step from a place; remembers the noise predicted there, for solutions of several orders."""

    def __init__(self, denoise: Denoise, latents: Tensor, t: float, denoised: Tensor) -> None:
        self._denoise = denoise
        self._latents = latents
        self._t = t
        self._noise = slope(latents, denoised, math.exp(-t))
        self._middle: Tensor | None = None

    async def solve(self, end: float, order: int, r: float) -> Tensor:
        """Return the latents at an end; orders above 1 look at the model a share r of the way."""
        h = end - self._t
        ahead = self._straight(h)
        if order == 1 or h == 0:
            return ahead
        if self._middle is None:
            self._middle = await self._look(self._straight(r * h), r * h)
        change = self._middle - self._noise
        if order == 2:
            return ahead - change * (math.exp(-end) * math.expm1(h) / (2 * r))
        r2 = 2 / 3
        between = self._straight(r2 * h) - change * (math.exp(-self._t - r2 * h) * r2 / r * _phi(r2 * h))
        far = await self._look(between, r2 * h) - self._noise
        return ahead - far * (math.exp(-end) / r2 * _phi(h))

    def _straight(self, h: float) -> Tensor:
        return self._latents - self._noise * (math.exp(-self._t - h) * math.expm1(h))

    async def _look(self, latents: Tensor, h: float) -> Tensor:
        sigma = math.exp(-self._t - h)
        return slope(latents, await self._denoise(latents, sigma), sigma)


def _phi(h: float) -> float:
    return math.expm1(h) / h - 1


async def dpm_fast(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> Steps:
    """Spend as many model calls as there are steps, three for each step of third order.

    Source: DPM-Solver-fast, §3.4 of the paper.
    """
    calls = len(sigmas) - 1
    start, end = _ends(sigmas)
    count = calls // 3 + 1
    orders = [3] * (count - 2) + [2, 1] if calls % 3 == 0 else [3] * (count - 1) + [calls % 3]
    done = 0
    for index, order in enumerate(orders):
        t, next_t = (start + (end - start) * place / count for place in (index, index + 1))
        denoised = await denoise(latents, math.exp(-t))
        r = 1 / 2 if order == 2 else 1 / 3
        latents = await _Solver(denoise, latents, t, denoised).solve(next_t, order, r)
        done += order
        yield Step(denoised if start == end else latents, denoised, done)


async def dpm_adaptive(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    eta: float = 0.0,
    noise_scale: float = 1.0,
) -> Steps:
    """Choose steps by their error; of the schedule only both ends matter.

    Source: DPM-Solver-12 and -23, appendix C of the paper, with the PID controller of k-diffusion.

    Raises:
        ExecutionError: Code ``nan_output`` if the model returns something that is no number.
        InputError: If no step is accurate enough.
    """
    t, end = _ends(sigmas)
    start, forward = t, math.copysign(1.0, end - t)
    controller = _Controller(tolerance, forward, 1.5 if eta else tolerance.order)
    last_low = latents
    if t == end:
        denoised = await denoise(latents, sigmas[0])
        yield Step(denoised, denoised)
    while (end - t) * forward > SHORTEST:
        next_t = forward * min(forward * end, forward * (t + controller.length))
        target, up = _target(t, next_t, end, eta)
        denoised = await denoise(latents, math.exp(-t))
        solver = _Solver(denoise, latents, t, denoised)
        r = 1 / 3 if tolerance.order == 3 else 1 / 2
        low = await solver.solve(target, tolerance.order - 1, r)
        high = await solver.solve(target, tolerance.order, r)
        scale = torch.maximum(low.abs(), last_low.abs())
        allowed = (tolerance.relative * scale).clamp(min=max(tolerance.absolute, _TINY))
        error = float(torch.linalg.vector_norm((low - high) / allowed)) / math.sqrt(low.numel())
        if controller.accepts(error):
            last_low, t = low, next_t
            latents = high + noise.independent() * (noise_scale * up) if up else high
        yield Step(latents, denoised, (len(sigmas) - 1) * (t - start) / (end - start))


def _target(t: float, next_t: float, end: float, eta: float) -> tuple[float, float]:
    """Return how far to step, and the deviation of the noise that brings the level back."""
    if eta == 0:
        return next_t, 0.0
    down, _ = ancestral_split(math.exp(-t), math.exp(-next_t), eta)
    target = min(end, -math.log(down)) if down > 0 else end
    return target, math.sqrt(max(math.exp(-2 * next_t) - math.exp(-2 * target), 0.0))


class _Controller:
    """Lengthens or shortens steps by the errors of the last three."""

    def __init__(self, tolerance: Tolerance, forward: float, order: float) -> None:
        p, i, d = tolerance.proportional, tolerance.integral, tolerance.derivative
        self._weights = (p + i + d) / order, -(p + 2 * d) / order, d / order
        self._acceptance = tolerance.acceptance
        self._inverses: list[float] = []
        self._refused = 0
        self.length = abs(tolerance.first_step) * forward

    def accepts(self, error: float) -> bool:
        """Say whether a step's error is small enough, and set the length of the next.

        Raises:
            ExecutionError: If the error is no number.
            InputError: If steps become too short to arrive, or none is accepted any more.
        """
        if not math.isfinite(error):
            raise ExecutionError(
                "dpm_adaptive was given values that are no numbers by the model",
                code="nan_output",
                hint="The checkpoint is damaged, or needs more precision: try --dtype float32.",
            )
        inverse = 1 / (error + _TINY)
        past = self._inverses or [inverse, inverse]
        inverses = (inverse, *past)
        logs = (weight * math.log(value) for value, weight in zip(inverses, self._weights, strict=True))
        factor = 1 + math.atan(math.exp(min(sum(logs), _LARGEST_LOG)) - 1)
        self.length *= factor
        is_accepted = factor >= self._acceptance
        self._refused = 0 if is_accepted else self._refused + 1
        if self._refused > MAX_REFUSED or abs(self.length) < SHORTEST:
            raise _unusable("no step is accurate enough", "Raise rtol or atol, or lower accept_safety.")
        self._inverses = [inverse, past[0]] if is_accepted else past
        return is_accepted


def _ends(sigmas: Sequence[float]) -> tuple[float, float]:
    lowest = sigmas[-1] or sigmas[-2]
    return -math.log(sigmas[0]), -math.log(lowest)


def _unusable(message: str, hint: str) -> InputError:
    return InputError(f"dpm_adaptive cannot run: {message}", code="out_of_range", hint=hint)
