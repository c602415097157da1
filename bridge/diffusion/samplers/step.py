"""What all samplers share: how they are called, what they yield, and how noise is split."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from bridge.diffusion.noise import NoiseSource


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
