"""Capture final renders, and compare them with the viewport's captures and with the user's own render."""

from pathlib import Path

import bpy
import numpy as np
import scenes
from framebridge.capture import Capture, Capturer
from framebridge.render import render_capture
from framebridge.viewport import camera_view, find_viewport
from harness import REQUEST, report

WIDTH, HEIGHT = 320, 184
TRANSFORMS = ("Standard", "Filmic", "AgX") if bpy.app.version >= (4, 0) else ("Standard", "Filmic")
FOLDER = Path(REQUEST["folder"])


def cycles() -> dict:
    return {kind: compared(kind, "CYCLES") for kind in scenes.CAMERAS}


def workbench() -> dict:
    return {kind: compared(kind, "BLENDER_WORKBENCH") for kind in scenes.CAMERAS}


def compared(kind: str, engine: str) -> dict:
    """Pixels, of which those that lie on an edge may fall to either side."""
    scenes.solids()
    scenes.camera(kind)
    bpy.context.scene.unit_settings.scale_length = 0.1
    single_sample(engine)
    drawn, rendered = both(with_surfaces=True)
    is_drawn, is_rendered = np.isfinite(drawn.depth), np.isfinite(rendered.depth)
    same = is_drawn & is_rendered & (names(drawn) == names(rendered))
    return {
        "pixels": drawn.depth.size,
        "covered": float(is_rendered.mean()),
        "coverage_differs": int((is_drawn != is_rendered).sum()),
        "ids_without_depth": int(((rendered.object_id > 0) != is_rendered).sum()),
        "names_differ": int((is_drawn & is_rendered).sum() - same.sum()),
        "depth": float(np.median(np.abs(drawn.depth[same] / rendered.depth[same] - 1))),
        "depth_differs": int((np.abs(drawn.depth[same] / rendered.depth[same] - 1) > 5e-4).sum()),
        "turned": int(((drawn.normal * rendered.normal).sum(-1)[same] < np.cos(np.radians(0.5))).sum()),
        "sky_normal": np.unique(rendered.normal[~is_rendered], axis=0).tolist(),
        "shortest_normal": float(np.linalg.norm(rendered.normal, axis=-1).min()),
        "matrices": float(max(np.abs(drawn.view - rendered.view).max(), abs(drawn.far - rendered.far))),
        "projection": float(np.abs(drawn.projection - rendered.projection).max()),
    }


def colors() -> dict:
    """What the user's own F12 shows, under each view transform, beside what is captured."""
    found = {}
    for transform in TRANSFORMS:
        lit()
        scene = bpy.context.scene
        scene.view_settings.view_transform, scene.view_settings.exposure = transform, 0.4
        viewport = find_viewport()
        captured = render_capture(Capturer(), viewport, camera_view(viewport, WIDTH, HEIGHT))
        difference = np.abs(captured.color.astype(int) - own_render(viewport.scene))
        found[transform] = {"worst": int(difference.max()), "mean": captured.color.mean(axis=(0, 1)).tolist()}
    return found


def transparent() -> dict:
    """A transparent film: what is not covered is black, and no surfaces are told where none are asked for."""
    lit()
    bpy.context.scene.render.film_transparent = True
    viewport = find_viewport()
    captured = render_capture(Capturer(), viewport, camera_view(viewport, WIDTH, HEIGHT))
    is_sky = np.isinf(captured.depth)
    return {
        "sky": int(captured.color[is_sky].max()),
        "covered": float(captured.color[~is_sky].mean()),
        "surfaces": [captured.normal is None, captured.object_id is None, list(captured.object_names)],
    }


def settings_of_the_user() -> dict:
    """What would change the size, the frame or the passes, were it taken over."""
    lit()
    scene, render = bpy.context.scene, bpy.context.scene.render
    expected = both(with_surfaces=False)[1]
    render.resolution_percentage, render.use_border, render.use_crop_to_border = 25, True, True
    render.border_max_x = 0.5
    render.use_multiview = render.use_stamp = True
    render.pixel_aspect_y = 2.0
    scene.view_layers[0].use_pass_combined = scene.view_layers[0].use_pass_z = False
    scene.view_layers[0].use_pass_mist = True
    scene.view_layers[0].name = "A layer.with dots, and a name that is longer than any channel's may be: 日本"
    scene.view_layers.new("Another")
    marker = scene.timeline_markers.new("Switch", frame=0)
    marker.camera = scenes.camera("rolled_vertical_fit")
    scene.camera = bpy.data.objects["perspective"]
    found = both(with_surfaces=False)[1]
    return {
        "color": int(np.abs(found.color.astype(int) - expected.color).max()),
        "depth": bool(np.array_equal(found.depth, expected.depth)),
    }


def odd_scenes() -> dict:
    """All sky, a name that breaks the manifest of names, and a driver that fails."""
    scenes.clear()
    scenes.camera("perspective")
    single_sample("CYCLES")
    viewport = find_viewport()
    view = camera_view(viewport, 64, 64)
    empty = render_capture(Capturer(), viewport, view, with_surfaces=True)
    bpy.ops.mesh.primitive_cube_add(size=3)
    bpy.context.object.name = 'Say "hello": 日本'
    named = render_capture(Capturer(), viewport, view, with_surfaces=True)
    driver = bpy.context.object.driver_add("location", 0).driver
    driver.expression = "no_such_name + 1"
    broken = render_capture(Capturer(), viewport, view)
    return {
        "empty": [empty.is_all_sky, int(empty.object_id.max()), list(empty.object_names)],
        "named": [int(named.object_id.max()), list(named.object_names)],
        "broken_driver": broken.is_all_sky,
    }


def lit() -> None:
    scenes.solids()
    scenes.camera("perspective")
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    lamp = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    lamp.data.energy, lamp.data.color, lamp.rotation_euler = 4.0, (1.0, 0.7, 0.4), (0.5, 0.3, 0.0)
    scene.collection.objects.link(lamp)
    single_sample("CYCLES")


def own_render(scene: bpy.types.Scene) -> np.ndarray:
    """Render as the user does, and return what the Image Editor shows, uint8 (H, W, 3), rows downwards."""
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage, scene.render.dither_intensity = 100, 0.0
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    path = FOLDER / "own.png"
    bpy.ops.render.render()
    image = next(image for image in bpy.data.images if image.type == "RENDER_RESULT")
    image.save_render(str(path), scene=scene)
    shown = bpy.data.images.load(str(path))
    pixels = np.empty(WIDTH * HEIGHT * 4, np.float32)
    shown.pixels.foreach_get(pixels)
    return np.rint(pixels.reshape(HEIGHT, WIDTH, 4)[::-1, :, :3] * 255).astype(int)


def names(capture: Capture) -> np.ndarray:
    return np.array(["", *capture.object_names])[capture.object_id]


def both(with_surfaces: bool) -> tuple[Capture, Capture]:
    viewport, capturer = find_viewport(), Capturer()
    view = camera_view(viewport, WIDTH, HEIGHT)
    drawn = capturer.capture(viewport, view, with_surfaces)
    return drawn, render_capture(capturer, viewport, view, with_surfaces)


def single_sample(engine: str) -> None:
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.display.render_aa = "OFF"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01


report(cycles, workbench, colors, transparent, settings_of_the_user, odd_scenes)
