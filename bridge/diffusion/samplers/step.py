"""What all samplers share: how they are called, what they yield, and how noise is split."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from bridge.diffusion.flow import FlowSchedule
from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.sigmas import NoiseSchedule


class Denoise(Protocol):
    """Noisy latents and their noise level → clean latents."""

    def __call__(self, latents: Tensor, sigma: float, /) -> Awaitable[Tensor]:
        """Return the clean latents seen in noisy ones."""

    def with_negative(self, latents: Tensor, sigma: float, /) -> Awaitable[tuple[Tensor, Tensor]]:
        """Return the clean latents under guidance, and those that the negative prompt alone gives."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands.

    Args:
        latents: At the next noise level.
        denoised: The clean latents predicted at the beginning of the step.
        position: How many of the run's steps are done; ``None`` for one more than before.
    """

    latents: Tensor
    denoised: Tensor
    position: float | None = None


Steps = AsyncGenerator[Step, None]


SamplerFunction = Callable[[Denoise, Tensor, Sequence[float], NoiseSource], Steps]
"""A solver: follows noise levels, all positive but the last, from latents at the first of them."""


def slope(latents: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """Return dx/dsigma of the probability-flow ODE. Source: Karras et al. 2022, eq. 4."""
    return (latents - denoised) / sigma


def euler_step(latents: Tensor, denoised: Tensor, sigma: float, next_sigma: float) -> Tensor:
    """Follow the slope in a straight line to another noise level."""
    return latents + slope(latents, denoised, sigma) * (next_sigma - sigma)


def ancestral_split(sigma: float, next_sigma: float, eta: float = 1.0) -> tuple[float, float]:
    """Split a step into one further down and fresh noise that brings the level back up.

    Args:
        sigma: Where the step begins.
        next_sigma: Where it is to end.
        eta: 0 adds no noise, 1 as much as the reverse SDE.

    Returns:
        The level to step down to, and the deviation of the noise to add.

    Source: Song et al. 2021 (DDIM), eq. 16, in the variance-exploding picture.
    """
    if eta == 0:
        return next_sigma, 0.0
    # A schedule that rises again (unsampling) leaves no room for noise.
    spread = max(sigma**2 - next_sigma**2, 0.0)
    up = min(next_sigma, eta * next_sigma * math.sqrt(spread) / sigma)
    return math.sqrt(next_sigma**2 - up**2), up


@dataclass(frozen=True, slots=True)
class AncestralStep:
    """A step further down than asked, and the way back up by fresh noise.

    Args:
        down: The level to step down to.
        kept: What latents of that level are multiplied by.
        up: The deviation of the noise that is added to them then.
    """

    down: float
    kept: float
    up: float

    def back(self, latents: Tensor, noise: NoiseSource, noise_scale: float) -> Tensor:
        """Bring latents of the level below to the level asked for."""
        return latents * self.kept + noise.independent() * (noise_scale * self.up)


def ancestral_step(
    schedule: NoiseSchedule, sigma: float, next_sigma: float, eta: float = 1.0
) -> AncestralStep:
    """Split a step of a model as ``ancestral_split`` does; arguments are its, after the model's schedule.

    A flow steps down to next_sigma · (1 + eta · (next_sigma / sigma − 1)). What it then lacks in noise, for
    its signal, is added. Source: ComfyUI, whose rule for flows it is.
    """
    if not isinstance(schedule, FlowSchedule):
        down, up = ancestral_split(sigma, next_sigma, eta)
        return AncestralStep(down, 1.0, up)
    ratio = min(next_sigma / sigma, 1.0)  # a schedule that rises again leaves no room for noise
    down = max(next_sigma * (1 - eta * (1 - ratio)), 0.0)
    kept = schedule.signal(next_sigma) / schedule.signal(down)
    return AncestralStep(down, kept, math.sqrt(max(next_sigma**2 - (down * kept) ** 2, 0.0)))
