"""Putting pictures side by side."""

from typing import Literal

import numpy as np

from bridge.imaging.arrays import Array
from bridge.imaging.resize import check_size

Direction = Literal["right", "down", "left", "up"]
"""Where the second picture goes."""


def stitch(
    first: Array, second: Array, direction: Direction, gap: int, colour: tuple[float, float, float]
) -> Array:
    """Put pictures beside, above or below others; the last of a shorter batch is repeated.

    Args:
        first: Shape (B, H, W, C), 0..1.
        second: Shape (b, h, w, C); a smaller one is centred, on a grey colour, or on black for others.
        direction: Where it goes.
        gap: Pixels between them; an odd number gets one more.
        colour: Of the gap.

    Raises:
        InputError: ``image_too_large``.
    """
    axis = 2 if direction in ("left", "right") else 1
    other = 3 - axis
    batch, side = max(len(first), len(second)), max(first.shape[other], second.shape[other])
    gap += gap % 2
    length = first.shape[axis] + gap + second.shape[axis]
    check_size(max(length, side), min(length, side), batch)
    ground = colour[0] if len(set(colour)) == 1 else 0.0
    parts = [_fitted(each, batch, other, side, ground) for each in (first, second)]
    if direction in ("left", "up"):
        parts.reverse()
    if gap:
        shape = list(parts[0].shape)
        shape[axis] = gap
        opaque = (*colour, 1.0)[: shape[3]]
        parts.insert(1, np.broadcast_to(np.asarray(opaque, np.float32), shape))
    return np.concatenate(parts, axis)


def _fitted(images: Array, batch: int, axis: int, side: int, ground: float) -> Array:
    """Bring pictures to a number and, along one axis, to a size."""
    missing = side - images.shape[axis]
    padding = [(0, 0)] * 4
    padding[axis] = (missing // 2, missing - missing // 2)
    padded = np.pad(images, padding, constant_values=ground) if missing else images
    return np.pad(padded, [(0, batch - len(padded)), (0, 0), (0, 0), (0, 0)], mode="edge")
