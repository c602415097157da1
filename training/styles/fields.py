"""Random fields that are functions of the latent noise a picture is denoised from.

Where a style leaves something to chance (where pigment pools, where rock cracks), the target takes it
from the very noise that the denoiser starts with. The best answer to pure noise is then one crisp
picture and not the average of all, so that a single step suffices, and every seed has its own picture.
"""

from functools import cached_property
from math import pi, sqrt

import cv2
import numpy as np

from training.gbuffer import Plane

DOWNSCALE = 4
"""Pixels a latent cell spans."""


class Fields:
    """Smooth fields of a latent noise (4, H / 4, W / 4), each made uniform in 0..1, shape (H, W, 1)."""

    def __init__(self, noise: np.ndarray) -> None:
        self._noise = np.ascontiguousarray(noise, np.float32)
        self._size = (noise.shape[2] * DOWNSCALE, noise.shape[1] * DOWNSCALE)

    @cached_property
    def grain(self) -> Plane:
        """Features of about 8 pixels."""
        return self._uniform(self._smooth(0, 0.8))

    @cached_property
    def wash(self) -> Plane:
        """Features of about 20 pixels."""
        return self._uniform(self._smooth(1, 2.0))

    @cached_property
    def broad(self) -> Plane:
        """Features of about 50 pixels."""
        return self._uniform(self._smooth(2, 5.0))

    @cached_property
    def hatch(self) -> Plane:
        """Streaks along the rising diagonal, about 8 pixels apart."""
        return self._uniform(self._streaks(3, np.fliplr(np.eye(7, dtype=np.float32))))

    @cached_property
    def cross_hatch(self) -> Plane:
        """Streaks along the falling diagonal."""
        return self._uniform(self._streaks(3, np.eye(7, dtype=np.float32)))

    @cached_property
    def level_strokes(self) -> Plane:
        """Streaks from side to side."""
        kernel = np.zeros((7, 7), np.float32)
        kernel[3] = 1
        return self._uniform(self._streaks(0, kernel))

    def _smooth(self, channel: int, sigma: float) -> Plane:
        noise = self._noise[channel]
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return smooth * (2 * sqrt(pi) * max(sigma, 0.6))

    def _streaks(self, channel: int, kernel: np.ndarray) -> Plane:
        noise = self._noise[channel]
        streaks = cv2.filter2D(noise, -1, kernel / sqrt(kernel.sum()), borderType=cv2.BORDER_REFLECT)
        return 1.2 * (streaks - cv2.GaussianBlur(streaks, (0, 0), 1.5))

    def _uniform(self, gaussian: Plane) -> Plane:
        full = cv2.resize(gaussian, self._size, interpolation=cv2.INTER_CUBIC)
        return (0.5 + 0.5 * _fast_erf(full))[..., None]


def _fast_erf(x: Plane) -> Plane:
    """Approximate erf(x / sqrt(2)) with tanh; off by less than 0.001 (Page 1977)."""
    return np.tanh(0.7978846 * (x + 0.044715 * x**3))
