"""What edge preprocessors do around finding edges, with the numbers of ControlNet's annotators.

Source: Zhang et al. 2023 (ControlNet), its annotators, as the ``controlnet_aux`` packages call them.
"""

import cv2
import numpy as np

from bridge.imaging.arrays import Array, ImageBytes, Mask
from bridge.imaging.canny import canny_of_render
from bridge.imaging.resize import check_size

MULTIPLE = 64
"""Sides of the pictures that annotators see are multiples of it, in pixels."""

_LINES = tuple(
    np.array(line, np.uint8)
    for line in (
        [[0, 0, 0], [1, 1, 1], [0, 0, 0]],
        [[0, 1, 0], [0, 1, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    )
)
"""Pixels to both sides of one, in four directions."""


def to_resolution(image: ImageBytes, resolution: int) -> ImageBytes:
    """Scale a picture so that its shorter side has a length.

    Args:
        image: Shape (H, W, 3), u8.
        resolution: Pixels.

    Raises:
        InputError: ``image_too_large``.
    """
    height, width = image.shape[:2]
    factor = resolution / min(height, width)
    height, width = round(height * factor), round(width * factor)
    check_size(width, height)
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    scaled: ImageBytes = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    return scaled


def padded(image: ImageBytes) -> ImageBytes:
    """Repeat the right and lower border pixels until the sides are multiples of 64."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="edge")


def canny_of_photo(image: ImageBytes, low: float, high: float) -> Mask:
    """Find lines as the annotator does, on a padded picture; else as ``canny_of_render``."""
    height, width = image.shape[:2]
    return canny_of_render(padded(image), low, high)[:height, :width]


def in_steps(edges: Mask) -> Mask:
    """Round soft edges to 0, ½ or 1, so that the picture they came from does not show through.

    Args:
        edges: Any shape, range 0..1.
    """
    steps: Mask = np.minimum(np.floor(edges * np.float32(3)) / 2, 1).astype(np.float32)
    return steps


def scribble(edges: Mask) -> Mask:
    """Turn soft edges into lines as from a thick pen.

    Args:
        edges: Shape (H, W), range 0..1.

    Returns:
        Shape (H, W), 0 or 1.
    """
    blurred = cv2.GaussianBlur(_bytes(edges).astype(np.float32), (0, 0), 3.0)
    is_ridge = np.any([cv2.dilate(blurred, line) == blurred for line in _LINES], axis=0)
    lines = np.where(is_ridge & (blurred > 127), np.uint8(255), np.uint8(0))
    drawn: Mask = (cv2.GaussianBlur(lines, (0, 0), 3.0) > 4).astype(np.float32)
    return drawn


def _bytes(edges: Mask) -> Array:
    """Cut down to whole 8-bit values, as the annotators do."""
    return (edges * np.float32(255)).astype(np.uint8)
