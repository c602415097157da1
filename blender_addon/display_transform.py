# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn linear colours into those that a scene's view transform shows."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from .scene_copy import set_format
from .settings import temporary


def displayed(scene: bpy.types.Scene, combined: np.ndarray, folder: Path) -> np.ndarray:
    """Return colours as the Image Editor shows them.

    Blender transforms colours for the screen, and for files that it saves, such as a small one here.

    Args:
        scene: Whose view transform, exposure and curves are meant; one of ours, whose file format is changed.
        combined: float32 (H, W, 3), linear, in the space that Blender renders in.
        folder: For the file.

    Returns:
        uint8 (H, W, 3).

    Raises:
        OSError, RuntimeError, ValueError: If the file cannot be written or read.
    """
    height, width = combined.shape[:2]
    path = folder / "color.tga"
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = combined[::-1]
    set_format(scene.render.image_settings, "TARGA_RAW")
    scene.render.image_settings.color_mode = "RGB"
    with temporary(bpy.data.images, "Framebridge", width, height, alpha=True, float_buffer=True) as image:
        if hasattr(bpy.data, "colorspace"):  # Blender 5: files choose the space they are linear in
            image.colorspace_settings.name = bpy.data.colorspace.working_space
        image.pixels.foreach_set(pixels.ravel())
        image.save_render(str(path), scene=scene)
    return _read_targa(path.read_bytes(), width, height)


def _read_targa(data: bytes, width: int, height: int) -> np.ndarray:
    """Return the colours of an uncompressed file, uint8 (H, W, 3), rows downwards."""
    header_bytes = 18 + data[0]  # and a comment
    pixels = np.frombuffer(data, np.uint8, width * height * 3, header_bytes).reshape(height, width, 3)
    is_downwards = bool(data[17] & 0x20)
    rows = pixels if is_downwards else pixels[::-1]
    return np.ascontiguousarray(rows[..., ::-1])  # blue comes first
