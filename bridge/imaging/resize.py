"""Sizes of pictures: resampling, cropping to a shape, and the sizes that latents allow."""

from typing import Literal

import cv2
import numpy as np
from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.imaging.arrays import Array
from bridge.imaging.colour import to_floats

Method = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
"""ComfyUI's names of resampling methods."""

LATENT_PIXELS = 8
"""Sizes of pictures to be encoded are multiples of it: one latent spans 8 pixels a side in Stable
Diffusion, 4 in finer autoencoders."""

MAX_SIDE = 16_384
"""Pixels."""

MAX_BATCH_PIXELS = 2**28
"""Of all pictures of a batch; as float32 RGB they take 3 GiB."""

_OPENCV = {
    "nearest-exact": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "bicubic": cv2.INTER_CUBIC,
}


def resize(image: Array, width: int, height: int, method: Method) -> Array:
    """Resample a picture; the corners stay the corners.

    ``lanczos`` goes through 8 bits, rounded down, as ComfyUI's does; the others keep the dtype. Only
    ``area`` and ``lanczos`` average what a smaller picture has no room for.

    Args:
        image: Shape (H, W) or (H, W, C), u8, u16 or float32.
        width: Pixels.
        height: Pixels.
        method: How.

    Returns:
        Shape (height, width) or (height, width, C).
    """
    if image.shape[:2] == (height, width):
        return image
    if method == "lanczos":
        return _lanczos(image, width, height)
    resized: Array = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=_OPENCV[method])
    return resized


def center_crop(image: Array, width: int, height: int) -> Array:
    """Cut a picture to the shape of ``width`` × ``height``, equally on both sides, without resampling.

    Args:
        image: Shape (H, W, …).
        width: Of the wanted shape; only the ratio counts.
        height: Of the wanted shape.
    """
    have_height, have_width = image.shape[:2]
    left = top = 0
    if have_width * height > have_height * width:
        left = round((have_width - have_height * width / height) / 2)
    else:
        top = round((have_height - have_width * height / width) / 2)
    return image[top : have_height - top, left : have_width - left]


def latent_size(captured: tuple[int, int], width: int = 0, height: int = 0) -> tuple[int, int]:
    """Return the size nearest to the one wanted that latents allow.

    Args:
        captured: Width and height there are.
        width: Wanted; 0 follows from the height, keeping the shape, or is as captured.
        height: Wanted; 0 likewise.

    Returns:
        Width and height, multiples of 8.

    Raises:
        InputError: ``image_too_large``.
    """
    have_width, have_height = captured
    if not width and not height:
        width, height = captured
    wanted = (width or height * have_width / have_height, height or width * have_height / have_width)
    rounded = [max(1, round(side / LATENT_PIXELS)) * LATENT_PIXELS for side in wanted]
    check_size(*rounded)
    return rounded[0], rounded[1]


def check_size(width: int, height: int, count: int = 1) -> None:
    """Refuse pictures that would fill the memory.

    Args:
        width: Pixels.
        height: Pixels.
        count: Pictures of that size.

    Raises:
        InputError: ``image_too_large`` beyond ``MAX_SIDE`` or ``MAX_BATCH_PIXELS``; ``image_too_small``
            if it has no pixels.
    """
    if min(width, height) < 1:
        raise InputError(
            f"a picture of {width}×{height} has no pixels",
            code="image_too_small",
            hint="Choose a larger size or factor.",
        )
    if max(width, height) > MAX_SIDE or width * height * count > MAX_BATCH_PIXELS:
        what = f"{count} pictures of {width}×{height}" if count > 1 else f"a picture of {width}×{height}"
        raise InputError(
            f"{what} is too large: the limits are {MAX_SIDE} pixels a side "
            f"and {MAX_BATCH_PIXELS / 1e6:.0f} Mpx in all",
            code="image_too_large",
            hint="Choose a smaller size or batch.",
        )


def resize_lines(lines: Array, width: int, height: int) -> Array:
    """Resample a drawing of thin lines so that a smaller one has thin lines again, without gaps.

    Every white pixel whitens the one it falls on; averaging would fade the lines instead.

    Args:
        lines: Shape (H, W), 0 or 1.
        width: Pixels.
        height: Pixels.
    """
    have_height, have_width = lines.shape
    if width > have_width or height > have_height:
        return resize(lines, width, height, "nearest-exact")
    rows, columns = np.nonzero(lines)
    drawn = np.zeros((height, width), lines.dtype)
    drawn[rows * height // have_height, columns * width // have_width] = 1
    return drawn


def _lanczos(image: Array, width: int, height: int) -> Array:
    pixels = image if image.dtype == np.uint8 else np.clip(255 * to_floats(image), 0, 255).astype(np.uint8)
    resized = np.asarray(
        PillowImage.fromarray(pixels).resize((width, height), PillowImage.Resampling.LANCZOS)
    )
    return resized if image.dtype == np.uint8 else to_floats(resized)
