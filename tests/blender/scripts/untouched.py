"""Capture in every mode, and with a failure at every step, and look for what has changed."""

from collections.abc import Callable
from typing import Any

import bpy
import crowded
from failing import changed_by, failed_everywhere
from framebridge import boot
from framebridge.capture import Capturer
from framebridge.viewport import Viewport, camera_view, find_viewport, region_view
from harness import report

CAN_FAIL = ("capture.py", "surfaces.py", "viewport.py", "boot.py", "geometry.py", "quiet.py")
"""Modules of the add-on; ``settings.py`` is what puts things back."""


def first_capture() -> list[str]:
    """The capture that starts the GPU of a Blender without a window."""
    crowded.prepare()
    bpy.app.handlers.render_pre.append(_handler)
    return changed_by(lambda: _capture(find_viewport()))


def modes() -> dict[str, list[str]]:
    """Captures under viewport settings of every sort."""
    found = {}
    for name, change in MODES.items():
        crowded.prepare()
        change(find_viewport())
        found[name] = changed_by(lambda: _capture(find_viewport()))
    for name, change in VIEWS.items():
        crowded.prepare()
        change(find_viewport())
        found[name] = changed_by(lambda: _capture_region(find_viewport()))
    return found


def failures() -> dict[str, Any]:
    """A failure at each line that a capture runs, one after the other."""
    crowded.prepare()
    find_viewport().space.shading.show_xray = True  # so that every branch is taken
    find_viewport().space.shading.type = "MATERIAL"
    return failed_everywhere(lambda: _capture(find_viewport()), CAN_FAIL)


def boot_failures() -> dict[str, Any]:
    """The same for the render that starts the GPU."""
    crowded.prepare()
    return failed_everywhere(boot._render_nothing, CAN_FAIL)


def updates() -> dict[str, int]:
    """How often Blender tells others of a change: after a capture in each shading, and after a real one."""
    crowded.prepare()
    heard: list[bpy.types.Scene] = []
    bpy.app.handlers.depsgraph_update_post.append(lambda scene, *_: heard.append(scene))
    after_captures = 0
    for kind in ("SOLID", "WIREFRAME", "MATERIAL", "RENDERED"):
        find_viewport().space.shading.type = kind
        bpy.context.view_layer.update()
        heard.clear()
        _capture(find_viewport())
        bpy.context.view_layer.update()
        after_captures += len(heard)
    heard.clear()
    bpy.data.objects["Cone"].location.x += 0.1
    bpy.context.view_layer.update()
    return {"after_captures": after_captures, "after_change": len(heard)}


def changes_are_seen() -> list[str]:
    """The digest itself: what it says when something was left changed."""
    crowded.prepare()
    viewport = find_viewport()

    def touch() -> None:
        viewport.space.shading.light = "FLAT"
        viewport.space.overlay.show_overlays = not viewport.space.overlay.show_overlays
        bpy.context.scene.render.resolution_x += 1
        bpy.context.scene.view_settings.exposure += 0.5
        bpy.context.preferences.system.viewport_aa = "OFF"
        bpy.data.objects["Cone"].select_set(True)
        bpy.data.meshes.new("Orphan")
        bpy.context.view_layer.use_pass_mist = True
        crowded.compositor().nodes[0].location.x += 1.0
        bpy.context.scene.sequence_editor.channels[1].name = "Renamed"

    return changed_by(touch)


def _handler(scene: bpy.types.Scene, *_: Any) -> None:
    scene.frame_set(17)


def _edit(viewport: Viewport) -> None:
    bpy.ops.object.mode_set(mode="EDIT")


def _matcap(viewport: Viewport) -> None:
    shading = viewport.space.shading
    shading.light, shading.color_type, shading.show_cavity = "MATCAP", "RANDOM", True
    shading.studio_light = "check_rim_dark.exr"


def _set(**values: Any) -> Callable[[Viewport], None]:
    def change(viewport: Viewport) -> None:
        for name, value in values.items():
            setattr(viewport.space.shading, name, value)

    return change


def _clean_already(viewport: Viewport) -> None:
    viewport.space.overlay.show_overlays = viewport.space.show_gizmo = False


def _agx(viewport: Viewport) -> None:
    settings = bpy.context.scene.view_settings
    settings.view_transform, settings.exposure, settings.gamma = "AgX", 0.7, 1.1


def _perspective(viewport: Viewport) -> None:
    viewport.space.region_3d.view_perspective = "PERSP"


def _orthographic(viewport: Viewport) -> None:
    viewport.space.region_3d.view_perspective = "ORTHO"


def _through_camera(viewport: Viewport) -> None:
    viewport.space.region_3d.view_perspective = "CAMERA"


MODES: dict[str, Callable[[Viewport], None]] = {
    "solid": _set(type="SOLID"),
    "wireframe": _set(type="WIREFRAME"),
    "x-ray": _set(show_xray=True),
    "material": _set(type="MATERIAL"),
    "rendered": _set(type="RENDERED"),
    "matcap": _matcap,
    "edit mode": _edit,
    "clean already": _clean_already,
    "graded": _agx,
}

VIEWS: dict[str, Callable[[Viewport], None]] = {
    "viewport": _perspective,
    "orthographic viewport": _orthographic,
    "viewport in camera view": _through_camera,
}


def _capture_region(viewport: Viewport) -> None:
    CAPTURER.capture(viewport, region_view(viewport, 64, 36), with_surfaces=True)


def _capture(viewport: Viewport) -> None:
    CAPTURER.capture(viewport, camera_view(viewport, 64, 36), with_surfaces=True)


CAPTURER = Capturer()
report(first_capture, modes, failures, boot_failures, updates, changes_are_seen)
