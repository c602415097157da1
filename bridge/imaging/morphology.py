"""Grey morphology with a square: what is bright grows, shrinks, or stands out."""

from typing import Literal

import cv2
import numpy as np

from bridge.imaging.arrays import Array

MorphologyOperation = Literal["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"]
"""ComfyUI's names."""


def morphology(image: Array, operation: MorphologyOperation, side: int) -> Array:
    """Apply an operation to each channel; what lies outside the picture has no say.

    Args:
        image: Shape (H, W, C), float32.
        operation: Which. A ``top_hat`` is what opening takes away, a ``bottom_hat`` what closing adds.
        side: Of the square, pixels; a pixel's own place in an even one is right of and below its middle.
    """
    match operation:
        case "erode":
            return _erode(image, side)
        case "dilate":
            return _dilate(image, side)
        case "gradient":
            return _dilate(image, side) - _erode(image, side)
        case "open":
            return _dilate(_erode(image, side), side)
        case "close":
            return _erode(_dilate(image, side), side)
        case "top_hat":
            return image - _dilate(_erode(image, side), side)
        case "bottom_hat":
            return _erode(_dilate(image, side), side) - image


def _erode(image: Array, side: int) -> Array:
    eroded: Array = cv2.erode(np.ascontiguousarray(image), np.ones((side, side), np.uint8))
    return np.reshape(eroded, image.shape)


def _dilate(image: Array, side: int) -> Array:
    """Dilate by the mirrored square, so that opening and closing move nothing."""
    place = side - 1 - side // 2
    square = np.ones((side, side), np.uint8)
    dilated: Array = cv2.dilate(np.ascontiguousarray(image), square, anchor=(place, place))
    return np.reshape(dilated, image.shape)
