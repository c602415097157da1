"""Scenes to project onto, a picture, and renders of what came of it."""

from pathlib import Path

import bpy
import numpy as np
import scenes
from framebridge.capture import Capture, Capturer
from framebridge.viewport import camera_view, find_viewport
from harness import REQUEST
from mathutils import Vector

WIDTH, HEIGHT = 240, 160


def build(kind: str = "perspective") -> bpy.types.Object:
    """A floor, a subdivided monkey, a torus behind it, a half cube with its mirror, a mirrored cone, text.

    Their material is black, so that paint can be told from what is not painted; the cone and the text have
    none. Returns the camera.
    """
    scenes.clear()
    ops = bpy.ops.mesh
    ops.primitive_plane_add(size=14)
    ops.primitive_monkey_add(size=2, location=(0, 0, 1.2), rotation=(0, 0, 0.5))
    subdivision = bpy.context.object.modifiers.new("Subdivision", "SUBSURF")
    subdivision.levels = subdivision.render_levels = 2
    ops.primitive_cube_add(size=1, location=(-2.6, -0.6, 0.75), rotation=(0, 0, 0.4))
    half = bpy.context.object
    half.name, half.scale = "Half", (0.7, 0.5, 1.5)
    for vertex in half.data.vertices:
        vertex.co.x += 0.5
    half.modifiers.new("Mirror", "MIRROR")
    ops.primitive_torus_add(location=(0.1, 3.0, 0.6), major_radius=0.6, minor_radius=0.25)
    bpy.context.object.name = "Hidden"
    ops.primitive_cone_add(location=(2.5, 2.2, 1.2), radius1=1.1, depth=2.4, vertices=48)
    bpy.context.object.scale.x = -1.5
    bpy.ops.object.text_add(location=(0.9, -2.2, 0.05), rotation=(0.9, 0, 0))
    bpy.context.object.data.extrude = 0.05
    bpy.context.scene.world = None
    black = bpy.data.materials.new("Black")
    black.use_nodes = True
    black.node_tree.nodes.clear()
    shader = black.node_tree.nodes.new("ShaderNodeEmission")
    shader.inputs["Strength"].default_value = 0.0
    output = black.node_tree.nodes.new("ShaderNodeOutputMaterial")
    black.node_tree.links.new(shader.outputs[0], output.inputs["Surface"])
    for mesh in bpy.data.meshes:
        if mesh.name != "Cone":
            mesh.materials.append(black)
    bpy.context.scene.view_settings.view_transform = "Standard"
    return scenes.camera(kind)


def look_from(
    place: tuple[float, float, float], target: tuple[float, float, float] = (0, 0, 0.8)
) -> bpy.types.Object:
    """Make a new camera, at a place, the active one, and return it."""
    camera = scenes.camera("perspective")
    camera.location = place
    camera.rotation_euler = (Vector(target) - camera.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    return camera


def capture() -> Capture:
    """Capture what the active camera sees, with object ids."""
    viewport, capturer = find_viewport(), Capturer()
    try:
        return capturer.capture(viewport, camera_view(viewport, WIDTH, HEIGHT), with_surfaces=True)
    finally:
        capturer.free()


def picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Two ramps and, in blue, a checker: uint8 (H, W, 3), nowhere black."""
    y, x = np.mgrid[0:height, 0:width] / np.float32((height, width)).reshape(2, 1, 1)
    checker = (np.floor(x * 20) + np.floor(y * 20 * height / width)) % 2
    return np.rint(255 * np.stack((0.15 + 0.7 * x, 0.15 + 0.7 * y, 0.35 + 0.3 * checker), -1)).astype(
        np.uint8
    )


def render(name: str, width: int = WIDTH, height: int = HEIGHT, engine: str = "CYCLES") -> np.ndarray:
    """Render the active camera, a ray through the middle of each pixel: float32 (H, W, 3), as displayed."""
    scene = bpy.context.scene
    settings = scene.render
    if engine == "EEVEE" and (4, 2) <= bpy.app.version < (5, 0):
        engine = "BLENDER_EEVEE_NEXT"
    elif engine == "EEVEE":
        engine = "BLENDER_EEVEE"
    settings.engine, settings.dither_intensity, settings.filter_size = engine, 0.0, 0.01
    scene.eevee.taa_render_samples = 1
    settings.resolution_x, settings.resolution_y, settings.resolution_percentage = width, height, 100
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = 1, False, 0
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    if hasattr(settings.image_settings, "media_type"):  # Blender 5
        settings.image_settings.media_type = "IMAGE"
    settings.image_settings.file_format, settings.image_settings.color_mode = "PNG", "RGB"
    settings.filepath = str(Path(REQUEST["folder"]) / f"{name}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(settings.filepath)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1, :, :3]


def compared(rendered: np.ndarray, wanted: np.ndarray, captured: Capture) -> dict[str, float]:
    """How far a render is from a picture where the capture shows a surface, 0..1."""
    error = np.abs(rendered - wanted / np.float32(255))[np.isfinite(captured.depth)]
    return {"mean": float(error.mean()), "beyond": float((error.max(axis=-1) > 0.1).mean())}
