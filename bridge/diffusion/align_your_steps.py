"""Noise levels that were optimised for ten steps. Source: Sabour et al. 2024, "Align Your Steps"."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bridge.diffusion.sigmas import stable_diffusion_schedule

AlignedFor = Literal["SD1", "SDXL", "SVD"]

_TIMESTEPS: Mapping[AlignedFor, tuple[int, ...]] = {
    "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
    "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
}
"""Source: research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html, as the next."""

_VIDEO_LEVELS = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)


def aligned_sigmas(aligned_for: AlignedFor, steps: int, strength: float) -> Tensor:
    """Return noise levels that end at 0.

    Args:
        aligned_for: The kind of model.
        steps: Of the whole schedule; other numbers than 10 are interpolated between the levels' logarithms.
        strength: 0..1; so many of the steps are kept, the last ones.
    """
    if strength <= 0.0:
        return torch.zeros(0)
    kept = round(steps * strength)
    if aligned_for == "SVD":
        levels = torch.tensor(_VIDEO_LEVELS)
    else:
        levels = stable_diffusion_schedule().sigmas[list(_TIMESTEPS[aligned_for])]
    places = np.linspace(0, len(levels) - 1, steps + 1)
    sigmas = np.exp(np.interp(places, np.arange(len(levels)), np.log(levels.double().numpy())))
    return torch.cat((torch.from_numpy(sigmas[steps - kept : steps]).float(), torch.zeros(1)))
