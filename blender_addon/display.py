# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a picture into an image datablock, where materials, editors and the file itself can use it.

Rules:
1. Our images are known by a custom property, not by name: a user's image is never overwritten.
2. Pixels are written first and packed afterwards, once a write: Blender 5.0.1 loses an image that is
   packed twice, and every version saves what was packed rather than what was written since.
"""

from __future__ import annotations

import bpy
import numpy as np

from ._bridge.errors import InputError
from ._bridge.protocol import Plane

SLOT = "framebridge_slot"
"""The custom property that says what an image of ours is for."""


def show_picture(picture: Plane, slot: str, name: str = "Framebridge") -> bpy.types.Image:
    """Write a picture into our image of this slot, which is made, or made anew, if need be.

    Args:
        picture: uint8 (H, W, 3) or (H, W, 4), raw, sRGB, rows downwards, straight alpha.
        slot: What it is for; each slot has one image.
        name: Of a new image; Blender adds a number if the name is taken.

    Raises:
        InputError: ``bad_image`` if it is none of that.
    """
    pixels = _blender_pixels(picture)
    height, width = picture.shape[:2]
    image = _usable(find_image(slot)) or _new_image(slot, name, width, height)
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(pixels)
    image.update()
    return image


def keep_picture(image: bpy.types.Image) -> None:
    """Pack what was last written, so that it is saved with the file, used or not."""
    image.use_fake_user = True
    if image.is_dirty:
        image.pack()


def find_image(slot: str) -> bpy.types.Image | None:
    """Return our image of a slot, if this file has one."""
    return next((image for image in bpy.data.images if not image.library and image.get(SLOT) == slot), None)


def _blender_pixels(picture: Plane) -> np.ndarray:
    """Return float32 RGBA, rows upwards, flat."""
    shape = picture.shape
    if picture.codec != "raw" or picture.dtype != "u8" or len(shape) != 3 or shape[2] not in (3, 4):
        raise InputError(
            f"a picture of shape {shape} as {picture.dtype}, {picture.codec}, cannot be shown",
            code="bad_image",
        )
    if len(picture.data) != picture.raw_bytes:
        raise InputError(f"a picture of shape {shape} has {len(picture.data)} bytes", code="bad_image")
    rows = np.frombuffer(picture.data, np.uint8).reshape(shape)[::-1]
    pixels = np.ones((shape[0], shape[1], 4), np.float32)
    np.multiply(rows, np.float32(1 / 255), out=pixels[..., : shape[2]])
    return pixels.ravel()


def _usable(image: bpy.types.Image | None) -> bpy.types.Image | None:
    """Return the image if bytes can be written to it; else it is the user's from now on."""
    if image is None or (image.source in {"GENERATED", "FILE"} and image.has_data and not image.is_float):
        return image
    del image[SLOT]
    return None


def _new_image(slot: str, name: str, width: int, height: int) -> bpy.types.Image:
    image = bpy.data.images.new(name, width, height, alpha=True)  # a byte image: what is set is what is saved
    image[SLOT] = slot
    return image
