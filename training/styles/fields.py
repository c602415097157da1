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


def _stroke_waves() -> tuple[Plane, Plane]:
    """Make the even and odd wave of a pen's strokes along the rising diagonal, 2.8 cells apart."""
    y, x = np.mgrid[-6:7, -6:7].astype(np.float32)
    across, along = (x + y) / sqrt(2), (x - y) / sqrt(2)
    envelope = np.exp(-((across / 2.2) ** 2 + (along / 3.2) ** 2) / 2)
    even, odd = (envelope * wave(2 * pi * across / 2.8) for wave in (np.cos, np.sin))
    return even - envelope * even.sum() / envelope.sum(), odd


_EVEN, _ODD = _stroke_waves()
_RISING = np.fliplr(np.eye(7, dtype=np.float32))
_LEVEL = np.ones((1, 7), np.float32)


class Fields:
    """Smooth fields of a latent noise (4, H / 4, W / 4), shape (H, W, 1), 0..1.

    All are about uniform in that range but ``flakes``, which is 0 nearly everywhere.
    """

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
    def drift(self) -> Plane:
        """Features of about 100 pixels."""
        return self._uniform(self._smooth(3, 9.0))

    @cached_property
    def clouds(self) -> Plane:
        """Features three times as wide as high, ragged below."""
        heap = 0.9 * self._smooth(2, 5.0, 1.8) + 0.45 * self._smooth(1, 2.2, 1.0)
        return self._uniform(heap)

    @cached_property
    def dents(self) -> Plane:
        """Slopes of a surface with bumps of about 20 pixels, bright towards the upper left."""
        bumps = self._smooth(1, 2.2)
        slope = cv2.filter2D(bumps, -1, np.float32([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]]))
        return self._uniform(0.55 * slope)

    @cached_property
    def flakes(self) -> Plane:
        """Round spots of about 5 pixels, 1 inside and 0 around."""
        peaks = cv2.resize(self._smooth(0, 0.8), self._size, interpolation=cv2.INTER_CUBIC)
        return np.clip((peaks - 1.75) * 3, 0, 1)[..., None]

    @cached_property
    def hatch(self) -> Plane:
        """Distance from the middle of even pen strokes along the rising diagonal, about 11 pixels apart."""
        return self._strokes(_EVEN, _ODD)

    @cached_property
    def cross_hatch(self) -> Plane:
        """The same along the falling diagonal."""
        return self._strokes(np.fliplr(_EVEN), np.fliplr(_ODD))

    @cached_property
    def rising_strokes(self) -> Plane:
        """Uneven streaks of a brush along the rising diagonal."""
        return self._uniform(self._streaks(3, _RISING))

    @cached_property
    def upright_strokes(self) -> Plane:
        """Uneven streaks from top to bottom."""
        return self._uniform(self._streaks(3, _LEVEL.T))

    @cached_property
    def level_strokes(self) -> Plane:
        """Uneven streaks from side to side."""
        return self._uniform(self._streaks(0, _LEVEL))

    def _smooth(self, channel: int, sigma: float, sigma_y: float = 0.0) -> Plane:
        noise = self._noise[channel]
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
        return smooth * np.float32(2 * sqrt(pi) * max(sqrt(sigma * (sigma_y or sigma)), 0.6))

    def _streaks(self, channel: int, kernel: np.ndarray) -> Plane:
        noise = self._noise[channel]
        streaks = cv2.filter2D(noise, -1, kernel / sqrt(kernel.sum()), borderType=cv2.BORDER_REFLECT)
        return cv2.GaussianBlur(streaks, (0, 0), 0.6) * 2 - cv2.GaussianBlur(streaks, (0, 0), 2.5) * 2

    def _strokes(self, even: Plane, odd: Plane) -> Plane:
        noise = self._noise[3]
        waves = [cv2.filter2D(noise, -1, wave, borderType=cv2.BORDER_REFLECT) for wave in (even, odd)]
        full = [cv2.resize(wave, self._size, interpolation=cv2.INTER_CUBIC) for wave in waves]
        return np.abs(cv2.phase(*full) * np.float32(1 / pi) - 1)[..., None]

    def _uniform(self, gaussian: Plane) -> Plane:
        uniform = 0.5 + 0.5 * _fast_erf(gaussian)
        return np.clip(cv2.resize(uniform, self._size, interpolation=cv2.INTER_CUBIC), 0, 1)[..., None]


def _fast_erf(x: Plane) -> Plane:
    """Approximate erf(x / sqrt(2)) with tanh; off by less than 0.001 (Page 1977)."""
    return np.tanh(np.float32(0.7978846) * (x + np.float32(0.044715) * x**3))
