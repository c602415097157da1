"""Everything a capture could touch, as plain data: two digests are equal when nothing has changed."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import bpy

_SKIPPED = {
    *("rna_type", "bl_rna", "session_uid", "is_evaluated", "original", "depsgraph", "users"),
    *("studio_lights", "selected_studio_light"),  # files that Blender loads when they are first needed
    "uv_sculpt",  # reading its brush ends Blender 4.2 with a segmentation fault
}
_LISTS = [prop.identifier for prop in bpy.types.BlendData.bl_rna.properties if prop.type == "COLLECTION"]


def digest() -> dict[str, str]:
    """Return the state of the file, the screens, the preferences and the add-on hooks, by path."""
    found: dict[str, str] = {}
    for name in _LISTS:
        for item in getattr(bpy.data, name):
            found[f"{name}[{item.name}].users"] = str(item.users)
    for name in ("scenes", "screens", "worlds", "cameras", "images", "workspaces", "node_groups"):
        for item in getattr(bpy.data, name):
            _walk(item, f"{name}[{item.name}]", found, set())
    for item in bpy.data.objects:
        found[f"objects[{item.name}]"] = str(
            (item.mode, item.color[:], [row[:] for row in item.matrix_world])
        )
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            _layer(layer, f"{scene.name}/{layer.name}", found)
    _walk(bpy.context.preferences, "preferences", found, set())
    for window in bpy.context.window_manager.windows:
        found[f"window {window.as_pointer()}"] = str(
            (window.screen.name, window.scene.name, window.view_layer.name)
        )
    found["mode"], found["frame"] = bpy.context.mode, str(bpy.context.scene.frame_current)
    found["is_dirty"] = str(bpy.data.is_dirty)
    for name in dir(bpy.app.handlers):
        if isinstance(functions := getattr(bpy.app.handlers, name), list):
            found[f"handlers.{name}"] = str([repr(function) for function in functions])
    return found


def rendered_pictures(scene: bpy.types.Scene, slots: int = 3) -> dict[str, str]:
    """Return the user's last renders, by slot; Blender tells of an empty slot on the console."""
    image = next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)
    if image is None:
        return {}
    found = {"shown": str(image.render_slots.active_index)}
    shown = image.render_slots.active_index
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slot.png"
        for slot in range(slots):
            image.render_slots.active_index = slot
            try:
                image.save_render(str(path), scene=scene)
                found[f"slot {slot}"] = hashlib.sha256(path.read_bytes()).hexdigest()
            except RuntimeError:
                found[f"slot {slot}"] = "empty"
    image.render_slots.active_index = shown
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Say which entries are new, gone or different."""
    paths = sorted(before.keys() | after.keys())
    return [
        f"{path}: {before.get(path)} → {after.get(path)}"
        for path in paths
        if before.get(path) != after.get(path)
    ]


def _layer(layer: bpy.types.ViewLayer, path: str, found: dict[str, str]) -> None:
    active = layer.objects.active
    found[f"{path}.active"] = active.name if active else ""
    for item in layer.objects:
        found[f"{path}[{item.name}]"] = str(
            (item.select_get(view_layer=layer), item.hide_get(view_layer=layer))
        )


def _walk(owner: Any, path: str, found: dict[str, str], seen: set[tuple[int, str]]) -> None:
    """Note all properties of a structure and of what it holds; other datablocks only by name."""
    key = (owner.as_pointer(), type(owner).__name__)
    if key in seen:
        return
    seen.add(key)
    for prop in owner.bl_rna.properties:
        if prop.identifier in _SKIPPED:
            continue
        try:
            value = getattr(owner, prop.identifier)
        except (AttributeError, RuntimeError, TypeError):
            continue
        place = f"{path}.{prop.identifier}"
        if prop.type == "POINTER":
            _follow(value, place, found, seen)
        elif prop.type == "COLLECTION":
            for index, item in enumerate(value):
                _follow(item, f"{place}[{index}]", found, seen)
        else:
            found[place] = str(value[:]) if getattr(prop, "is_array", False) else str(value)


def _follow(value: Any, place: str, found: dict[str, str], seen: set[tuple[int, str]]) -> None:
    if value is None:
        found[place] = "none"
    elif isinstance(value, bpy.types.Space) and value.type not in {"VIEW_3D", "IMAGE_EDITOR"}:
        found[place] = value.type  # others end Blender 4.2 likewise where they have never been shown
    elif isinstance(value, bpy.types.ID):
        found[place] = value.name_full
        if value.is_embedded_data:
            _walk(value, place, found, seen)
    else:
        _walk(value, place, found, seen)
