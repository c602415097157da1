"""Where prompts hold: their window of the latents, and their weight at each latent in it.

Numbers are ComfyUI's: prompts that overlap are averaged by weight, and the border of an area fades so that
no seam is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.diffusion.fit import repeat_to, scale, warn_of_stretching
from bridge.diffusion.types import Area, Prompt
from bridge.errors import InputError

FADE = 8
"""Latents over which an area's border fades, at most; a quarter of its side if that is less."""

SMALLEST_BOUNDS = 8
"""Latents along a side of a mask's bounding box, at least."""

Weight = float | Tensor
"""A number, or a map of shape (B or 1, 1, h, w) of the window's size."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the latents."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, values: Tensor) -> Tensor:
        """Return a view of the rectangle in a tensor (..., h, w)."""
        return values[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def contains(self, other: "Window") -> bool:
        """Tell whether another rectangle lies within this one."""
        return (
            self.top <= other.top
            and self.left <= other.left
            and other.top + other.height <= self.top + self.height
            and other.left + other.width <= self.left + self.width
        )


def window_of(prompt: Prompt, shape: Sequence[int], latent_factor: int) -> Window | None:
    """Return the window that a prompt is limited to; ``None`` if it sees the whole picture.

    Warns of a mask of other proportions than the picture's.

    Args:
        prompt: With an area, a region, or neither.
        shape: Of the latents, (B, C, h, w).
        latent_factor: Pixels along a side of one latent.

    Raises:
        InputError: If its area lies outside the picture.
    """
    height, width = shape[2:]
    if prompt.region is not None:
        sides = height * latent_factor, width * latent_factor
        warn_of_stretching("the mask of a prompt", prompt.region.mask, *sides, latent_factor)
    if prompt.region is not None and prompt.region.is_cropped:
        return _bounds(stretch_mask(prompt.region.mask, height, width))
    if prompt.area is None:
        return None
    window = _scaled(prompt.area, height, width, latent_factor)
    if window.top >= height or window.left >= width:
        raise InputError(
            f"a prompt's area begins at {prompt.area.x:g}, {prompt.area.y:g}, outside the picture of "
            f"{width * latent_factor}×{height * latent_factor}",
            hint="Give the area a smaller x and y, or make the latents larger.",
        )
    return Window(
        window.top,
        window.left,
        min(window.height, height - window.top),
        min(window.width, width - window.left),
    )


def weight_of(prompt: Prompt, window: Window | None, shape: Sequence[int]) -> Weight:
    """Return how much a prompt counts where it holds.

    Raises:
        InputError: If the number of its masks does not divide the batch.
    """
    batch, _, height, width = shape
    if prompt.region is not None:
        masks = stretch_mask(prompt.region.mask, height, width)[:batch]
        if batch % len(masks):
            raise InputError(
                f"a prompt is limited by {len(masks)} masks, but the batch has {batch} pictures",
                hint="Give one mask for all, or one for each picture.",
            )
        masks = repeat_to(masks, batch)[:, None]
        masks = masks if window is None else window.cut(masks)
        return masks * prompt.region.strength * prompt.strength
    if window is None:
        return prompt.strength
    rows = _fade(window.height, window.top > 0, window.top + window.height < height)
    columns = _fade(window.width, window.left > 0, window.left + window.width < width)
    return (rows[:, None] * columns * prompt.strength)[None, None]


def shares(weights: Sequence[Weight], windows: Sequence[Window | None], shape: Sequence[int]) -> list[Weight]:
    """Divide the weights of prompts by their sum, latent by latent; 0 where none counts."""
    numbers = [weight for weight in weights if not isinstance(weight, Tensor)]
    if len(numbers) == len(weights):
        total = sum(numbers)
        return [number / total if total else 0.0 for number in numbers]
    sums = torch.zeros(shape[0], 1, *shape[2:])
    for weight, window in zip(weights, windows, strict=True):
        (sums if window is None else window.cut(sums)).add_(weight)
    sums.clamp_(min=torch.finfo(sums.dtype).tiny)
    return [
        weight / (sums if window is None else window.cut(sums))
        for weight, window in zip(weights, windows, strict=True)
    ]


def stretch_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """Stretch masks (…, H, W) to a size; shape (B, height, width)."""
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    return scale(mask, width, height, "bilinear")[:, 0]


def _scaled(area: Area, height: int, width: int, latent_factor: int) -> Window:
    if area.is_fraction:
        return Window(
            round(area.y * height),
            round(area.x * width),
            max(1, round(area.height * height)),
            max(1, round(area.width * width)),
        )
    top, left, tall, wide = (int(side) // latent_factor for side in (area.y, area.x, area.height, area.width))
    return Window(top, left, max(1, tall), max(1, wide))


def _bounds(masks: Tensor) -> Window:
    """Return what holds every selected latent; the upper left corner if none is selected."""
    selected = masks.any(dim=0)
    height, width = selected.shape
    rows, columns = (selected.any(dim=axis).nonzero().flatten().tolist() or [0] for axis in (1, 0))
    top, left = rows[0], columns[0]
    tall, wide = max(SMALLEST_BOUNDS, rows[-1] - top + 1), max(SMALLEST_BOUNDS, columns[-1] - left + 1)
    return Window(top, left, min(tall, height - top), min(wide, width - left))


def _fade(length: int, fades_in: bool, fades_out: bool) -> Tensor:
    """Return weights along a side: 1, but rising from an edge and falling to the other where asked."""
    weights = torch.ones(length)
    count = min(FADE, length // 4)
    slope = torch.arange(1, count + 1) / count
    if fades_in:
        weights[:count] *= slope
    if fades_out:
        weights[length - count :] *= slope.flip(0)
    return weights
