"""A grid of pictures with a heading over each column and before each row, for comparing two values."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bridge.imaging.arrays import ImageBytes
from bridge.imaging.sheet import BACKGROUND, GAP, INK, fitted

MAX_SIDE = 8192
"""Of a sheet, pixels; its pictures shrink to keep within."""

SMALLEST_CELL, LARGEST_CELL = 96, 768
"""Sides of its pictures, pixels: labels need room, and a sheet is for looking at as a whole."""

LABEL_LINES = 3
"""Of a heading; more is cut."""

ROW_WIDTH = 0.45
"""Of the headings before the rows, at most, as a share of a picture's width."""

EMPTY = (39, 39, 42)
FAULT = (248, 113, 113)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the grid.

    Args:
        picture: Shape (H, W, 3), u8 sRGB; ``None`` where there is none.
        words: Why there is none.
        has_failed: Whether that is a fault.
    """

    picture: ImageBytes | None
    words: str = ""
    has_failed: bool = False


def grid_sheet(rows: Sequence[Sequence[Cell]], over: Sequence[str], before: Sequence[str]) -> ImageBytes:
    """Lay out pictures under and beside their headings.

    Args:
        rows: Cells, row by row, all of the same length.
        over: Headings of the columns.
        before: Headings of the rows; empty texts leave no room for them.

    Returns:
        Shape (H, W, 3), u8 sRGB; sides of at most ``MAX_SIDE``.

    Raises:
        ValueError: If there are no cells, or headings and cells do not match.
    """
    if not rows or {len(row) for row in rows} != {len(over)} or len(before) != len(rows) or not over:
        raise ValueError("a grid needs cells, and a heading for each row and column")
    return np.asarray(_Layout(rows, over, before).drawn())


class _Layout:
    def __init__(self, rows: Sequence[Sequence[Cell]], over: Sequence[str], before: Sequence[str]) -> None:
        self._rows, self._over, self._before = rows, over, before
        self._width, self._height = _cell_size(rows)
        self._font = ImageFont.load_default(size=min(28, max(13, self._width // 20)))
        self._line = round(self._font.size * 1.35) if isinstance(self._font, ImageFont.FreeTypeFont) else 16
        room = round(self._width * ROW_WIDTH)
        self._left = min(room, max(self._longest(before, room), 0)) + GAP if any(before) else 0
        headings = [self._wrapped(text, self._width) for text in over]
        self._top = self._line * max(1, *(len(lines) for lines in headings)) + GAP

    def drawn(self) -> Image.Image:
        """Return the sheet."""
        step_x, step_y = self._width + GAP, self._height + GAP
        size = self._left + len(self._over) * step_x + GAP, self._top + len(self._rows) * step_y + GAP
        sheet = Image.new("RGB", size, BACKGROUND)
        draw = ImageDraw.Draw(sheet)
        for column, text in enumerate(self._over):
            self._write(draw, text, self._left + GAP + column * step_x, GAP // 2, self._width)
        for row, (text, cells) in enumerate(zip(self._before, self._rows, strict=True)):
            top = self._top + row * step_y
            self._write(draw, text, GAP, top, self._left - GAP)
            for column, cell in enumerate(cells):
                self._place(sheet, draw, cell, self._left + GAP + column * step_x, top)
        return sheet

    def _place(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int) -> None:
        if cell.picture is None:
            right, bottom = left + self._width - 1, top + self._height - 1
            colour = FAULT if cell.has_failed else INK
            draw.rectangle(
                (left, top, right, bottom), fill=EMPTY, outline=colour if cell.has_failed else None
            )
            self._write(draw, cell.words, left + GAP, top + GAP, self._width - 2 * GAP, colour, lines=12)
            return
        picture = Image.fromarray(cell.picture)
        picture.thumbnail((self._width, self._height), Image.Resampling.LANCZOS)
        inset = (self._width - picture.width) // 2, (self._height - picture.height) // 2
        sheet.paste(picture, (left + inset[0], top + inset[1]))

    def _write(
        self,
        draw: ImageDraw.ImageDraw,
        text: str,
        left: int,
        top: int,
        width: int,
        colour: tuple[int, int, int] = INK,
        lines: int = LABEL_LINES,
    ) -> None:
        for number, line in enumerate(self._wrapped(text, width, lines)):
            draw.text((left, top + number * self._line), line, fill=colour, font=self._font)

    def _wrapped(self, text: str, width: int, lines: int = LABEL_LINES) -> list[str]:
        """Return a text in as many lines as it may have; what is left ends in an ellipsis."""
        letters = max(4, int(width / max(1.0, self._font.getlength("0123456789abcdefghijklmnopqrst") / 30)))
        found = textwrap.wrap(text, letters) or [""]
        if len(found) > lines:
            found = [*found[: lines - 1], f"{found[lines - 1]}…"]
        return [fitted(line, self._font, width) for line in found]

    def _longest(self, texts: Sequence[str], room: int) -> int:
        """Return the width of the longest line of headings, pixels."""
        lines = [line for text in texts for line in self._wrapped(text, room)]
        return max(int(self._font.getlength(line)) + 1 for line in lines)


def _cell_size(rows: Sequence[Sequence[Cell]]) -> tuple[int, int]:
    """Return width and height that every picture fits into, within what a sheet may have."""
    shapes = [cell.picture.shape for row in rows for cell in row if cell.picture is not None]
    height = max((shape[0] for shape in shapes), default=256)
    width = max((shape[1] for shape in shapes), default=256)
    room_x = MAX_SIDE / (len(rows[0]) + ROW_WIDTH) - 2 * GAP
    room_y = (MAX_SIDE - 200) / len(rows) - 2 * GAP
    scale = min(1.0, LARGEST_CELL / max(width, height), room_x / width, room_y / height)
    return max(SMALLEST_CELL, round(width * scale)), max(SMALLEST_CELL, round(height * scale))
