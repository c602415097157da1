# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures in the panel that are no images of the file: step previews and control maps."""

from __future__ import annotations

import zlib
from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

SIDE = 256
"""The longest side of what is kept, pixels."""


class Thumbnails:
    """Pictures by name, as icons that ``template_icon`` draws.

    Attributes:
        serial: Counts the pictures that were set, so that somebody else can see that there are new ones.
    """

    def __init__(self) -> None:
        self._icons: bpy.utils.previews.ImagePreviewCollection | None = None
        self.serial = 0
        self._names: dict[str, str] = {}

    def set(self, name: str, rows: np.ndarray) -> None:
        """Show a picture under a name.

        Args:
            name: What it is called; an older one of that name goes.
            rows: uint8 (H, W, 3) or (H, W, 4), rows downwards.
        """
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        self.drop(name)
        self.serial += 1
        icon = self._icons.new(f"{name} {self.serial}")  # Blender keeps showing the old one under an old key
        self._names[name] = f"{name} {self.serial}"
        step = max(1, -(-max(rows.shape[:2]) // SIDE))
        small = rows[::step, ::step]
        side = max(small.shape[:2])
        square = np.zeros((side, side, 4), np.float32)  # icons are square; the picture lies in its middle
        top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
        place = square[top : top + small.shape[0], left : left + small.shape[1]]
        place[..., : small.shape[2]] = small * np.float32(1 / 255)
        if small.shape[2] == 3:
            place[..., 3] = 1.0
        icon.image_size = side, side
        icon.image_pixels_float.foreach_set(square[::-1].ravel())

    def load(self, name: str, png: bytes) -> None:
        """Show a PNG file's picture under a name, unless there is one."""
        if name in self._names:
            return
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        file = Path(bpy.app.tempdir) / f"framebridge_{zlib.crc32(png):08x}.png"
        file.write_bytes(png)
        self._icons.load(name, str(file), "IMAGE")
        self._names[name] = name

    def icon(self, name: str) -> int:
        """Return the icon's number; 0 if there is no such picture."""
        if self._icons is None or name not in self._names:
            return 0
        return self._icons[self._names[name]].icon_id

    def clear(self) -> None:
        """Forget all of them, as must be done before Blender quits."""
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons, self._names = None, {}

    def drop(self, name: str) -> None:
        """Forget one."""
        old = self._names.pop(name, None)
        if old is not None:
            del self._icons[old]
