"""How much of each pixel belongs to objects that are chosen by name: masks with smooth borders.

Which objects a pixel shows, and to what share, is told as Cryptomatte does it: in ranks, the largest share
first (Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency", SIGGRAPH
2015). Shares add up, whatever is selected together, so that there is no seam between two masks.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Array, ImageBytes, Mask
from bridge.imaging.colour import over
from bridge.imaging.masks import grow_mask
from bridge.imaging.planes import decode_plane
from bridge.protocol import Frame, Names, Selected

_SMOOTHING = np.array((0.25, 0.5, 0.25), np.float32)
"""Of ids with one sample a pixel: the staircase of their border becomes a slope over two pixels."""


def names_in(frame: Frame) -> Names:
    """Return the names of what a frame shows.

    Raises:
        InputError: ``no_names`` where it has none.
    """
    if frame.names is None:
        raise InputError(
            "the captured frame does not say which objects it shows",
            code="no_names",
            hint="Capture it from Blender or Unreal with an object chosen in the Objects panel.",
        )
    return frame.names


def coverage(frame: Frame, selected: Selected) -> Mask:
    """Return the share of each pixel that shows what is selected.

    Args:
        frame: With names.
        selected: Of it.

    Returns:
        Shape (H, W) as captured, 0..1; exactly 0 where nothing of it is seen.

    Raises:
        InputError: ``missing_plane`` if the frame does not tell these pixels; ``size_mismatch`` where its
            planes contradict each other.
    """
    names = names_in(frame)
    numbers = selected.numbers
    if f"{selected.kind}_ranks" in frame.planes:
        ranks, shares = _ranked(frame, selected.kind)
        mask: Mask = np.minimum((_is_in(ranks, numbers) * shares).sum(-1), np.float32(1))
        return mask
    if selected.kind == "material":
        numbers = frozenset(
            number for number, item in enumerate(names.objects, start=1) if numbers & {*item.materials}
        )
    if "object_id" not in frame.planes:
        raise InputError(
            f"the captured frame does not tell which {selected.kind} each pixel shows",
            code="missing_plane",
            hint="Capture it with an object chosen in the Objects panel.",
        )
    return _smoothed(_is_in(decode_plane(frame.planes["object_id"]), numbers))


def one_after_another(masks: Sequence[Mask]) -> Iterator[Mask]:
    """Yield of each mask what those before it leave, so that no pixel is covered more than once."""
    left: Array | None = None
    for mask in masks:
        taken = mask if left is None else np.minimum(mask, left)
        left = 1 - taken if left is None else left - taken
        yield taken


def shaped(mask: Mask, grow: int, feather: int) -> Mask:
    """Widen a mask, or shrink it, and soften its border.

    Args:
        mask: Shape (H, W), 0..1.
        grow: Pixels; negative shrinks.
        feather: Pixels over which the border fades, half of them outside it.
    """
    grown = grow_mask(mask, grow, tapers=True) if grow else mask
    if not feather:
        return grown
    blurred: Mask = cv2.blur(grown, (feather + 1, feather + 1), borderType=cv2.BORDER_REPLICATE)
    return np.clip(blurred, 0, 1)


def captured_color(frame: Frame) -> ImageBytes:
    """Return the colours of a frame as captured, (H, W, 3) u8; transparent parts lie over grey.

    Raises:
        InputError: ``missing_plane`` without colour; ``bad_plane`` where it is none.
    """
    if "color" not in frame.planes:
        raise InputError(
            "the captured frame has no color",
            code="missing_plane",
            hint=f"It holds {', '.join(sorted(frame.planes))}.",
        )
    color = decode_plane(frame.planes["color"])
    if color.dtype != np.uint8 or color.ndim != 3 or color.shape[2] not in (3, 4):
        raise InputError(f"color has shape {color.shape} and type {color.dtype}", code="bad_plane")
    return over(color)


def _ranked(frame: Frame, kind: str) -> tuple[Array, Array]:
    """Return ranks, and their shares as floats, both (H, W, K); without shares the first rank is all."""
    ranks = decode_plane(frame.planes[f"{kind}_ranks"])
    if f"{kind}_shares" not in frame.planes:
        ranks = ranks[..., :1]
        return ranks, np.ones(ranks.shape, np.float32)
    shares = decode_plane(frame.planes[f"{kind}_shares"])
    if ranks.ndim != 3 or shares.shape != ranks.shape or shares.dtype != np.uint8:
        raise InputError(
            f"{kind}_ranks is {ranks.shape} and {kind}_shares is {shares.shape}",
            code="size_mismatch",
            hint="Both have a channel for each rank.",
        )
    return ranks, shares * np.float32(1 / 255)


def _is_in(numbers: Array, wanted: frozenset[int]) -> Mask:
    """Return 1 where a number is wanted."""
    table = np.zeros(max(wanted, default=0) + 2, np.float32)
    table[[*wanted]] = 1
    capped = np.minimum(numbers.astype(np.uint32, copy=False), len(table) - 1)
    return np.asarray(table[capped], np.float32)


def _smoothed(mask: Mask) -> Mask:
    smooth: Mask = cv2.sepFilter2D(mask, cv2.CV_32F, _SMOOTHING, _SMOOTHING, borderType=cv2.BORDER_REPLICATE)
    return smooth
