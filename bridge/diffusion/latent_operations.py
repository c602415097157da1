"""What can be done to latents, or to the difference that guidance makes: taming peaks, sharpening.

Both treat the channels of a place as a vector, of which they change the length or the direction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from bridge.diffusion.guidance import GuidanceRule, Predictions
from bridge.errors import InputError
from bridge.graph import Socket

Operation = Annotated[Callable[[Tensor], Tensor], Socket("LATENT_OPERATION")]
"""Latents (B, C, h, w) → latents of the same shape."""


def tone_mapping(strength: float) -> Operation:
    """Return what compresses lengths: x / (1 + x / top), of a top far above the mean.

    Source: Reinhard et al. 2002, "Photographic Tone Reproduction for Digital Images", eq. 3.

    Args:
        strength: What the top, five deviations above the mean, is multiplied by.
    """
    return partial(_tone_mapped, strength=strength)


def sharpening(radius: int, sigma: float, strength: float) -> Operation:
    """Return what adds to directions what a Gaussian blur takes away from them, ten times the strength.

    Args:
        radius: Of the blur, in latents.
        sigma: Of its bell, in units of the radius.
        strength: 0 changes nothing.
    """
    return partial(_sharpened, radius=radius, sigma=sigma, strength=strength)


@dataclass(frozen=True, slots=True, eq=False)
class OperationOnGuidance(GuidanceRule):
    """Does something to what sets the positive prediction apart from the negative one."""

    operation: Operation

    def before(self, seen: Predictions) -> Predictions:
        """See ``GuidanceRule``."""
        changed = self.operation(seen.positive - seen.negative)
        return replace(seen, positive=seen.negative + changed)


def _tone_mapped(latents: Tensor, strength: float) -> Tensor:
    lengths = _lengths(latents, 1e-10)
    spread, mean = torch.std_mean(lengths, dim=(1, 2, 3), keepdim=True)
    top = (5 * spread + mean) * strength
    return latents * (top / (lengths + top))


def _sharpened(latents: Tensor, radius: int, sigma: float, strength: float) -> Tensor:
    if radius >= min(latents.shape[2:]):
        raise InputError(
            f"latents of {latents.shape[3]}×{latents.shape[2]} are too small to be sharpened by a radius of "
            f"{radius}",
            hint="Use a smaller sharpen_radius, or a larger picture.",
        )
    lengths = _lengths(latents, 1e-6)
    directions = latents / lengths
    bell = torch.exp(-(torch.linspace(-1, 1, 2 * radius + 1, device=latents.device) ** 2) / (2 * sigma**2))
    bell = bell / bell.sum()
    channels = latents.shape[1]
    kernel = torch.outer(bell, bell).expand(channels, 1, -1, -1)
    blurred = conv2d(pad(directions, (radius,) * 4, mode="reflect"), kernel, groups=channels)
    return lengths * (directions + 10 * strength * (directions - blurred))


def _lengths(latents: Tensor, least: float) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(latents, dim=1, keepdim=True)
    return lengths + least
