"""Frequencies of planes, weighed."""

import torch
from torch import Tensor


def scaled_around_zero(planes: Tensor, cutoff: int, low: float, high: float) -> Tensor:
    """Multiply coarse forms by one number, fine ones by another.

    Args:
        planes: Shape (B, C, h, w).
        cutoff: Coarse are frequencies −cutoff … cutoff − 1 along both sides, in periods of the plane.
        low: For coarse forms.
        high: For all others.
    """
    spectrum = torch.fft.fftn(planes.float(), dim=(2, 3))
    gain = torch.full(planes.shape[2:], high, device=planes.device)
    rows, columns = (_coarse(length, cutoff) for length in planes.shape[2:])
    gain[rows[:, None], columns] = low
    scaled: Tensor = torch.fft.ifftn(spectrum * gain, dim=(2, 3)).real
    return scaled.to(planes.dtype)


def _coarse(length: int, cutoff: int) -> Tensor:
    """Return where coarse frequencies stand; negative ones count from the end."""
    most = min(cutoff, max(length // 2, 1))
    return torch.arange(-most, most)
