"""Selections of pictures to be made anew: widening, shrinking and softening them, filling what they hide."""

from typing import Literal

import cv2
import numpy as np

from bridge.imaging.arrays import Array, Image, Mask
from bridge.imaging.colour import to_bytes, to_floats

Softness = Literal["box", "linear", "gaussian"]
"""What a kernel looks like from the side."""

Filling = Literal["neutral", "telea", "navier-stokes"]

_METHODS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}

_SELECTED = 0.99
"""From here on a mask selects fully."""

_REACH = 3
"""How far filling looks around itself, pixels."""


def widen(mask: Mask, pixels: int) -> Mask:
    """Select squares around everything that is selected at all.

    Args:
        mask: Shape (H, W), 0..1.
        pixels: From a square's centre to its sides; at 0 the mask stays as it is, with all its greys.

    Returns:
        Black and white.
    """
    if pixels == 0:
        return mask
    return _spread((mask > 0).astype(np.float32), pixels)


def narrow(mask: Mask, pixels: int) -> Mask:
    """Select only where all of a square around is selected fully; outside the picture counts as selected.

    Args and returns: As of ``widen``.
    """
    if pixels == 0:
        return mask
    return 1 - _spread((mask < 1).astype(np.float32), pixels)


def soften(mask: Mask, size: int, softness: Softness) -> Mask:
    """Blur a mask; its borders are mirrored.

    Args:
        mask: Shape (H, W), 0..1.
        size: Of the kernel, pixels; an even one grows by one, and one below 3 changes nothing.
        softness: Its form.
    """
    size = odd(size)
    if size < 3:
        return mask
    return _filtered(mask, _kernel(size, softness))


def fill_hole(image: Image, mask: Mask, filling: Filling, falloff: int) -> Image:
    """Replace what a mask selects fully.

    Args:
        image: Shape (H, W, 3), 0..1.
        mask: Shape (H, W), 0..1.
        filling: ``neutral`` for grey; else what is around flows in.
        falloff: Over how many pixels inside the edge it fades in; 0 for at once.

    Source: Telea 2004; Bertalmio, Bertozzi and Sapiro 2001; both as OpenCV has them.
    """
    weight = _fading(mask, falloff)[..., None]
    if filling == "neutral":
        return (image - np.float32(0.5)) * (1 - weight) + np.float32(0.5)
    filled: Array = cv2.inpaint(to_bytes(image), to_bytes(weight[..., 0]), _REACH, _METHODS[filling])
    return image + (to_floats(filled) - image) * weight


def fill_blurred(image: Image, mask: Mask, size: int, falloff: int) -> Image:
    """Replace what a mask selects fully by a blurred picture.

    Args:
        image: Shape (H, W, 3), 0..1.
        mask: Shape (H, W), 0..1.
        size: Of the kernel, pixels.
        falloff: Over how many pixels inside the edge it fades in; less than the kernel's size.
    """
    size = odd(size)
    weight = _fading(mask, min(odd(falloff), size - 2))[..., None]
    blurred = _filtered(image, _kernel(size, "gaussian"))
    return image + (blurred - image) * weight


def match_colours(target: Image, reference: Image, excluded: Mask | None = None) -> Image:
    """Give a picture the mean and the spread of another's colours, in L*a*b*.

    Args:
        target: Shape (H, W, 3), 0..1.
        reference: Shape (h, w, 3), 0..1.
        excluded: Shape (H, W), 0..1: what is of no account in both, from 0.5 on; stretched to the reference.

    Returns:
        Clipped to 0..1; the target itself where everything is excluded.

    Source: Reinhard et al. 2001, "Color Transfer between Images", §2.
    """
    here, there = (
        cv2.cvtColor(np.ascontiguousarray(each), cv2.COLOR_RGB2LAB) for each in (target, reference)
    )
    kept_here, kept_there = _kept(here, excluded), _kept(there, excluded)
    if not len(kept_here) or not len(kept_there):
        return target
    spread = kept_there.std(0) / np.maximum(kept_here.std(0), 1e-6)
    moved = (here - kept_here.mean(0)) * spread + kept_there.mean(0)
    turned: Array = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(turned, 0, 1)


def odd(size: int) -> int:
    """Return a size of a kernel that has a middle."""
    return size + 1 if size > 0 and size % 2 == 0 else size


def _kept(colours: Array, excluded: Mask | None) -> Array:
    """Return the colours that count, shape (N, 3)."""
    if excluded is None:
        return colours.reshape(-1, 3)
    height, width = colours.shape[:2]
    mask: Array = cv2.resize(np.ascontiguousarray(excluded), (width, height), interpolation=cv2.INTER_LINEAR)
    return colours[mask < 0.5]


def _fading(mask: Mask, falloff: int) -> Mask:
    selected = (mask >= _SELECTED).astype(np.float32)
    falloff = odd(falloff)
    if falloff <= 0:
        return selected
    return selected * soften(narrow(selected, falloff), falloff, "gaussian")


def _spread(mask: Mask, pixels: int) -> Mask:
    """Grow white squares, in steps that OpenCV is quick with."""
    side = 2 * min(pixels, max(mask.shape)) + 1
    for shape in ((side, 1), (1, side)):
        mask = np.asarray(cv2.dilate(mask, np.ones(shape, np.uint8)), np.float32)
    return mask


def _kernel(size: int, softness: Softness) -> Array:
    """Return weights that sum to 1."""
    if softness == "gaussian":
        return np.asarray(cv2.getGaussianKernel(size, 0.3 * (size - 1) + 0.8)[:, 0], np.float32)
    weights = np.ones(size)
    if softness == "linear":
        half = size // 2
        side = np.linspace(1 / half, 1 - 1 / half, half) if half > 1 else np.ones(1)
        weights = np.concatenate((side, [1], side[::-1]))
    return np.asarray(weights / weights.sum(), np.float32)


def _filtered(image: Array, kernel: Array) -> Array:
    result: Array = cv2.sepFilter2D(
        np.ascontiguousarray(image), cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101
    )
    return np.reshape(result, image.shape)
