"""Making a picture square and small for CLIP's image towers, which see 224² pixels."""

from typing import Literal

import numpy as np
from PIL import Image as PillowImage

from bridge.imaging.arrays import Image
from bridge.imaging.colour import to_bytes, to_floats

Position = Literal["top", "bottom", "left", "right", "center", "pad"]
"""Which part of an oblong picture is kept; ``pad`` keeps all of it, with black bars."""

Resampling = Literal["LANCZOS", "BICUBIC", "HAMMING", "BILINEAR", "BOX", "NEAREST"]
"""Pillow's names."""

CLIP_SIZE = 224
"""Pixels along a side."""


def squared_for_clip(image: Image, resampling: Resampling, position: Position, sharpening: float) -> Image:
    """Cut or pad a picture to a square, and scale that to CLIP's size.

    Args:
        image: Shape (H, W, 3).
        resampling: How to scale; through 8 bits.
        position: Where to cut.
        sharpening: 0 for none, to 1.

    Returns:
        Shape (224, 224, 3).
    """
    square = _padded(image) if position == "pad" else _cut(image, position)
    picture = PillowImage.fromarray(to_bytes(square))
    small = picture.resize((CLIP_SIZE, CLIP_SIZE), PillowImage.Resampling[resampling])
    floats = to_floats(np.asarray(small))
    return _sharpened(floats, sharpening) if sharpening > 0 else floats


def _cut(image: Image, position: Position) -> Image:
    height, width = image.shape[:2]
    side = min(height, width)
    top = {"top": 0, "bottom": height - side}.get(position, (height - side) // 2)
    left = {"left": 0, "right": width - side}.get(position, (width - side) // 2)
    return image[top : top + side, left : left + side]


def _padded(image: Image) -> Image:
    height, width = image.shape[:2]
    sides, ends = max(height - width, 0) // 2, max(width - height, 0) // 2
    return np.pad(image, ((ends, ends), (sides, sides), (0, 0)))


def _sharpened(image: Image, amount: float) -> Image:
    """Sharpen where contrast leaves room for it; black surrounds the picture.

    Source: AMD FidelityFX CAS (Lottes 2019), its weight interpolated between 1/8 and 1/5.
    """
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    height, width = image.shape[:2]
    around = {(y, x): padded[y : y + height, x : x + width] for y in range(3) for x in range(3)}
    cross = [around[place] for place in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1))]
    corners = [around[place] for place in ((0, 0), (0, 2), (2, 0), (2, 2))]
    low = np.minimum.reduce(cross) + np.minimum.reduce(corners)
    high = np.maximum.reduce(cross) + np.maximum.reduce(corners)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.sqrt(np.minimum(low, 2 - high) / high)
        weight = -room * (amount * (1 / 5 - 1 / 8) + 1 / 8)
        neighbours = cross[0] + cross[1] + cross[3] + cross[4]
        sharp = (neighbours * weight + image) / (1 + 4 * weight)
    sharpened: Image = np.clip(np.nan_to_num(sharp), 0, 1).astype(np.float32)
    return sharpened
