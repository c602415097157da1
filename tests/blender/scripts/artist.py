"""What scripts do that use the panel: a small scene to capture, its settings, and what a button says."""

from collections.abc import Callable
from typing import Any

import bpy
import scenes
from framebridge import controls
from framebridge.studio import studio

SIDE = 128
"""Pixels of the longer side of pictures, which are many."""


def prepare(side: int = SIDE) -> None:
    """Make a scene of solids with a camera, which is captured, and forget the last fault."""
    scenes.solids()
    scenes.camera("perspective")
    settings().source, settings().longest_side = "CAMERA", side
    studio().dismiss()


def scene() -> bpy.types.Scene:
    return bpy.context.scene


def settings() -> bpy.types.PropertyGroup:
    return scene().framebridge


def values() -> bpy.types.PropertyGroup:
    """Return the values of the chosen preset's controls."""
    return controls.values_of(settings(), controls.preset_of(settings()))


def connect() -> None:
    """Connect, and wait until the presets are known."""
    bpy.ops.framebridge.connect()
    studio().wait(lambda: studio().link.is_ready)


def told(action: Callable[[], Any]) -> str:
    """Return what a button reports that cannot do what it is for; else what it returns."""
    try:
        return str(action())
    except RuntimeError as error:
        return str(error).strip()
