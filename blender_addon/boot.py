# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the GPU of a Blender without a window."""

from __future__ import annotations

import bpy
import gpu

from .quiet import no_render_result_left, render_handlers_muted, render_little, render_slot_kept
from .settings import temporary
from .viewport import CaptureError

_booted: list[bool] = []
"""Holds something once a render of ours has started the GPU, which then stays for this process."""


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
    if bpy.app.background and bpy.app.version < (4, 0):
        return bool(_booted)  # asking ends Blender 3.4 with a segmentation fault
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
    """Render a scene of our own: Blender starts the GPU for Workbench, and keeps it."""
    with (
        temporary(bpy.data.scenes, "Framebridge") as scene,
        no_render_result_left(),
        render_slot_kept(),
        render_handlers_muted(),
    ):
        scene.render.engine = "BLENDER_WORKBENCH"
        render_little(scene)
        _booted.append(True)
