"""What the benchmark looks at: a small scene, in a viewport that turns."""

from typing import Any

import bpy
import gpu
import scenes
from framebridge import capture
from mathutils import Quaternion

TURN = Quaternion((0.0, 0.0, 1.0), 0.02)


def prepare() -> None:
    """Make the scene, and a camera for those who render; both ways draw outlines, and do not smooth them.

    Without a GPU each of the eight samples takes as long as a picture, which would hide the rest.
    """
    scenes.solids()
    scenes.camera("perspective")
    display, system = bpy.context.scene.display, bpy.context.preferences.system
    display.render_aa = display.viewport_aa = system.viewport_aa = "OFF"
    display.shading.show_object_outline = True  # as viewports do by default, and renders do not


def turn() -> None:
    """Turn the viewport a little, as a user would between two events."""
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    region_3d = area.spaces.active.region_3d
    region_3d.view_rotation = region_3d.view_rotation @ TURN
    bpy.context.view_layer.update()


def finish_drawing() -> None:
    """Have a capture's drawing end before its reading begins, which would be counted for it otherwise.

    Drivers put work off until somebody looks at a pixel.
    """
    draw = capture._draw

    def drawn(canvas: gpu.types.GPUOffScreen, *arguments: Any) -> None:
        draw(canvas, *arguments)
        pixel = gpu.types.Buffer("UBYTE", 4)
        with canvas.bind():
            gpu.state.active_framebuffer_get().read_color(0, 0, 1, 1, 4, 0, "UBYTE", data=pixel)

    capture._draw = drawn
