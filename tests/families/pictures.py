"""The pictures that workflows load and pipelines are given; what is masked lies on borders of latents."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIDE, MARGIN = 64, 16
"""Of pictures; and how much of that is outpainted, on the right."""

_SIZES = {
    "picture": (SIDE, SIDE),
    "narrow": (SIDE, SIDE - MARGIN),
    "small": (SIDE // 2, SIDE // 2),
    "hint": (28, 28),
}
"""Name → height and width; ``small`` is to be enlarged, ``hint`` is as large as CLIP vision reads it."""


def write_pictures(folder: Path) -> None:
    """Write all pictures as PNG files."""
    folder.mkdir()
    for name in (*_SIZES, "mask"):
        Image.fromarray(_pixels(name)).save(folder / f"{name}.png")


def picture(name: str) -> Tensor:
    """Return a picture, shape (1, 3, H, W), range 0..1."""
    return torch.from_numpy(_pixels(name)).movedim(-1, 0)[None].float() / 255


def padded() -> tuple[Tensor, Tensor]:
    """Return the narrow picture on grey, and the mask of the margin, shape (1, 1, H, W)."""
    image, mask = torch.full((1, 3, SIDE, SIDE), 0.5), torch.ones(1, 1, SIDE, SIDE)
    image[..., :-MARGIN] = picture("narrow")
    mask[..., :-MARGIN] = 0
    return image, mask


def _pixels(name: str) -> np.ndarray:
    if name == "mask":
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[16:48, 24:56] = 255
        return pixels
    return np.random.default_rng(len(name)).integers(0, 256, (*_SIZES[name], 3), np.uint8)
