"""Contact sheets: labelled pictures in a grid."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LABEL_HEIGHT = 26
GAP = 8
BACKGROUND = (24, 24, 27)
INK = (228, 228, 231)


def contact_sheet(pictures: Sequence[tuple[str, NDArray[np.uint8]]], columns: int) -> NDArray[np.uint8]:
    """Lay out pictures with their labels, row by row.

    Args:
        pictures: Label and picture, u8 sRGB of shape (H, W, 3); all are shown at the size of the first.
        columns: Pictures a row.

    Returns:
        Shape (H', W', 3), u8 sRGB.

    Raises:
        ValueError: If there is no picture, or ``columns`` is not positive.
    """
    if not pictures or columns < 1:
        raise ValueError("a contact sheet needs pictures and at least one column")
    height, width = pictures[0][1].shape[:2]
    rows = -(-len(pictures) // columns)
    cell_width, cell_height = width + GAP, height + LABEL_HEIGHT + GAP
    sheet = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for index, (label, picture) in enumerate(pictures):
        left = GAP + index % columns * cell_width
        top = GAP + index // columns * cell_height
        tile = Image.fromarray(picture)
        sheet.paste(tile if tile.size == (width, height) else tile.resize((width, height)), (left, top))
        draw.text((left + 2, top + height + 4), fitted(label, font, width), fill=INK, font=font)
    return np.asarray(sheet)


def fitted(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut a label that is too long for its picture."""
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(f"{label}…") > width:
        label = label[:-1]
    return f"{label}…"
