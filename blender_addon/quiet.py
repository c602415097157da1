# SPDX-License-Identifier: GPL-3.0-or-later
"""Render without a trace: what Blender, its user and other add-ons would notice of a render of our own.

Blender keeps the user's last render in one of several slots, and nothing tells in which one. A render of
ours takes the slot that is shown, so that where another is shown than the last render's, that would move
to it. ``watch_renders`` notes the slot of each render of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from .settings import temporary


class _Watch:
    """What ``watch_renders`` knows."""

    last_slot: int | None = None


_watch = _Watch()


def watch_renders() -> None:
    """Begin to note the slots of the user's renders; for ``register``."""
    stop_watching_renders()
    bpy.app.handlers.render_init.append(_note_slot)


def stop_watching_renders() -> None:
    """End it; for ``unregister``."""
    handlers = bpy.app.handlers.render_init
    while _note_slot in handlers:
        handlers.remove(_note_slot)


@bpy.app.handlers.persistent
def _note_slot(*_: Any) -> None:
    image = _render_result()
    _watch.last_slot = image.render_slots.active_index if image else None


@contextmanager
def no_render_result_left() -> Iterator[None]:
    """Remove the image that a first render adds; the user's own render is that of another scene."""
    had_one = _render_result() is not None
    try:
        yield
    finally:
        if not had_one and (image := _render_result()) is not None:
            image.user_clear()  # else Blender 3.4 complains of a user, which is none that it could name
            bpy.data.images.remove(image)


@contextmanager
def render_slot_kept() -> Iterator[None]:
    """Let a render take the slot of the user's last render, and show what was shown afterwards."""
    image = _render_result()
    shown = image.render_slots.active_index if image else 0
    last = _watch.last_slot
    try:
        if image and last is not None and last != shown:
            image.render_slots.active_index = last
        yield
    finally:
        if (image := _render_result()) and image.render_slots.active_index != shown:
            image.render_slots.active_index = shown


@contextmanager
def render_handlers_muted() -> Iterator[None]:
    """Hide our render from other add-ons; one that shuts the machine down after a render is popular.

    What was added to the lists meanwhile stays; what belonged to a file that was closed meanwhile does not
    come back.
    """
    handlers = bpy.app.handlers
    lists = [getattr(handlers, name) for name in dir(handlers) if name.startswith(("render_", "composite_"))]
    kept = [list(functions) for functions in lists]
    try:
        for functions in lists:
            functions.clear()
        lists[0].append(_of_this_file)
        yield
    finally:
        is_same_file = _of_this_file in lists[0]
        for functions, before in zip(lists, kept, strict=True):
            added = [function for function in functions if function not in (*before, _of_this_file)]
            functions[:] = [
                function for function in before if is_same_file or _is_persistent(function)
            ] + added


def render_little(scene: bpy.types.Scene) -> None:
    """Render 8 × 8 pixels of a scene of ours, which gets a camera and a triangle for that.

    The triangle makes Workbench ready for meshes in the thread that renders. Without one, in Blender 5.0.1,
    the user's next render lacks some of the objects.

    Raises:
        RuntimeError: If Blender cannot render.
    """
    data, name, side = bpy.data, "Framebridge", 8
    with (
        temporary(data.meshes, name) as mesh,
        temporary(data.objects, name, mesh) as triangle,
        temporary(data.cameras, name) as lens,
        temporary(data.objects, name, lens) as camera,
    ):
        mesh.from_pydata([(-1, -1, -2), (1, -1, -2), (0, 1, -2)], [], [(0, 1, 2)])
        scene.collection.objects.link(triangle)
        scene.collection.objects.link(camera)
        scene.camera = camera
        scene.render.resolution_x = scene.render.resolution_y = side
        scene.render.resolution_percentage = 100
        bpy.ops.render.render(scene=scene.name)


@contextmanager
def called_after_render(completed: Callable[..., None], cancelled: Callable[..., None]) -> Iterator[None]:
    """Have one of two functions called as a render ends, in the thread that renders."""
    handlers = bpy.app.handlers
    pairs = [(handlers.render_complete, completed), (handlers.render_cancel, cancelled)]
    try:
        for functions, function in pairs:
            functions.append(function)
        yield
    finally:
        for functions, function in pairs:
            while function in functions:
                functions.remove(function)


def _render_result() -> bpy.types.Image | None:
    return next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)


def _of_this_file(*_: Any) -> None:
    """Stand in a list of handlers; Blender takes it away when it closes the file."""


def _is_persistent(function: Any) -> bool:
    return hasattr(function, "_bpy_persistent")
