# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid of pictures with a heading over each column and before each row, drawn with Blender's own font."""

from __future__ import annotations

from collections.abc import Mapping

import blf
import gpu
import numpy as np
from mathutils import Matrix

from ._bridge.host.grid import Grid
from ._bridge.host.words import wrapped

LONGEST_SIDE = 8192
"""Of a sheet, pixels; its pictures shrink to keep within."""

SMALLEST_CELL = 96
GAP = 8
LINES = 3
"""Of a heading."""

BACKGROUND, EMPTY, INK, FAULT = (24, 24, 27), (39, 39, 42), (228, 228, 231), (248, 113, 113)
_FONT, _LETTERS = 0, "0123456789abcdefghijklmnopqrst"


def draw_sheet(grid: Grid, pictures: Mapping[int, np.ndarray], words: Mapping[int, str]) -> np.ndarray:
    """Lay out pictures under and beside their headings.

    Args:
        grid: What they are of.
        pictures: Place, row by row, → uint8 (H, W, 3) or (H, W, 4), rows downwards; at least one.
        words: Place → why there is no picture.

    Returns:
        uint8 (H, W, 3), rows downwards.
    """
    columns, rows = len(grid.over), len(grid.before)
    first = next(iter(pictures.values()))
    divisor = _divisor(first.shape[1] * columns, first.shape[0] * rows)
    shown = {place: _shrunk(picture, divisor) for place, picture in pictures.items()}
    height, width = next(iter(shown.values())).shape[:2]
    size = min(28, max(13, width // 20))
    left = _room_for(grid.before, size, width)
    step_x, step_y = max(width, SMALLEST_CELL) + GAP, height + GAP
    lines = max(len(_lines(heading, size, step_x - GAP)) for heading in grid.over)
    top = 2 * GAP + lines * _line_height(size)
    sheet = np.empty((top + rows * step_y, left + columns * step_x, 3), np.uint8)
    sheet[:] = BACKGROUND
    for column, heading in enumerate(grid.over):
        _write(sheet, heading, left + column * step_x, GAP, size, step_x - GAP)
    for row, heading in enumerate(grid.before):
        _write(sheet, heading, GAP, top + row * step_y, size, left - 2 * GAP)
    for place in range(columns * rows):
        x, y = left + place % columns * step_x, top + place // columns * step_y
        if place in shown:
            _paste(sheet, shown[place], x, y)
        else:
            sheet[y : y + height, x : x + step_x - GAP] = EMPTY
            colour = FAULT if place in words else INK
            text = words.get(place, "not made")
            _write(sheet, text, x + GAP, y + GAP, size, step_x - 3 * GAP, colour)
    return sheet


def _divisor(width: int, height: int) -> int:
    """Return by which whole number pictures are to be divided so that all of them have room."""
    return -(-max(width, height) // (LONGEST_SIDE - 1024))


def _shrunk(picture: np.ndarray, divisor: int) -> np.ndarray:
    """Return a picture without alpha, each pixel the mean of a block."""
    height, width = (side // divisor * divisor for side in picture.shape[:2])
    blocks = picture[:height, :width, :3].reshape(height // divisor, divisor, width // divisor, divisor, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8) if divisor > 1 else picture[..., :3]


def _paste(sheet: np.ndarray, picture: np.ndarray, x: int, y: int) -> None:
    height, width = min(picture.shape[0], sheet.shape[0] - y), min(picture.shape[1], sheet.shape[1] - x)
    sheet[y : y + height, x : x + width] = picture[:height, :width]


def _room_for(headings: tuple[str, ...], size: int, width: int) -> int:
    """Return how wide the column of headings is, pixels, with its gaps."""
    if not any(headings):
        return GAP
    blf.size(_FONT, size)
    longest = max(blf.dimensions(_FONT, text)[0] for text in headings)
    return 2 * GAP + int(min(1.25 * longest, max(0.45 * width, SMALLEST_CELL)))


def _line_height(size: int) -> int:
    return round(size * 1.35)


def _write(
    sheet: np.ndarray,
    text: str,
    x: int,
    y: int,
    size: int,
    width: int,
    colour: tuple[int, int, int] = INK,
) -> None:
    """Write a text into a sheet, over at most ``LINES`` lines."""
    if not text:
        return
    cover = _drawn(_lines(text, size, width), size, width)[: sheet.shape[0] - y, : sheet.shape[1] - x]
    area = sheet[y : y + cover.shape[0], x : x + cover.shape[1]]
    area[:] = np.rint(area + (np.array(colour) - area) * (cover[..., None] / 255.0)).astype(np.uint8)


def _lines(text: str, size: int, width: int) -> list[str]:
    """Return a text in as many lines as it may have; what is left ends in an ellipsis."""
    blf.size(_FONT, size)
    letter = blf.dimensions(_FONT, _LETTERS)[0] / len(_LETTERS)
    letters = max(4, int(width / max(1.0, letter)))
    lines = wrapped(text, letters)
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1][: letters - 1]}…"]


def _drawn(lines: list[str], size: int, width: int) -> np.ndarray:
    """Return how much lines of text cover, uint8 (H, W), rows downwards."""
    step = _line_height(size)
    height = len(lines) * step
    canvas = gpu.types.GPUOffScreen(width, height)
    pixels = gpu.types.Buffer("UBYTE", width * height * 4)
    try:
        with canvas.bind(), gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
            framebuffer = gpu.state.active_framebuffer_get()
            framebuffer.clear(color=(0.0, 0.0, 0.0, 1.0))
            gpu.matrix.load_matrix(Matrix())
            gpu.matrix.load_projection_matrix(
                Matrix(((2 / width, 0, 0, -1), (0, 2 / height, 0, -1), (0, 0, 1, 0), (0, 0, 0, 1)))
            )
            gpu.state.blend_set("ALPHA")
            blf.color(_FONT, 1.0, 1.0, 1.0, 1.0)
            for number, line in enumerate(lines):
                blf.position(_FONT, 0, height - number * step - size, 0)
                blf.draw(_FONT, line)
            gpu.state.blend_set("NONE")
            framebuffer.read_color(0, 0, width, height, 4, 0, "UBYTE", data=pixels)
    finally:
        canvas.free()
    return np.array(pixels, np.uint8).reshape(height, width, 4)[::-1, :, 0]
