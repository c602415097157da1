"""What cannot be captured, and what the user is told."""

from collections.abc import Callable

import bpy
import scenes
from framebridge import boot
from framebridge._bridge.errors import BridgeError
from framebridge.capture import Capturer
from framebridge.viewport import View, camera_view, find_viewport
from harness import report
from mathutils import Matrix


def codes() -> dict:
    return {name: _told(action) for name, action in FAULTS.items()}


def odd_scenes() -> dict:
    """What looks like a fault and is none: an empty scene, and a camera inside a mesh."""
    scenes.clear()
    scenes.camera("perspective")
    empty = _capture(64, 36)
    bpy.ops.mesh.primitive_cube_add(size=2, location=bpy.context.scene.camera.location)
    inside = _capture(64, 36)
    one = _capture(1, 1)
    return {
        "empty_is_sky": bool((empty.depth == float("inf")).all()),
        "inside": [float(inside.depth.min()), float(inside.depth.max())],
        "one_pixel": list(one.color.shape),
    }


def _no_camera() -> None:
    scenes.clear()
    _capture(64, 36)


def _camera_is_a_lamp() -> None:
    scenes.clear()
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    bpy.context.scene.camera = lamp
    _capture(64, 36)


def _no_viewport() -> None:
    scenes.clear()
    scenes.camera("perspective")
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.type = "TEXT_EDITOR"
    _capture(64, 36)


def _flat() -> None:
    View(Matrix(), Matrix(), 0, 100)


def _too_large() -> None:
    scenes.clear()
    scenes.camera("perspective")
    _capture(20_000, 20_000)


def _no_gpu() -> None:
    scenes.clear()
    scenes.camera("perspective")
    is_started, render = boot._is_started, boot._render_nothing
    boot._is_started = boot._render_nothing = lambda: False
    try:
        _capture(64, 36)
    finally:
        boot._is_started, boot._render_nothing = is_started, render


FAULTS: dict[str, Callable[[], None]] = {
    "no camera": _no_camera,
    "camera is a lamp": _camera_is_a_lamp,
    "zero area": _flat,
    "20k": _too_large,
    "no GPU": _no_gpu,
    "no viewport": _no_viewport,
}


def _capture(width: int, height: int):
    viewport = find_viewport()
    return Capturer().capture(viewport, camera_view(viewport, width, height))


def _told(action: Callable[[], None]) -> dict:
    try:
        action()
    except BridgeError as error:
        return {"code": error.code, "message": error.message, "hint": error.hint}
    return {"code": "none"}


report(odd_scenes, codes)
