"""Numbers about single pictures."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.styles import COLOURS

TOLERANCE = 2
"""Pixels by which two edges may lie apart and still be the same."""

CANNY = (50, 120)
CHROMATIC = tuple(name for name, rgb in COLOURS.items() if max(rgb) - min(rgb) > 0.3)


def mean_psnr(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the PSNR of the mean squared error over pairs of pictures, dB."""
    errors = [np.mean((a.astype(np.float64) - b) ** 2) for a, b in pairs]
    return float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-9)))


def picture_edges(picture: np.ndarray) -> NDArray[np.bool_]:
    """Return the canny edges of a u8 picture."""
    edges: NDArray[np.bool_] = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), *CANNY) > 0
    return edges


def edge_f1(picture: np.ndarray, geometric: NDArray[np.bool_]) -> float:
    """Compare a picture's edges with a scene's geometric edges, at a tolerance of two pixels."""
    found = picture_edges(picture)
    if not found.any() or not geometric.any():
        return 0.0
    precision = float((found & _near(geometric)).sum() / found.sum())
    recall = float((geometric & _near(found)).sum() / geometric.sum())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def hue_distance(picture: np.ndarray, colour: str) -> float:
    """Return how far, degrees, the mean hue of a picture is from a colour word's.

    The mean is the direction of the summed colourfulness, so grey pixels do not count.
    """
    red, green, blue = picture.reshape(-1, 3).astype(np.float64).mean(0)
    hue = colorsys.rgb_to_hsv(red, green, blue)[0]
    wanted = colorsys.rgb_to_hsv(*COLOURS[colour])[0]
    return abs((hue - wanted + 0.5) % 1 - 0.5) * 360


def _near(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    kernel = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
    near: NDArray[np.bool_] = cv2.dilate(edges.astype(np.uint8), kernel) > 0
    return near
