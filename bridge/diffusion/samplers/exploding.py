"""Solvers by the ratio of noise to signal, on flows.

A flow's latents divided by what is left of the signal, x / (1 − sigma), are latents of the variance-exploding
picture at the level sigma / (1 − sigma). Solvers that are exact in the logarithm of that ratio are so there.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from torch import Tensor

from bridge.diffusion.flow import FlowSchedule
from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, SamplerFunction, Steps

_FIRST = 1e-4
"""Fraction of the schedule at which a run begins that should begin at noise alone. Source: ComfyUI."""


async def by_noise_ratio(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    schedule: FlowSchedule,
    solve: SamplerFunction,
) -> Steps:
    """Run a solver that yields after every level in the variance-exploding picture of a flow.

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels of the flow.
        noise: Is asked between levels of the flow.
        schedule: The model's.
        solve: The solver.
    """
    levels = [sigma if sigma < 1 else schedule.sigma_at(_FIRST) for sigma in sigmas]
    ratios = [schedule.noise_ratio(level) for level in levels]
    exploding = latents / schedule.signal(levels[0])
    # A level that comes back from its ratio can miss the end of what a prompt is limited to.
    exact = dict(zip(ratios, levels, strict=True))
    steps = solve(_OfFlow(denoise, exact), exploding, ratios, _FlowNoise(noise))
    ends = iter(levels[1:])
    async with aclosing(steps):
        async for step in steps:
            yield replace(step, latents=step.latents * schedule.signal(next(ends)))


def _level(ratio: float) -> float:
    return ratio / (1 + ratio)


@dataclass(frozen=True, slots=True)
class _OfFlow:
    """A flow's denoiser, asked in the variance-exploding picture; knows the levels of some ratios."""

    denoise: Denoise
    exact: Mapping[float, float]

    async def __call__(self, latents: Tensor, ratio: float) -> Tensor:
        return await self.denoise(latents / (1 + ratio), self._level(ratio))

    async def with_negative(self, latents: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
        return await self.denoise.with_negative(latents / (1 + ratio), self._level(ratio))

    def _level(self, ratio: float) -> float:
        return self.exact.get(ratio, _level(ratio))


class _FlowNoise(NoiseSource):
    """The noise of a run on a flow, asked in the variance-exploding picture."""

    def __init__(self, noise: NoiseSource) -> None:
        self._noise = noise

    def independent(self) -> Tensor:
        return self._noise.independent()

    def between(self, sigma: float, next_sigma: float) -> Tensor:
        return self._noise.between(_level(sigma), _level(next_sigma))
