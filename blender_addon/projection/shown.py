# SPDX-License-Identifier: GPL-3.0-or-later
"""Let an object show its views, or what they were baked to."""

from __future__ import annotations

import bpy

from .colors import exposure_gain, match_display
from .material import baked_material, preview_material
from .record import Record, show_materials


def show_preview(item: bpy.types.Object, record: Record) -> None:
    """Let an object show its views, over its own materials."""
    made: dict[bpy.types.Material | None, bpy.types.Material] = {}
    originals = [slot.shown for slot in record.slots] or [None]
    for original in originals:
        if original not in made:
            made[original] = preview_material(_name(item), original, record.placed, record.is_in_world)
    show_materials(item, [made[original] for original in originals])
    for material in made.values():
        material.name = _name(item)  # now that the ones before have given it back


def show_baked(item: bpy.types.Object, record: Record, scene: bpy.types.Scene) -> None:
    """Let an object show its baked image.

    Lit by the scene, the picture is a surface's colour rather than what the display shows: plain sRGB.
    """
    shown = record.baked if record.is_lit else match_display(record.baked, scene)
    look = record.baked_uv, exposure_gain(scene), record.is_lit
    material = baked_material(_name(item), record.baked, shown, *look)
    show_materials(item, [material] * max(1, len(record.slots)))
    material.name = _name(item)


def _name(item: bpy.types.Object) -> str:
    return f"{item.name} Framebridge"
