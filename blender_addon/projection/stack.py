# SPDX-License-Identifier: GPL-3.0-or-later
"""Project pictures onto objects from the cameras they were captured with, and take them off again.

Rules:
1. Each view of an object is kept in the file until it is removed: views are blended when the scene is
   drawn, and the object's own materials, meshes and modifiers stay as they are.
2. Where a point lies in a view is computed from its place on the object, for each pixel: large faces,
   modifiers and rigid motion are right, and no UV map is needed. A deformation after the capture makes the
   paint slide; baking fixes it to the surface.
3. What is only seen as an instance shares its material with the other instances. It is painted by its place
   in the world, so that each instance gets its own colours; these stay in the world when it moves.
4. A view takes the place of one that saw the object from the same place through the same lens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import bpy
import numpy as np

from .._bridge.errors import BridgeError, Problem
from ..capture import Capture
from ..surfaces import Key, object_key, values
from .colors import display_key, exposure_gain, match_display, remove_picture
from .material import OURS, Placed, emitting_materials, match_emission, textures_in, views_in
from .record import (
    RECORD,
    Record,
    current_record,
    give_back,
    is_showing_ours,
    new_record,
    read_record,
    recorded_objects,
    restore,
    without_view,
    write_record,
)
from .shown import show_preview
from .uv import remove_uv, write_projected_uv
from .view import (
    all_views,
    camera_matrix,
    match_view,
    new_view,
    projection_matrix,
    remove_view_data,
)

MATCHED = "framebridge_display"
"""The custom property of a scene that says which display its views were matched to."""

MOST_TEXTURES = 24
"""In one material. EEVEE on Mesa showed 24 in Blender 4.2 and 26 in 5.0, and plain magenta beyond."""

_OF_A_VIEW = 2
"""Textures: the picture and the depth."""

_PAINTABLE = frozenset({"MESH", "CURVE", "SURFACE", "FONT"})
_SOLID = frozenset({"SOLID", "TEXTURED"})


class ProjectionError(BridgeError):
    """Nothing was projected or baked, and nothing was changed."""

    code = "projection_failed"


@dataclass(frozen=True)
class ProjectionOptions:
    """How a view paints.

    Args:
        max_angle: Degrees by which a face may be turned from the camera before it is left bare.
        strength: 0..1; below 1 what was there before shines through.
        writes_uv_map: Whether meshes with room for it also get the view as a UV map.
    """

    max_angle: float = 90.0
    strength: float = 1.0
    writes_uv_map: bool = True


@dataclass(frozen=True)
class Projected:
    """What was done.

    Args:
        view: The new view.
        objects: Those that it paints.
        warnings: What was left out, and why; and what has no room for another view.
    """

    view: bpy.types.NodeTree
    objects: tuple[bpy.types.Object, ...]
    warnings: tuple[Problem, ...]


def placements() -> dict[Key, np.ndarray]:
    """Return where each object is, in world units; to be asked for when the view is captured."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    return {
        object_key(item): np.array(item.evaluated_get(depsgraph).matrix_world)
        for item in bpy.context.view_layer.objects
        if item.type in _PAINTABLE
    }


def project(
    picture: np.ndarray,
    capture: Capture,
    objects: Iterable[bpy.types.Object] | None = None,
    options: ProjectionOptions | None = None,
    placed_at: Mapping[Key, np.ndarray] | None = None,
) -> Projected:
    """Add a view to objects: the picture, from the camera that the capture was made with.

    Args:
        picture: uint8 (H, W, 3), sRGB as on the screen, rows downwards, of the capture's whole frame.
        capture: Whose camera and depth are meant.
        objects: By default those that the capture shows, or all visible ones if it does not tell.
        options: How the view paints.
        placed_at: What ``placements`` gave at the time of the capture, if objects may have moved since.

    Raises:
        ProjectionError: ``bad_picture``, or ``nothing_to_paint``.
    """
    options = options or ProjectionOptions()
    scene = bpy.context.scene
    _check(picture)
    wanted = list(objects) if objects is not None else _captured(capture)
    painted, warnings = _paintable(wanted)
    if not painted:
        raise ProjectionError(
            "no object of the view can be painted",
            code="nothing_to_paint",
            hint=warnings[0].hint if warnings else "Select mesh objects that the camera sees.",
        )
    match_colors(scene)
    placed_at = placements() | dict(placed_at or {})
    view = new_view(picture, capture, scene, options.max_angle, options.strength)
    for item in painted:
        _add_view(item, view, scene, options.writes_uv_map, placed_at)
    remove_unused_views()
    scene[MATCHED] = display_key(scene)
    return Projected(view, tuple(painted), (*warnings, *_crowded(painted)))


def views_of(item: bpy.types.Object) -> list[bpy.types.NodeTree]:
    """Return the views that paint an object, oldest first."""
    record = read_record(item)
    return [each.view for each in record.placed] if record else []


def is_painted(item: bpy.types.Object) -> bool:
    """Tell whether views paint an object, or it was joined with one that they painted."""
    return bool(views_of(item)) or (not item.library and is_showing_ours(item))


def remove_view(view: bpy.types.NodeTree, objects: Iterable[bpy.types.Object] | None = None) -> None:
    """Take one view off objects, by default off all; what no view paints any more is restored."""
    for item in list(objects) if objects is not None else recorded_objects():
        record = read_record(item)
        if record is None or all(each.view != view for each in record.placed):
            continue
        record = current_record(item)
        left = without_view(record, view)
        if not left.placed:
            restore(item, record)
            continue
        write_record(item, left)
        for each in record.placed:
            if each.view == view and item.type == "MESH":
                remove_uv(item.data, each.uv_map)
        if not left.shows_bake:
            show_preview(item, left)
    for item in bpy.data.objects if objects is None else ():
        give_back(item, view)
    remove_unused_views()


def remove_projection(objects: Iterable[bpy.types.Object]) -> None:
    """Restore objects as they were before anything was projected; nothing of it stays in the file."""
    for item in list(objects):
        if record := current_record(item):
            restore(item, record)
            if record.baked and not record.baked.users:
                remove_picture(record.baked)
        else:
            item.pop(RECORD, None)  # a damaged one: the materials alone tell what they stand for
            give_back(item)
    remove_unused_views()


def match_colors(scene: bpy.types.Scene) -> bool:
    """Match views and bakes to a scene's display if its view settings have changed; tell whether they had."""
    key = display_key(scene)
    if scene.get(MATCHED) == key or not recorded_objects():
        return False
    for view in all_views():
        match_view(view, scene)
    for picture, materials in emitting_materials().items():
        shown = match_display(picture, scene)
        for material in materials:
            match_emission(material, shown, exposure_gain(scene))
    scene[MATCHED] = key
    return True


def remove_unused_views() -> None:
    """Remove materials of ours that have no users, and views that neither they nor objects need."""
    needed = {each.view for item in recorded_objects() for each in read_record(item).placed}
    for material in [material for material in bpy.data.materials if OURS in material and not material.users]:
        bpy.data.materials.remove(material)
    needed |= _shown_views()
    for view in all_views():
        if view not in needed:
            remove_view_data(view)
    if not all_views():
        for scene in bpy.data.scenes:
            scene.pop(MATCHED, None)


def _shown_views() -> set[bpy.types.NodeTree]:
    """Return what the materials of ours show."""
    return set().union(*(views_in(material) for material in bpy.data.materials if OURS in material))


def _check(picture: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ProjectionError(
            f"a picture of shape {picture.shape} and type {picture.dtype} cannot be projected",
            code="bad_picture",
            hint="Project a picture that was made from the captured view.",
        )


def _captured(capture: Capture) -> list[bpy.types.Object]:
    if capture.object_id is None:
        return [item for item in bpy.context.view_layer.objects if _is_solid(item)]
    seen = np.unique(capture.object_id)
    keys = dict.fromkeys(capture.object_keys[number - 1] for number in seen[seen > 0])
    return [item for key in keys if (item := bpy.data.objects.get(key))]


def _is_solid(item: bpy.types.Object) -> bool:
    return item.type in {*_PAINTABLE, "META"} and item.display_type in _SOLID and item.visible_get()


def _paintable(wanted: list[bpy.types.Object]) -> tuple[list[bpy.types.Object], list[Problem]]:
    reasons: dict[str, list[str]] = {}
    painted = []
    for item in wanted:
        if reason := _obstacle(item):
            reasons.setdefault(reason, []).append(item.name)
        else:
            painted.append(item)
    return painted, [_left_out(names, *_OBSTACLES[reason]) for reason, names in reasons.items()]


_OBSTACLES = {
    "linked": ("linked from another file", "Make them local: Object > Relations > Make Local."),
    "type": ("not a mesh, curve, surface or text", "Convert them to meshes: Object > Convert > Mesh."),
    "modifiers": ("given materials by their modifiers", "Apply these: Object > Convert > Mesh."),
    "no slot": ("without a material slot in another file", "Make their mesh local, or give it a material."),
}


def _obstacle(item: bpy.types.Object) -> str:
    if item.type not in _PAINTABLE:
        return "type"
    if item.library or item.override_library:
        return "linked"
    if not item.material_slots and item.data.library:
        return "no slot"
    return "modifiers" if _is_hidden_by_modifiers(item) else ""


def _is_hidden_by_modifiers(item: bpy.types.Object) -> bool:
    """Tell whether modifiers give each face of an object a material that is in none of its slots."""
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    try:
        mesh = evaluated.to_mesh()
    except RuntimeError:  # an object without geometry
        return False
    try:
        places = np.unique(values(mesh.polygons, "material_index", 1, np.int32)).tolist()
        materials = dict(enumerate(mesh.materials))
    finally:
        evaluated.to_mesh_clear()
    return bool(places) and all(
        place >= len(item.material_slots) and materials.get(place) for place in places
    )


def _left_out(names: list[str], what: str, hint: str) -> Problem:
    return Problem("left_out", f"left out, being {what}: {_listed(names)}", hint, is_warning=True)


def _crowded(painted: list[bpy.types.Object]) -> list[Problem]:
    """Warn of objects whose materials have no room for another view."""

    def textures(item: bpy.types.Object) -> int:
        materials = {slot.material for slot in item.material_slots if slot.material}
        return max(map(textures_in, materials), default=0)

    names = [item.name for item in painted if textures(item) + _OF_A_VIEW > MOST_TEXTURES]
    if not names:
        return []
    limit = f"EEVEE may turn magenta where a material has more than {MOST_TEXTURES} textures"
    message = f"no room for another view, which takes {_OF_A_VIEW}; {limit}: {_listed(names)}"
    hint = "Bake and Keep for Good, or remove old views, before you project again."
    return [Problem("many_textures", message, hint, is_warning=True)]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _add_view(
    item: bpy.types.Object,
    view: bpy.types.NodeTree,
    scene: bpy.types.Scene,
    writes_uv_map: bool,
    placed_at: Mapping[Key, np.ndarray],
) -> None:
    is_instance = item not in bpy.context.view_layer.objects.values()
    record = current_record(item) or new_record(item, is_instance)
    matrix = camera_matrix(view) @ _in_metres(scene)
    if not record.is_in_world:
        matrix = matrix @ placed_at.get(object_key(item), np.array(item.matrix_world))
    uv_map = ""
    record = _without_seen_from(item, record, matrix, projection_matrix(view))
    if writes_uv_map and item.type == "MESH" and not record.is_in_world:
        uv_map = write_projected_uv(item.data, view.name, matrix, projection_matrix(view))
        if uv_map:
            item.data.uv_layers.active = item.data.uv_layers[uv_map]
    record = replace(record, placed=(*record.placed, Placed(view, matrix, uv_map)), shows_bake=False)
    write_record(item, record)
    show_preview(item, record)


def _without_seen_from(
    item: bpy.types.Object, record: Record, matrix: np.ndarray, projection: np.ndarray
) -> Record:
    """Return an object's record without views from this place through this lens."""
    lens = projection[[0, 1, 3]]
    for each in record.placed:
        is_same_place = np.allclose(each.matrix, matrix, rtol=1e-5, atol=1e-5)
        if is_same_place and np.allclose(projection_matrix(each.view)[[0, 1, 3]], lens, rtol=1e-5):
            record = without_view(record, each.view)
            if item.type == "MESH":
                remove_uv(item.data, each.uv_map)
    return record


def _in_metres(scene: bpy.types.Scene) -> np.ndarray:
    units = scene.unit_settings
    scale = 1.0 if units.system == "NONE" else units.scale_length
    return np.diag((scale, scale, scale, 1.0))
