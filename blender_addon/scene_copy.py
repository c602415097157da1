# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a scene to render, which is neither saved nor left, whatever the user does meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy

from .quiet import render_little

NAME = "Framebridge final render"

OWNER = "framebridge_render"
"""The custom property that says which render a scene was copied for."""

_in_use: set[str] = set()
"""The values of that property whose renders are under way."""


@contextmanager
def scene_copy(scene: bpy.types.Scene) -> Iterator[bpy.types.Scene]:
    """Yield a copy of a scene, without its strips; it and its render are gone afterwards."""
    owner, copy = uuid.uuid4().hex, None
    users = {item: item.users for item in _linked(scene)}
    try:
        try:
            _in_use.add(owner)
            copy = scene.copy()
            copy[OWNER] = owner
        finally:
            _correct_users(users, 0 if copy is None else 1)
        copy.name = NAME
        copy.sequence_editor_clear()
        _keep_from_being_saved(copy)
        yield copy
    finally:
        _in_use.discard(owner)
        for item in [item for item in bpy.data.scenes if item == copy or item.get(OWNER) == owner]:
            _remove(item)


def remove_leftover_scenes() -> None:
    """Remove copies that an undo brought back; for ``undo_post``, ``redo_post`` and ``load_post``."""
    for item in [item for item in bpy.data.scenes if item.get(OWNER, "") not in {"", *_in_use}]:
        bpy.data.scenes.remove(item)


def left_out(scene: bpy.types.Scene) -> str:
    """Say which parts of what F12 makes of a scene a render of its copy lacks; empty if none."""
    nodes = getattr(scene, "compositing_node_group", None)  # Blender 5
    if bpy.app.version < (5, 0):
        nodes = scene.node_tree if scene.use_nodes else None
    parts = ["the compositor"] if nodes is not None and scene.render.use_compositing else []
    if scene.render.use_sequencer and any(
        not strip.mute and strip.type != "SOUND" for strip in _strips(scene)
    ):
        parts.append("the video sequencer")
    return f"Rendered without {' and '.join(parts)}" if parts else ""


def set_up_passes(
    scene: bpy.types.Scene,
    layer_name: str,
    size: tuple[int, int],
    path: Path,
    with_surfaces: bool,
    with_materials: bool = False,
) -> None:
    """Set up a copy of a scene to render what a capture needs, and no more, into a multilayer file."""
    scene.timeline_markers.clear()  # one may be bound to another camera
    for layer in scene.view_layers:
        layer.use = layer.name == layer_name
        if layer.use:
            _choose_passes(layer, with_surfaces, with_materials)
    scene.view_layers[layer_name].name = "View"  # a long name would not fit before those of the passes
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.use_border = render.use_crop_to_border = render.use_multiview = False
    render.use_compositing = render.use_sequencer = render.use_single_layer = False
    render.use_stamp = render.use_persistent_data = render.use_placeholder = False
    render.use_file_extension = render.use_overwrite = True
    render.dither_intensity = 0.0
    render.filepath = str(path)
    settings = render.image_settings
    set_format(settings, "OPEN_EXR_MULTILAYER")
    settings.color_depth, settings.exr_codec = "32", "NONE"


def set_format(settings: bpy.types.ImageFormatSettings, name: str) -> None:
    """Choose a format of files, whichever kind of pictures it is for."""
    if hasattr(settings, "media_type"):  # Blender 5
        settings.media_type = "MULTI_LAYER_IMAGE" if "MULTILAYER" in name else "IMAGE"
    settings.file_format = name


def _strips(scene: bpy.types.Scene) -> Iterable[bpy.types.ID]:
    editor = scene.sequence_editor
    if editor is None:
        return ()
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # Blender 4.4 and later


def _choose_passes(layer: bpy.types.ViewLayer, with_surfaces: bool, with_materials: bool) -> None:
    for name in [prop.identifier for prop in layer.bl_rna.properties]:
        if name.startswith("use_pass_"):
            setattr(layer, name, False)
    layer.use_pass_combined = layer.use_pass_z = layer.use_pass_cryptomatte_object = True
    layer.use_pass_normal = with_surfaces
    layer.use_pass_cryptomatte_material = with_materials
    layer.pass_cryptomatte_depth = 2


def _keep_from_being_saved(scene: bpy.types.Scene) -> None:
    if hasattr(scene, "is_runtime_data"):
        scene.is_runtime_data = True
    else:  # Blender 3.4 saves no scene without users
        scene.user_clear()


def _remove(scene: bpy.types.Scene) -> None:
    """Remove a scene and its render, which Blender keeps until a smaller one takes its place."""
    scene.world = None
    _unlink_all(scene)
    with suppress(RuntimeError):  # the memory is all that is lost
        render_little(scene)
    bpy.data.scenes.remove(scene)


def _linked(scene: bpy.types.Scene) -> list[bpy.types.ID]:
    """Return what lies directly in a scene."""
    return [*scene.collection.objects, *scene.collection.children]


def _correct_users(users: dict[bpy.types.ID, int], more: int) -> None:
    """Give datablocks the users that they had, and some more.

    Until Blender 5 the copy of a scene leaves a user too many on all that lies directly in it, for good:
    what the artist deletes would go on lying in the file. Nothing takes a single user away. So they are
    all taken, and that same fault, in an empty scene, brings them back one by one.
    """
    wanted = {item: count + more for item, count in users.items() if item.users > count + more}
    if not wanted:
        return
    for item in wanted:
        is_kept = item.use_fake_user
        item.user_clear()
        item.use_fake_user = is_kept
    scratch = bpy.data.scenes.new(NAME)
    while wanted := {item: count for item, count in wanted.items() if item.users < count}:
        for item in wanted:
            _children(scratch, item).link(item)
        bpy.data.scenes.remove(scratch.copy())
        _unlink_all(scratch)
    bpy.data.scenes.remove(scratch)


def _unlink_all(scene: bpy.types.Scene) -> None:
    for item in _linked(scene):
        _children(scene, item).unlink(item)


def _children(scene: bpy.types.Scene, item: bpy.types.ID) -> bpy.types.bpy_prop_collection:
    """Return where in a scene an object or a collection is linked."""
    return scene.collection.objects if isinstance(item, bpy.types.Object) else scene.collection.children
