# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a scene to render, which is neither saved nor left, whatever the user does meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
