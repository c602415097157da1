"""Read G-buffers from an off-screen 3D viewport: what a host sends, plus albedo and exact normals."""

from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from mathutils import Matrix

NORMAL_MATCAP = "check_normal+y.exr"


@dataclass(frozen=True)
class GBuffer:
    """One view, all planes (H, W, …), rows downwards.

    ``color``: u8 sRGB viewport picture. ``albedo``: u8 sRGB, unlit. ``normal``: u8, camera space,
    ``n = u / 127.5 - 1``. ``object_id``: u8, 0 is sky. ``depth``: f16, planar, in units of
    ``scale``; ``inf`` is sky.
    """

    color: np.ndarray
    albedo: np.ndarray
    normal: np.ndarray
    object_id: np.ndarray
    depth: np.ndarray


def start_blender() -> None:
    """Load the factory scene without its objects and boot the GPU module.

    Blender's gpu module works without a window only after something was rendered (bpy < 5.1).
    """
    bpy.ops.wm.read_factory_settings(use_empty=False)
    for obj in list(bpy.data.objects):
        if obj.type != "CAMERA":
            bpy.data.objects.remove(obj)
    render = bpy.context.scene.render
    render.engine, render.resolution_x, render.resolution_y = "BLENDER_WORKBENCH", 8, 8
    bpy.ops.render.render()


class Viewport:
    """An off-screen view of one size through the scene's camera."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        window = bpy.context.window_manager.windows[0]
        area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
        self._region = next(region for region in area.regions if region.type == "WINDOW")
        self._space = area.spaces.active
        self._space.overlay.show_overlays = False
        self._space.show_gizmo = False
        self.shading = self._space.shading
        self.shading.type = "SOLID"
        # 5.0 offers the matcaps' names only after the light was switched once.
        self.shading.light = "MATCAP"
        self._offscreen = gpu.types.GPUOffScreen(width, height)
        # Flat buffers: those of several dimensions have wrong strides before Blender 5.2.
        self._pixels = gpu.types.Buffer("UBYTE", width * height * 4)
        self._depths = gpu.types.Buffer("FLOAT", width * height)

    def capture(self, scale: float = 1.0, smooth_edges: bool = False) -> GBuffer:
        """Draw the current camera's view as it is lit and coloured now, then its hidden planes.

        Args:
            scale: Metres that depth 1.0 stands for.
            smooth_edges: Anti-alias the colour picture, as a user's viewport does.
        """
        shading = self.shading
        kept = {name: getattr(shading, name) for name in _LOOK}
        color = self._draw(smooth_edges)
        if smooth_edges:
            self._draw(False)
        depth = self._planar_depth() / scale
        shading.show_cavity = shading.show_shadows = shading.show_object_outline = False
        shading.light = "FLAT"
        albedo = self._draw(False)
        shading.color_type = "RANDOM"
        ids = _small_ids(self._draw(False), np.isinf(depth))
        shading.light, shading.studio_light, shading.color_type = "MATCAP", NORMAL_MATCAP, "SINGLE"
        normal = self._draw(False)
        for name, value in kept.items():
            setattr(shading, name, value)
        return GBuffer(color, albedo, normal, ids, depth.astype(np.float16))

    def _draw(self, smooth_edges: bool) -> np.ndarray:
        bpy.context.preferences.system.viewport_aa = "8" if smooth_edges else "OFF"
        camera = bpy.context.scene.camera
        graph = bpy.context.evaluated_depsgraph_get()
        self._projection = camera.calc_matrix_camera(graph, x=self.width, y=self.height)
        view: Matrix = camera.matrix_world.inverted()
        self._offscreen.draw_view3d(
            bpy.context.scene,
            bpy.context.view_layer,
            self._space,
            self._region,
            view,
            self._projection,
            do_color_management=True,
        )
        with self._offscreen.bind():
            framebuffer = gpu.state.active_framebuffer_get()
            framebuffer.read_color(0, 0, self.width, self.height, 4, 0, "UBYTE", data=self._pixels)
        return np.array(self._pixels, np.uint8).reshape(self.height, self.width, 4)[::-1, :, :3].copy()

    def _planar_depth(self) -> np.ndarray:
        with self._offscreen.bind():
            framebuffer = gpu.state.active_framebuffer_get()
            framebuffer.read_depth(0, 0, self.width, self.height, data=self._depths)
        window = np.array(self._depths, np.float32).reshape(self.height, self.width)[::-1].astype(np.float64)
        matrix = np.array(self._projection)
        device = window * 2 - 1
        perspective = matrix[3, 2] != 0
        depth = (
            matrix[2, 3] / (device + matrix[2, 2]) if perspective else (matrix[2, 3] - device) / matrix[2, 2]
        )
        return np.where(window < 1, depth, np.inf)


_LOOK = ("light", "studio_light", "color_type", "show_cavity", "show_shadows", "show_object_outline")


def _small_ids(colours: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """Number the flat random colours 1..255 (more wrap around); sky is 0."""
    packed = colours.astype(np.int32) @ np.array([65536, 256, 1])
    _, numbers = np.unique(packed, return_inverse=True)
    return np.where(sky, 0, numbers.reshape(sky.shape) % 255 + 1).astype(np.uint8)
