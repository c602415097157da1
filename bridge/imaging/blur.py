"""Blurring and sharpening."""

import cv2
import numpy as np

from bridge.imaging.arrays import Array


def gaussian_blur(image: Array, radius: int, sigma: float) -> Array:
    """Blur a picture; its borders are mirrored.

    Args:
        image: Shape (H, W, C), float32.
        radius: Of the kernel, pixels; it has 2 radius + 1 a side.
        sigma: Of the bell in units of the radius, as ComfyUI has it: from 1 on it is nearly flat.
    """
    places = np.linspace(-1, 1, 2 * radius + 1)
    bell = np.exp(-(places**2) / (2 * sigma**2))
    bell /= bell.sum()
    blurred: Array = cv2.sepFilter2D(
        np.ascontiguousarray(image), cv2.CV_32F, bell, bell, borderType=cv2.BORDER_REFLECT_101
    )
    return np.reshape(blurred, image.shape)


def sharpen(image: Array, radius: int, sigma: float, strength: float) -> Array:
    """Add what a blur takes away: an unsharp mask of ten times the strength, as ComfyUI has it.

    Args:
        image: Shape (H, W, C), float32, 0..1.
        radius: Of the blur; see ``gaussian_blur``.
        sigma: Likewise.
        strength: 0 leaves the picture as it is.

    Returns:
        Clipped to 0..1.
    """
    return np.clip(image + 10 * strength * (image - gaussian_blur(image, radius, sigma)), 0, 1)
