# SPDX-License-Identifier: GPL-3.0-or-later
"""Let an object show its views, or what they were baked to."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from .colors import exposure_gain, match_display
from .material import baked_material, preview_material
from .record import Record, Slot, keep_slot, show_materials


def show_preview(item: bpy.types.Object, record: Record) -> None:
    """Let an object show its views, over its own materials."""
    _show(item, record, lambda own: preview_material(_name(item), own, record.placed, record.is_in_world))


def show_baked(item: bpy.types.Object, record: Record, scene: bpy.types.Scene) -> None:
    """Let an object show its baked image.

    Lit by the scene, the picture is a surface's colour rather than what the display shows: plain sRGB.
    """
    shown = record.baked if record.is_lit else match_display(record.baked, scene)
    look = record.baked_uv, exposure_gain(scene), record.is_lit
    _show(item, record, lambda own: baked_material(_name(item), own, record.baked, shown, *look))


def _show(
    item: bpy.types.Object,
    record: Record,
    made_for: Callable[[bpy.types.Material | None], bpy.types.Material],
) -> None:
    """Give an object one material for each of its slots, alike ones sharing it, that tells them apart."""
    slots = record.slots or (Slot("DATA", None, None),)
    made = {slot: made_for(slot.shown) for slot in dict.fromkeys(slots)}
    show_materials(item, [made[slot] for slot in slots])
    for slot, material in made.items():
        keep_slot(material, slot)
        material.name = _name(item)  # now that the ones before have given it back


def _name(item: bpy.types.Object) -> str:
    return f"{item.name} Framebridge"
