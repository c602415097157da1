"""What cannot be captured, and what the user is told."""

import sys
import warnings
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace

import bpy
import scenes
from framebridge import boot
from framebridge._bridge.errors import BridgeError
from framebridge.capture import Capturer
from framebridge.viewport import View, Viewport, camera_view, find_viewport, region_view
from harness import report
from mathutils import Matrix


def codes() -> dict:
    return {name: _told(action) for name, action in FAULTS.items()}


def odd_scenes() -> dict:
    """What looks like a fault and is none."""
    console, sys.stderr = sys.stderr, StringIO()
    try:
        return _odd_scenes() | {"console": sys.stderr.getvalue()}
    finally:
        sys.stderr = console


def _odd_scenes() -> dict:
    scenes.clear()
    camera = scenes.camera("perspective")
    empty = _capture(64, 36)
    bpy.ops.mesh.primitive_cube_add(size=2, location=camera.location)
    inside = _capture(64, 36)
    one = _capture(1, 1)
    bpy.ops.mesh.primitive_cube_add(size=2)
    plain = _capture(64, 36)
    camera.data.clip_start, camera.data.clip_end = 0.01, 1e6
    vast = _capture(64, 36)
    bpy.context.object.driver_add("location", 0).driver.expression = "no_such_name + 1"
    bpy.context.view_layer.update()
    driven = _capture(64, 36)
    return {
        "sky": [empty.is_all_sky, inside.is_all_sky],
        "inside": [float(inside.depth.min()), float(inside.depth.max())],
        "one_pixel": list(one.color.shape),
        "vast": [vast.near, vast.far, float(abs(vast.depth - plain.depth)[plain.depth < 1e9].max())],
        "driven": float(driven.depth.min()),
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


def _clipped_too_near() -> None:
    scenes.solids()
    scenes.camera("perspective").data.clip_start = 1e-6
    _capture(64, 36)


def _no_area() -> None:
    viewport = find_viewport()
    nowhere = SimpleNamespace(width=0, height=0, data=viewport.space.region_3d)
    viewport.space.region_3d.view_perspective = "PERSP"
    region_view(Viewport(viewport.space, nowhere, viewport.scene, viewport.view_layer), 64, 64)


FAULTS: dict[str, Callable[[], None]] = {
    "no camera": _no_camera,
    "camera is a lamp": _camera_is_a_lamp,
    "zero area": _flat,
    "20k": _too_large,
    "no GPU": _no_gpu,
    "clipped too near": _clipped_too_near,
    "no area": _no_area,
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


warnings.simplefilter("always")
report(odd_scenes, codes)
