# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels as a PNG file; filter 2 ("up") of every row compresses renders well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ._bridge.host.png import png_of


def encode_png(pixels: np.ndarray, texts: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file.

    Args:
        pixels: uint8 (H, W, 3) or (H, W, 4), sRGB, rows downwards.
        texts: Keyword → text, kept as iTXt.
    """
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # wraps around, as the filter wants
    return png_of(width, height, filtered.tobytes(), texts)
