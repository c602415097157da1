# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the GPU of a Blender without a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import gpu

from .settings import temporary
from .viewport import CaptureError


def start_gpu() -> None:
    """Make GPU drawing possible; returns at once where it is.

    Raises:
        CaptureError: ``gpu_unavailable`` if this machine cannot draw.
    """
    if _is_started():
        return
    try:
        if hasattr(gpu, "init"):  # Blender 5.1 and later
            gpu.init()
        else:
            _render_nothing()
    except (RuntimeError, SystemError) as error:
        raise _unavailable(str(error)) from error
    if not _is_started():
        raise _unavailable("no OpenGL context could be made")


def _is_started() -> bool:
    try:
        gpu.platform.renderer_get()
    except SystemError:  # "GPU functions for drawing are not available in background mode"
        return False
    return True


def _unavailable(reason: str) -> CaptureError:
    return CaptureError(
        f"Blender cannot draw on this machine: {reason}",
        code="gpu_unavailable",
        hint="Install a graphics driver; without a screen, Mesa's EGL (libegl1 and libgl1-mesa-dri).",
    )


def _render_nothing() -> None:
    """Render 8 × 8 pixels of a scene of our own: Blender starts the GPU for Workbench, and keeps it.

    The scene holds a triangle, which makes Workbench ready for meshes in the thread that renders. Without
    one, in Blender 5.0.1, the user's first render after a capture lacks some of the objects.
    """
    data, name = bpy.data, "Framebridge"
    with (
        temporary(data.meshes, name) as mesh,
        temporary(data.objects, name, mesh) as triangle,
        temporary(data.cameras, name) as lens,
        temporary(data.objects, name, lens) as camera,
        temporary(data.scenes, name) as scene,
        _no_render_result_left(),
        _render_handlers_muted(),
    ):
        mesh.from_pydata([(-1, -1, -2), (1, -1, -2), (0, 1, -2)], [], [(0, 1, 2)])
        scene.collection.objects.link(triangle)
        scene.collection.objects.link(camera)
        scene.camera = camera
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.render.resolution_x = scene.render.resolution_y = 8
        scene.render.resolution_percentage = 100
        bpy.ops.render.render(scene=scene.name)


@contextmanager
def _no_render_result_left() -> Iterator[None]:
    """Remove the image that a first render adds; the user's own render is that of another scene."""
    had_one = any(image.type == "RENDER_RESULT" for image in bpy.data.images)
    try:
        yield
    finally:
        for image in [image for image in bpy.data.images if image.type == "RENDER_RESULT" and not had_one]:
            bpy.data.images.remove(image)


@contextmanager
def _render_handlers_muted() -> Iterator[None]:
    """Hide our render from other add-ons; one that shuts the machine down after a render is popular."""
    handlers = bpy.app.handlers
    lists = [getattr(handlers, name) for name in dir(handlers) if name.startswith(("render_", "composite_"))]
    kept = [list(functions) for functions in lists]
    try:
        for functions in lists:
            functions.clear()
        yield
    finally:
        for functions, before in zip(lists, kept, strict=True):
            functions[:] = before
