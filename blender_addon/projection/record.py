# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object remembers about its projection: its slots as they were, the views, the baked image.

It lies in a custom property of the object, so that it is saved, undone and duplicated with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import bpy
import numpy as np

from .material import HELD, LINK, OURS, Placed, own_material, views_in
from .uv import remove_uv
from .view import is_view, matrix_of

RECORD = "framebridge_projection"

_TEXTS = ("active_uv", "bake_uv", "baked_uv")
_FLAGS = ("is_in_world", "shows_bake", "is_lit")


@dataclass(frozen=True)
class Slot:
    """A material slot as the user left it; ours in it stands for what it shows.

    Args:
        link: ``DATA`` or ``OBJECT``.
        shown: The material that it showed.
        own: What the object itself held there, which ``DATA`` hides.
    """

    link: str
    shown: bpy.types.Material | None
    own: bpy.types.Material | None


@dataclass(frozen=True)
class Record:
    """The state of one projected object.

    Args:
        slots: Those that it had, maybe none.
        placed: The views, oldest first.
        is_in_world: Whether the views' matrices start from world coordinates.
        active_uv: Name of the UV map that was active.
        baked: The image of its last bake.
        bake_uv: Name of the UV map that was made to bake to; empty if it had one.
        baked_uv: Name of the UV map that it was baked to.
        shows_bake: Whether it shows the baked image rather than the views.
        is_lit: Whether the scene lights the baked image.
    """

    slots: tuple[Slot, ...]
    placed: tuple[Placed, ...] = field(default=())
    is_in_world: bool = False
    active_uv: str = ""
    baked: bpy.types.Image | None = None
    bake_uv: str = ""
    baked_uv: str = ""
    shows_bake: bool = False
    is_lit: bool = False


def read_record(item: bpy.types.Object) -> Record | None:
    """Return an object's record, without what somebody has deleted since.

    ``None`` if it has none, or one that cannot be read: a file may hold anything there.
    """
    stored = item.get(RECORD)
    if not hasattr(stored, "to_dict") or not hasattr(item.data, "materials"):
        return None
    try:
        return _record(stored.to_dict())
    except (KeyError, TypeError):
        return None


def current_record(item: bpy.types.Object) -> Record | None:
    """Return an object's record with the slots as they are now: the user may have changed them since."""
    record = read_record(item)
    return replace(record, slots=_read_slots(item, record)) if record else None


def write_record(item: bpy.types.Object, record: Record) -> None:
    """Keep a record with its object."""
    stored: dict[str, Any] = {name: getattr(record, name) for name in (*_TEXTS, *_FLAGS)}
    if record.baked:
        stored["baked"] = record.baked
    if record.slots:
        stored["slots"] = [
            {"link": slot.link}
            | ({"shown": slot.shown} if slot.shown else {})
            | ({"own": slot.own} if slot.own else {})
            for slot in record.slots
        ]
    if record.placed:
        stored["placed"] = [
            {"view": each.view, "matrix": each.matrix.ravel().tolist(), "uv_map": each.uv_map}
            for each in record.placed
        ]
    item[RECORD] = stored


def recorded_objects() -> list[bpy.types.Object]:
    """Return every projected object of the file whose record can be read."""
    return [item for item in bpy.data.objects if not item.library and read_record(item)]


def new_record(item: bpy.types.Object, is_in_world: bool) -> Record:
    """Remember an object as it is."""
    layers = getattr(item.data, "uv_layers", None)
    active = layers.active.name if layers and layers.active else ""
    return Record(_read_slots(item), is_in_world=is_in_world, active_uv=active)


def keep_slot(material: bpy.types.Material, slot: Slot) -> None:
    """Let a material of ours keep the slot in which it stands for another: slots are moved and removed."""
    material[LINK] = slot.link
    if slot.own:
        material[HELD] = slot.own


def show_materials(item: bpy.types.Object, materials: list[bpy.types.Material]) -> None:
    """Put materials into an object's slots; one without slots gets the one that it needs.

    The slots are those of the object. Its mesh, which others may share, keeps its own materials.
    """
    if not item.material_slots:
        item.data.materials.append(None)
    before = {slot.material for slot in item.material_slots}
    for slot, material in zip(item.material_slots, materials, strict=True):
        slot.link = "OBJECT"
        slot.material = material
    remove_unused(before)


def restore(item: bpy.types.Object, record: Record) -> None:
    """Make an object what it was: slots, links, materials, UV maps.

    Args:
        item: The object.
        record: Its current one.
    """
    ours = {slot.material for slot in item.material_slots}
    for slot, was in zip(item.material_slots if record.slots else (), record.slots, strict=True):
        slot.link = "OBJECT"
        slot.material = was.own
        slot.link = was.link
        if was.link == "OBJECT":
            slot.material = was.shown
    if not record.slots and item.material_slots:
        item.material_slots[0].material = None
        item.material_slots[0].link = "DATA"
        if not _is_slot_needed(item):
            item.data.materials.clear()  # pop() leaves the objects' slots
    del item[RECORD]
    give_back(item)
    remove_unused(ours)
    _restore_uv(item, record)


def is_showing_ours(item: bpy.types.Object) -> bool:
    """Tell whether an object or its mesh has a material of ours; joining moves ours to other objects."""
    materials = [slot.material for slot in item.material_slots] + _of_mesh(item)
    return any(material and OURS in material for material in materials)


def give_back(item: bpy.types.Object, view: bpy.types.NodeTree | None = None) -> None:
    """Put own materials back where an object, beyond its record, or its mesh has one of ours.

    Args:
        item: Maybe joined with a projected one.
        view: The one whose materials are meant; all, if none.
    """

    def is_meant(material: bpy.types.Material | None) -> bool:
        return bool(material and OURS in material) and (view is None or view in views_in(material))

    record = read_record(item)
    known = max(1, len(record.slots)) if record else 0
    for slot in list(item.material_slots)[known:] if not item.library else ():
        if slot.link == "OBJECT" and is_meant(slot.material):
            slot.material = own_material(slot.material)
    for place, material in enumerate(_of_mesh(item)):
        if is_meant(material):
            item.data.materials[place] = own_material(material)


def remove_unused(materials: set[bpy.types.Material | None]) -> None:
    """Remove those that are ours and that no object shows any more."""
    for material in materials:
        if material and OURS in material and not material.users:
            bpy.data.materials.remove(material)


def without_view(record: Record, view: bpy.types.NodeTree) -> Record:
    """Return the record without a view."""
    return replace(record, placed=tuple(each for each in record.placed if each.view != view))


def _of_mesh(item: bpy.types.Object) -> list[bpy.types.Material | None]:
    """Return the materials of an object's mesh, unless that is another file's."""
    return list(item.data.materials) if hasattr(item.data, "materials") and not item.data.library else []


def _record(stored: dict[str, Any]) -> Record:
    """Raises KeyError or TypeError where it is none."""
    slots = tuple(_slot(_of_type(each, dict)) for each in _of_type(stored.get("slots", []), list))
    listed = [_of_type(each, dict) for each in _of_type(stored.get("placed", []), list)]
    placed = tuple(_placed(each) for each in listed if is_view(each.get("view")))
    baked = _of_type(stored.get("baked"), bpy.types.Image, type(None))
    texts = {name: _of_type(stored[name], str) for name in _TEXTS}
    flags = {name: bool(_of_type(stored[name], int)) for name in _FLAGS}
    flags["shows_bake"] &= baked is not None
    return Record(slots, placed, baked=baked, **texts, **flags)


def _slot(stored: dict[str, Any]) -> Slot:
    if stored["link"] not in ("DATA", "OBJECT"):
        raise TypeError(f"no slot is linked to {stored['link']!r}")
    shown, own = (_of_type(stored.get(name), bpy.types.Material, type(None)) for name in ("shown", "own"))
    return Slot(stored["link"], shown, own)


def _placed(stored: dict[str, Any]) -> Placed:
    return Placed(
        stored["view"], _of_type(matrix_of(stored["matrix"]), np.ndarray), _of_type(stored["uv_map"], str)
    )


def _of_type(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"{value!r} is none of {kinds}")
    return value


def _others_with_mesh(item: bpy.types.Object) -> list[Record]:
    """Return the records of the objects that share an object's mesh."""
    others = (other for other in recorded_objects() if other != item and other.data == item.data)
    return [record for record in map(read_record, others) if record]


def _read_slots(item: bpy.types.Object, record: Record | None = None) -> tuple[Slot, ...]:
    """Return an object's slots as the user has them now; none if its only one is there for our sake."""
    known = record.slots if record and len(record.slots) == len(item.material_slots) else ()
    slots = tuple(_read_slot(slot, was) for slot, was in zip_longest(item.material_slots, known))
    is_ours = not record.slots if record else _is_slot_ours(item)
    is_bare = len(slots) == 1 and not (slots[0].shown or slots[0].own)
    return () if is_ours and is_bare else slots


def _read_slot(slot: bpy.types.MaterialSlot, was: Slot | None) -> Slot:
    """Return a slot as the user has it; as it was, if it shows nothing because ours has been deleted."""
    link = slot.link
    slot.link = "OBJECT"
    held = slot.material
    slot.link = "DATA"
    of_mesh = own_material(slot.material)
    slot.link = link
    if was and not held and link == "OBJECT":
        return was
    if held and OURS in held:
        kept_link, held = _kept_slot(held)
        link = kept_link if link == "OBJECT" else "DATA"
    return Slot(link, held if link == "OBJECT" else of_mesh, held)


def _kept_slot(material: bpy.types.Material) -> tuple[str, bpy.types.Material | None]:
    """Return the link of the slot that a material of ours is in, and what the object itself held there."""
    if material.get(LINK) != "DATA":
        return "OBJECT", own_material(material)
    own = material.get(HELD)
    return "DATA", own if isinstance(own, bpy.types.Material) else None


def _is_slot_ours(item: bpy.types.Object) -> bool:
    """Tell whether an object has a slot only because another one with the same mesh needed it."""
    return any(not record.slots for record in _others_with_mesh(item))


def _is_slot_needed(item: bpy.types.Object) -> bool:
    sharing = [other for other in bpy.data.objects if other.data == item.data]
    is_filled = any(slot.material for other in sharing for slot in other.material_slots)
    return len(item.data.materials) != 1 or is_filled or bool(_others_with_mesh(item))


def _restore_uv(item: bpy.types.Object, record: Record) -> None:
    if item.type != "MESH":
        return
    mesh = item.data
    others = _others_with_mesh(item)
    kept = {each.uv_map for other in others for each in other.placed} | {other.bake_uv for other in others}
    for name in ({each.uv_map for each in record.placed} | {record.bake_uv}) - kept:
        remove_uv(mesh, name)
    if record.active_uv in mesh.uv_layers and not others and not mesh.library:
        mesh.uv_layers.active = mesh.uv_layers[record.active_uv]
