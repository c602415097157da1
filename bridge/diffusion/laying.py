"""Laying pictures over what a viewport shows, which stays as it was captured wherever they do not reach."""

import numpy as np
import torch
from torch import Tensor

from bridge.diffusion.fit import repeat_to
from bridge.imaging import Method, resize, to_floats
from bridge.imaging.arrays import Array, ImageBytes


def laid_over(color: ImageBytes, image: Tensor, mask: Tensor) -> Tensor:
    """Lay pictures over captured colours, at the captured size.

    Args:
        color: What was captured, (H, W, 3).
        image: Shape (B, h, w, 3), range 0..1; resampled to (H, W) where it has another size.
        mask: Shape (b, h, w), range 0..1; resampled likewise. Where it is 0 the result is the captured
            colour exactly: as u8 it is bit for bit the same.

    Returns:
        Shape (B, H, W, 3); the pictures as they are where the mask is 1 everywhere.
    """
    if bool((mask == 1).all()):
        return image
    height, width = color.shape[:2]
    below = to_floats(color)
    masks = repeat_to(mask, len(image)).numpy()
    laid = []
    for picture, each in zip(image[..., :3].numpy(), masks, strict=True):
        share = _fitted(each, width, height, "bilinear")[..., None]
        above = np.clip(_fitted(picture, width, height, "bicubic"), 0, 1)
        laid.append(np.where(share > 0, below + (above - below) * share, below).astype(np.float32))
    return torch.from_numpy(np.stack(laid))


def _fitted(picture: Array, width: int, height: int, enlarging: Method) -> Array:
    is_smaller = width * height < picture.shape[0] * picture.shape[1]
    fitted: Array = resize(picture, width, height, "area" if is_smaller else enlarging)
    return fitted
