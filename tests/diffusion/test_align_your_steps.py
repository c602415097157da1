"""Levels of Align Your Steps, against the published ones and ComfyUI's interpolation."""

import pytest
import torch
from diffusers.schedulers.scheduling_utils import AysSchedules

from bridge.diffusion import AlignedFor, aligned_sigmas


@pytest.mark.parametrize(
    ("aligned_for", "published"),
    [
        ("SD1", "StableDiffusionSigmas"),
        ("SDXL", "StableDiffusionXLSigmas"),
        ("SVD", "StableDiffusionVideoSigmas"),
    ],
)
def test_ten_steps_are_as_published(aligned_for: AlignedFor, published: str) -> None:
    levels = torch.tensor(AysSchedules[published])
    torch.testing.assert_close(aligned_sigmas(aligned_for, 10, 1.0), levels, atol=2e-3, rtol=1e-3)  # digits


@pytest.mark.parametrize(
    ("aligned_for", "steps", "strength", "expected"),  # from ComfyUI 0.3.64
    [
        ("SD1", 4, 0.7, [3.2266262, 1.3943805, 0.50938863, 0.0]),
        ("SDXL", 12, 0.5, [0.8620721, 0.5973286, 0.4310493, 0.2976505, 0.1823268, 0.0891144, 0.0]),
        ("SDXL", 1, 1.0, [14.614641, 0.0]),
        ("SD1", 3, 0.1, [0.0]),
        ("SD1", 3, 0.0, []),
    ],
)
def test_other_numbers_of_steps(
    aligned_for: AlignedFor, steps: int, strength: float, expected: list[float]
) -> None:
    torch.testing.assert_close(aligned_sigmas(aligned_for, steps, strength), torch.tensor(expected))
