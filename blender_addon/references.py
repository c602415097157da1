# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that an artist chose for a preset, read from Blender's images once, not for every capture.

Rules:
1. Blender tells nobody when the pixels of an image change. Those of an image that is as it lies in its
   file, or packed, cannot have changed while both are the same; those of any other (painted on, generated,
   rendered, a movie) are read each time.
2. Only what is sent is converted: every so many pixels.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import replace

import bpy
import numpy as np

from ._bridge import protocol
from ._bridge.errors import BridgeError
from ._bridge.host.preset import Picture, Preset
from .controls import picture_attribute_of, values_of
from .properties import Settings
from .wire import plane_of

LARGEST_REFERENCE = 1024
"""Pixels of the longer side of a picture that the artist chose; what looks at it sees 224 to 384."""

_read: dict[str, tuple[Hashable, protocol.Plane]] = {}
"""Plane → what it was read from, and the plane; a preset has few."""


def with_chosen_pictures(frame: protocol.Frame, settings: Settings, preset: Preset) -> protocol.Frame:
    """Return a frame with the pictures that the artist chose for a preset.

    Raises:
        BridgeError: ``no_picture`` if one is missing or empty.
    """
    group = values_of(settings, preset)
    planes = dict(frame.planes)
    for picture in preset.pictures:
        image = _chosen(picture, getattr(group, picture_attribute_of(picture.name)))
        planes[picture.name] = _plane(picture.name, image)
    return replace(frame, planes=planes)


def forget() -> None:
    """Read all of them anew: another file is opened."""
    _read.clear()


def _chosen(picture: Picture, image: bpy.types.Image | None) -> bpy.types.Image:
    if image is None or not min(image.size):
        raise BridgeError(
            f"{picture.label} is empty: no picture is chosen"
            if image is None
            else f'the picture "{image.name}" is empty or cannot be found',
            code="no_picture",
            hint=f"Choose one beside {picture.label}, or open its file there.",
        )
    return image


def _plane(name: str, image: bpy.types.Image) -> protocol.Plane:
    version = _version(image)
    if name in _read and version is not None and _read[name][0] == version:
        return _read[name][1]
    _read.pop(name, None)  # while it is painted on, nothing says when what was read is true again
    plane = plane_of(name, "u8", _rows(image))
    if version is not None:
        _read[name] = version, plane
    return plane


def _version(image: bpy.types.Image) -> Hashable | None:
    """Return what changes when the pixels do; ``None`` where nothing says so."""
    if image.is_dirty or image.source not in ("FILE", "TILED"):
        return None
    packed = image.packed_file
    if packed is not None:
        where: Hashable = packed.as_pointer(), packed.size
    else:
        path = bpy.path.abspath(image.filepath, library=image.library)
        try:
            where = path, os.stat(path).st_mtime_ns
        except OSError:
            return None
    return image.as_pointer(), tuple(image.size), where


def _rows(image: bpy.types.Image) -> np.ndarray:
    """Return the pixels that are sent, uint8 (H, W, 3), rows downwards."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    step = max(1, -(-max(width, height) // LARGEST_REFERENCE))
    seen = pixels.reshape(height, width, 4)[::-1][::step, ::step, :3]
    return np.rint(np.clip(seen, 0.0, 1.0) * 255).astype(np.uint8)
