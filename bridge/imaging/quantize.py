"""Pictures of few colours, with or without dithering."""

from typing import Literal

import numpy as np
from PIL import Image as PillowImage

from bridge.imaging.arrays import Array, Image
from bridge.imaging.colour import to_floats

Dither = Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"]
"""ComfyUI's names."""


def quantize(image: Image, colours: int, dither: Dither) -> Image:
    """Reduce a picture to a palette of its own, found by median cut.

    Args:
        image: Shape (H, W, 3), 0..1; goes through 8 bits, rounded down, as in ComfyUI.
        colours: Of the palette, 1..256.
        dither: How to mix colours that it lacks; ``bayer-n`` with an ordered pattern of n × n.
    """
    pixels = np.clip(image * 255, 0, 255).astype(np.uint8)
    palette = PillowImage.fromarray(pixels).quantize(colors=colours)
    if dither.startswith("bayer"):
        pattern = _bayer(int(dither.removeprefix("bayer-")))
        pixels = _patterned(pixels, pattern, 512 / _palette_size(palette))
    diffusion = PillowImage.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else PillowImage.Dither.NONE
    quantized = PillowImage.fromarray(pixels).quantize(palette=palette, dither=diffusion)
    return to_floats(np.asarray(quantized.convert("RGB")))


def _palette_size(palette: PillowImage.Image) -> int:
    return len(palette.getpalette() or []) // 3


def _patterned(pixels: Array, pattern: Array, spread: float) -> Array:
    """Add a repeated pattern to u8 pixels of shape (H, W, C)."""
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height) % len(pattern), np.arange(width) % len(pattern)
    lifted = pixels + (spread * pattern + 0.5).astype(np.float32)[rows][:, columns, None]
    return np.clip(lifted, 0, 255).astype(np.uint8)


def _bayer(side: int) -> Array:
    """Return the ordered pattern of a side that is a power of two, of mean 0. Source: Bayer 1973."""
    pattern = np.zeros((1, 1))
    while len(pattern) < side:
        corner = np.kron([[-1.5, 0.5], [1.5, -0.5]], np.ones_like(pattern))
        pattern = np.tile(pattern, (2, 2)) + corner / (2 * len(pattern)) ** 2
    return pattern
