"""Masks: softening their edges, growing, combining, and the mask of what outpainting adds."""

from typing import Literal

import cv2
import numpy as np

from bridge.imaging.arrays import Array, Mask

MaskOperation = Literal["multiply", "add", "subtract", "and", "or", "xor"]
"""ComfyUI's names of what MaskComposite does."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


def feather_mask(mask: Mask, left: int, top: int, right: int, bottom: int) -> Mask:
    """Fade a mask out towards its edges, over so many pixels.

    ComfyUI counts from the right and from the bottom one pixel too far, round the corner: the first
    column, or row, fades to 1 / n there, the last to 2 / n. Masks match its numbers.

    Args:
        mask: Shape (H, W).
        left: Pixels; 0 for no fading. The other sides likewise.
        top: Pixels.
        right: Pixels.
        bottom: Pixels.
    """
    height, width = mask.shape
    rows = _rising(height, top) * np.roll(_rising(height, bottom)[::-1], 1)
    columns = _rising(width, left) * np.roll(_rising(width, right)[::-1], 1)
    return np.asarray(mask * rows[:, None] * columns, np.float32)


def grow_mask(mask: Mask, pixels: int, *, tapers: bool) -> Mask:
    """Widen what is selected, or shrink it by a negative number of pixels.

    Args:
        mask: Shape (H, W), any values between.
        pixels: How far.
        tapers: Whether corners are cut: distance is counted along rows and columns, not diagonally.
    """
    change = cv2.dilate if pixels > 0 else cv2.erode
    steps = min(abs(pixels), sum(mask.shape))  # farther there is nothing left to change
    grown: Array = change(np.ascontiguousarray(mask), _CROSS if tapers else _SQUARE, iterations=steps)
    return grown


def combine_masks(first: Array, second: Array, operation: MaskOperation) -> Array:
    """Combine masks of one shape; ``and``, ``or`` and ``xor`` round them to black and white first.

    Args:
        first: Any shape, 0..1.
        second: The same shape.
        operation: How.

    Returns:
        0..1; what lies beyond is clipped.
    """
    if operation in ("and", "or", "xor"):
        a, b = np.rint(first).astype(bool), np.rint(second).astype(bool)
        rounded: Array = {"and": a & b, "or": a | b, "xor": a ^ b}[operation]
        return rounded.astype(np.float32)
    change = {"multiply": np.multiply, "add": np.add, "subtract": np.subtract}[operation]
    combined: Array = np.clip(change(first, second), 0, 1)
    return combined


def outpaint_mask(height: int, width: int, padding: tuple[int, int, int, int], feathering: int) -> Mask:
    """Select what was added around a picture, fading into it.

    Args:
        height: Of the picture without what was added.
        width: Likewise.
        padding: What was added: left, top, right, bottom.
        feathering: Over how many pixels it fades; a picture narrower than twice that is not faded into.

    Returns:
        Shape (top + height + bottom, left + width + right), 0..1; 1 is to be painted. Inside, at distance
        d from the nearest padded edge, it is (1 − d / feathering)².
    """
    left, top, right, bottom = padding
    mask = np.ones((top + height + bottom, left + width + right), np.float32)
    inside = np.zeros((height, width), np.float32)
    if 0 < 2 * feathering < min(height, width):
        rows = np.minimum(_distances(height, top), _distances(height, bottom, 1)[::-1])
        columns = np.minimum(_distances(width, left), _distances(width, right, 1)[::-1])
        distance = np.minimum(rows[:, None], columns)
        inside = (1 - np.minimum(distance / feathering, 1)) ** 2
    mask[top : top + height, left : left + width] = inside
    return mask


def _rising(length: int, pixels: int) -> Array:
    """Return 1/n, 2/n … 1, and 1 from there on."""
    count = min(pixels, length)
    return np.minimum((np.arange(length) + 1) / max(count, 1), 1).astype(np.float32)


def _distances(length: int, padding: int, first: int = 0) -> Array:
    """Return how far each pixel is from an edge; beyond reach where nothing was added there."""
    return np.arange(first, first + length) if padding else np.full(length, length)
