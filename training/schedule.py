"""Stable Diffusion's noise schedule, and how img2img moves from a viewport to a style along it."""

from functools import cache

import torch
from torch import Tensor

TIMESTEPS = 1000
KEPT_BELOW, GONE_ABOVE = 80, 560
"""Start timesteps below which img2img keeps the viewport, and above which the style is all there."""


@cache
def _signal_share(device: torch.device) -> Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float().to(device)


def signal(timesteps: Tensor) -> Tensor:
    """Amplitude of the picture at each timestep, shape (B, 1, 1, 1)."""
    return _signal_share(timesteps.device)[timesteps].sqrt().view(-1, 1, 1, 1)


def noise_level(timesteps: Tensor) -> Tensor:
    """Amplitude of the noise at each timestep, shape (B, 1, 1, 1)."""
    return (1 - _signal_share(timesteps.device)[timesteps]).sqrt().view(-1, 1, 1, 1)


def style_share(start: Tensor) -> Tensor:
    """How much of the style, 0..1, img2img that starts at these timesteps shall reach, shape (B, 1, 1, 1)."""
    ramp = ((start.float() - KEPT_BELOW) / (GONE_ABOVE - KEPT_BELOW)).clamp(0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).view(-1, 1, 1, 1)


def viewport_share(start: Tensor, now: Tensor) -> Tensor:
    """How much of the viewport is left at ``now`` in img2img that began at ``start``, shape (B, 1, 1, 1).

    img2img noises the viewport v and asks for a picture y = v + g (z - v), g being the style's share. A
    deterministic solver that follows perfect predictions carries what is not yet y along with the noise,
    so that at noise level sigma the latent holds y + (v - y) sigma / sigma_start. Written in v and the
    full style z, the viewport's share is 1 - g (1 - sigma / sigma_start).
    """
    sigma = noise_level(now) / signal(now)
    sigma_start = noise_level(start) / signal(start)
    return 1 - style_share(start) * (1 - sigma / sigma_start)


def trailing_timesteps(steps: int, strength: float = 1.0) -> list[int]:
    """Timesteps of ``steps`` steps on the tail of a schedule of steps / strength."""
    total = max(steps, int(steps / strength))
    spaced = (torch.arange(TIMESTEPS, 0, -TIMESTEPS / total).round().long() - 1).tolist()
    return [int(t) for t in spaced[-steps:]]
