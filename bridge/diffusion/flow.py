"""Noise levels of rectified flows, which go in a straight line from pictures to noise: SD3's, Flux's.

Latents of a level sigma are x = (1 − sigma) x0 + sigma · noise, sigma in 0..1 (Liu et al. 2023, "Flow
Straight and Fast"; Esser et al. 2024, "Scaling Rectified Flow Transformers", §2).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.diffusion.sigmas import NoiseSchedule, Prediction
from bridge.errors import InputError

TIMESTEPS = 1000
"""What a network is told of the level 1."""

LEAST_MU, MU = 0.5, 1.15
"""Logarithms of Flux dev's shift, for pictures of 256 and of 1024 pixels a side."""

FAINTEST = 2.0**-20
"""What is left of clean latents at the level 1, where there should be nothing.

The latents of a run that ends there are divided by it, and multiplied in the next one that goes on from there
without fresh noise: the same again, it being a power of two. A picture is as faint as rounding errors there.
"""


@dataclass(frozen=True, slots=True, eq=False)
class FlowSchedule(NoiseSchedule):
    """The noise levels of a flow.

    Args:
        sigmas: Ascending to 1, float32, on the CPU.
        shift: How far levels are moved towards noise; 1 leaves them even (Esser et al. 2024, eq. 23).
    """

    sigmas: Tensor
    shift: float
    prediction: Prediction = "flow"

    def timestep(self, sigma: float) -> float:
        """See ``NoiseSchedule``; the level itself, in thousandths."""
        return sigma * TIMESTEPS

    def levels_at(self, timesteps: Tensor) -> Tensor:
        """See ``NoiseSchedule``; shifts timesteps, which ``timestep`` does not undo, as in ComfyUI."""
        return _shifted(timesteps.double() / TIMESTEPS, self.shift).float()

    def sigma_at(self, fraction: float) -> float:
        """See ``NoiseSchedule``."""
        left = 1.0 - min(max(fraction, 0.0), 1.0)
        return float(_shifted(torch.tensor(left, dtype=torch.float64), self.shift))

    def signal(self, sigma: float) -> float:
        """See ``NoiseSchedule``."""
        return max(1.0 - sigma, FAINTEST)

    def add_noise(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """See ``NoiseSchedule``."""
        return self.noised(latents, noise, sigma)

    def input_scale(self, sigma: float) -> float:
        """See ``NoiseSchedule``; the network sees noisy latents as they are."""
        return 1.0

    def denoised(self, latents: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """See ``NoiseSchedule``."""
        return latents - prediction * sigma


def flow_schedule(shift: float, levels: int = 1000) -> FlowSchedule:
    """Return the schedule of a flow whose levels are shifted: SD3's by 3, Flux schnell's by 1.

    Args:
        shift: Above 0; above 1 more of the way is spent on noise.
        levels: How many are known to schedulers that take known ones.

    Raises:
        InputError: If there is nothing left of the levels.
    """
    if not 0 < shift < math.inf:
        raise InputError(
            f"noise levels cannot be shifted by {shift:g}",
            code="out_of_range",
            hint="Use a shift above 0; 1 leaves the levels as they are, 3 is usual.",
        )
    even = torch.arange(1, levels + 1, dtype=torch.float64) / levels
    return FlowSchedule(_shifted(even, shift).float(), shift)


def flux_schedule(mu: float = MU) -> FlowSchedule:
    """Return the schedule of Flux dev, whose shift is e^mu.

    Args:
        mu: The logarithm of the shift. Flux's own code makes it greater the larger the picture; see
            ``flux_mu``.

    Raises:
        InputError: If there is nothing left of the levels.

    Source: Black Forest Labs 2024, ``time_shift`` of github.com/black-forest-labs/flux.
    """
    try:
        shift = math.exp(mu)
    except OverflowError:
        shift = math.inf
    return flow_schedule(shift, levels=10_000)


def flux_mu(width: int, height: int, base: float = LEAST_MU, most: float = MU) -> float:
    """Return the logarithm of a shift that suits a picture's size.

    Args:
        width: In pixels.
        height: In pixels.
        base: For 256 tokens of 16 × 16 pixels.
        most: For 4096 tokens; between and beyond it changes linearly with their number.

    Source: As ``flux_schedule``, ``get_lin_function``.
    """
    return base + (most - base) * (width * height / 16**2 - 256) / (4096 - 256)


def _shifted(even: Tensor, shift: float) -> Tensor:
    """Shift levels in their logarithmic odds; exact at 0 and 1."""
    return shift * even / (shift * even + (1.0 - even))
