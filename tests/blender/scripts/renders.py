"""Blender's own renderers as the reference: their Z pass, read from a multilayer EXR."""

from pathlib import Path

import bpy
import numpy as np
from exr import read_exr


def z_pass(folder: Path, engine: str, width: int, height: int) -> np.ndarray:
    """Render the active camera and return the distance along its axis, float32 (H, W); ``inf`` is sky.

    One sample in the middle of each pixel, so that it can be compared with a depth buffer.
    """
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.display.render_aa = "OFF"
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising = 1, False
        scene.cycles.pixel_filter_type = "BOX"
        scene.cycles.filter_width = 0.01
    bpy.context.view_layer.use_pass_z = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
    path = folder / f"{engine}.exr"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    depth = next(array for name, array in read_exr(path).items() if name.endswith("Depth.Z"))
    return np.where(depth < 1e9, depth, np.inf).astype(np.float32)
