"""Canny edges, in the two conventions that control images come in. White lines on black."""

import cv2
import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Array, Image, ImageBytes, Mask
from bridge.imaging.colour import to_floats

FLOOR = 1e-6
"""Added to the squared gradient, as kornia does."""

AXES = ((0, 1), (1, 1), (1, 0), (1, -1))
"""(rows, columns) to the next pixel along a gradient of 0°, 45°, 90° and 135°."""


def canny(image: Image, low: float, high: float) -> Mask:
    """Find edges as ComfyUI's ``Canny`` node does, which calls kornia.

    Luminance, a Gaussian of 5×5 and sigma 1, unnormalised Sobel, Euclidean magnitude, thinning along the
    gradient rounded to 45°, hysteresis. Of two equal neighbours across a level or upright edge the left or
    upper one stays.

    Args:
        image: Shape (H, W, 3).
        low: Weak edges join strong ones above this, 0..1.
        high: Edges above this are strong, 0..1.

    Returns:
        Shape (H, W), 0 or 1.

    Raises:
        InputError: ``out_of_range`` if ``low`` is above ``high``.

    Source: Canny 1986; Riba et al., Kornia, 2020.
    """
    _check_thresholds(low, high)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float64)
    grey = cv2.GaussianBlur(grey, (5, 5), 1.0, borderType=cv2.BORDER_REFLECT_101)
    across, down = (
        cv2.Sobel(grey, cv2.CV_64F, dx, dy, borderType=cv2.BORDER_REPLICATE) for dx, dy in ((1, 0), (0, 1))
    )
    # Rounded here, so that what is equal on paper is equal: the two sides of a hard edge.
    ridges = _thinned(across.astype(np.float32), down.astype(np.float32))
    _, labels = cv2.connectedComponents((ridges > low).astype(np.uint8), connectivity=8)
    is_strong = np.zeros(labels.max() + 1, bool)
    is_strong[labels[ridges > high]] = True
    lines: Mask = is_strong[labels].astype(np.float32)
    return lines


def canny_of_render(image: ImageBytes, low: float, high: float) -> Mask:
    """Find edges as canny ControlNets were trained: the strongest channel, no blur, city-block magnitude.

    A render has no sensor noise, so it needs no blur; 40 and 100 find what a viewport's soft shading
    shows, photographs are usually given 100 and 200.

    Args:
        image: Shape (H, W, 3), u8.
        low: Weak edges join strong ones above this, 0..255 and more.
        high: Edges above this are strong.

    Returns:
        Shape (H, W), 0 or 1.

    Raises:
        InputError: ``out_of_range`` if ``low`` is above ``high``.

    Source: Zhang et al. 2023 (ControlNet), §3.4 and its annotator.
    """
    _check_thresholds(low, high)
    return to_floats(cv2.Canny(np.ascontiguousarray(image), low, high))


def _thinned(across: Array, down: Array) -> Array:
    """Return the magnitude of gradients where it is largest along the gradient, else 0; shape (H, W)."""
    magnitude = np.sqrt(across**2 + down**2 + np.float32(FLOOR))
    padded = np.pad(magnitude, 1, constant_values=FLOOR**0.5)
    height, width = magnitude.shape
    direction = np.round(np.arctan2(down, across) * (4 / np.pi)) % 4
    is_ridge = np.zeros(magnitude.shape, bool)
    for index, (row, column) in enumerate(AXES):
        before = padded[1 - row : 1 - row + height, 1 - column : 1 - column + width]
        after = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        is_last = magnitude > after if row and column else magnitude >= after
        is_ridge |= (direction == index) & (magnitude > before) & is_last
    thinned: Array = magnitude * is_ridge
    return thinned


def _check_thresholds(low: float, high: float) -> None:
    if low > high:
        raise InputError(
            f"the low threshold {low:g} is above the high one, {high:g}",
            code="out_of_range",
            hint="The low threshold must not be above the high one.",
        )
