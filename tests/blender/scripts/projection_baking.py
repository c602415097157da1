"""Bake projected views to textures, and render what came of it."""

import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from framebridge._bridge.errors import BridgeError
from framebridge.capture import Capture
from framebridge.projection import (
    BakeOptions,
    bake,
    match_colors,
    project,
    remove_view,
    views_of,
)
from harness import REQUEST, report
from projection_scene import HEIGHT, WIDTH, build, capture, compared, look_from, picture, render

SIDE = (7.5, -6.0, 5.0)


def sizes() -> dict[str, Any]:
    """The same camera shows the picture again, and the more exactly the larger the texture is."""
    found = {}
    captured, objects = _projected()
    bake(objects, BakeOptions(size=512))  # the first one compiles the shader
    for size in (512, 1024):
        start = time.perf_counter()
        baked = bake(objects, BakeOptions(size=size))
        found[size] = {"seconds": (time.perf_counter() - start) / len(baked.objects)}
        found[size] |= compared(render(f"baked at {size}"), picture(), captured)
    return found | {"images": [image.name for image in bpy.data.images if "Framebridge" in image.name]}


def displays() -> dict[str, Any]:
    """The same texture under every view transform."""
    captured, objects = _projected()
    bake(objects, BakeOptions(size=1024))
    scene, found = bpy.context.scene, {}
    for transform in ("Standard", "Filmic", "AgX"):
        scene.view_settings.view_transform = transform
        match_colors(scene)
        found[transform] = compared(render(f"baked, {transform}"), picture(), captured)
    scene.view_settings.exposure = -0.7
    match_colors(scene)
    return found | {"exposed": compared(render("baked, exposed"), picture(), captured)}


def against_preview() -> dict[str, Any]:
    """From the side, the texture of two views looks as the shader that blends them does."""
    _, objects = _projected()
    camera = bpy.context.scene.camera
    look_from(SIDE)
    side = capture()
    project(255 - picture(), side, objects)
    bpy.context.scene.camera = camera
    look_from((3.5, -8.5, 4.5))
    between = capture()
    covered = np.isfinite(between.depth)
    preview = render("preview, between")
    bake(objects, BakeOptions(size=1024))
    error = np.abs(render("baked, between") - preview)[covered & (preview.max(axis=2) > 0.05)]
    return {"mean": float(error.mean()), "beyond": float((error.max(axis=1) > 0.1).mean())}


def cover() -> dict[str, Any]:
    """Alpha tells what was painted; the rest has the object's own colour, also where it has two."""
    build()
    monkey = bpy.data.objects["Suzanne"]
    colors = {"Red": (0.9, 0.05, 0.05, 1.0), "Blue": (0.05, 0.05, 0.9, 1.0)}
    monkey.data.materials.clear()
    for name, color in colors.items():
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
        monkey.data.materials.append(material)
    for polygon in monkey.data.polygons:
        polygon.material_index = int(polygon.center.x > 0)
    project(picture(), capture(), [monkey])
    image = bake([monkey], BakeOptions(size=512)).images[0]
    pixels = np.empty(512 * 512 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(-1, 4)
    bare = pixels[pixels[:, 3] == 0.0, :3]
    encoded = [np.array([0.953, 0.247, 0.247]), np.array([0.247, 0.247, 0.953])]
    is_own = np.min([np.abs(bare - color).max(axis=1) for color in encoded], axis=0) < 0.01
    painted = pixels[pixels[:, 3] == 1.0, :3]
    return {
        "bare": len(bare),
        "own": float(is_own.mean()),
        "red": int((bare[:, 0] > 0.9).sum()),
        "painted": len(painted),
        "ramps": [float(painted[:, :2].min()), float(painted[:, :2].max())],
        "color_space": image.colorspace_settings.name,
    }


def uv_maps() -> dict[str, Any]:
    """The active UV map is used where each face has a place of its own on it; else one is made."""
    found = {}
    for name, change in UV_CHANGES.items():
        captured, _ = _projected(change)
        monkey = bpy.data.objects["Suzanne"]
        bake([monkey], BakeOptions(size=512))
        is_monkey = captured.object_id == captured.object_names.index("Suzanne") + 1
        error = np.abs(render(f"uv {name}") - picture() / np.float32(255))[is_monkey]
        found[name] = {"maps": [layer.name for layer in monkey.data.uv_layers], "mean": float(error.mean())}
    return found


def _overlapping(mesh: bpy.types.Mesh) -> None:
    places = np.random.default_rng(1).uniform(0, 1, len(mesh.loops) * 2).astype(np.float32)
    mesh.uv_layers.active.data.foreach_set("uv", places)


def _outside(mesh: bpy.types.Mesh) -> None:
    for corner in mesh.uv_layers.active.data:
        corner.uv.x += 3.0


def _none(mesh: bpy.types.Mesh) -> None:
    mesh.uv_layers.remove(mesh.uv_layers[0])


def _collapsed(mesh: bpy.types.Mesh) -> None:
    mesh.uv_layers.active.data.foreach_set("uv", [0.5] * len(mesh.loops) * 2)


UV_CHANGES = {
    "own": lambda mesh: None,
    "overlapping": _overlapping,
    "outside": _outside,
    "none": _none,
    "collapsed": _collapsed,
}


def inside_out() -> dict[str, float]:
    """A mesh whose normals point inwards is painted where the camera sees it all the same."""
    captured, _ = _projected(lambda mesh: mesh.flip_normals())
    monkey = bpy.data.objects["Suzanne"]
    bake([monkey], BakeOptions(size=1024))
    is_monkey = captured.object_id == captured.object_names.index("Suzanne") + 1
    error = np.abs(render("inside out") - picture() / np.float32(255))[is_monkey]
    return {"mean": float(error.mean())}


def mirrored() -> dict[str, Any]:
    """Both sides of a Mirror modifier share the texture: that is told, and neither side is a ghost."""
    build()
    half = bpy.data.objects["Half"]
    captured = capture()
    project(picture(), captured, [half])
    baked = bake([half], BakeOptions(size=1024))
    seen = render("mirrored")[captured.object_id == captured.object_names.index("Half") + 1]
    colors = np.unique(np.rint(seen[:, 2] * 255).astype(int), return_counts=True)[1]
    return {
        "warnings": [[problem.code, problem.hint] for problem in baked.warnings],
        "checker_colors": float(np.sort(colors)[-2:].sum() / colors.sum()),
    }


def seen_halves() -> list[float]:
    """Seen from either end, the half in front hides the other: the texture is that of the front one."""
    errors = []
    for end in (-8.0, 8.0):
        build()
        half = bpy.data.objects["Half"]
        for item in [item for item in bpy.data.objects if item.type != "CAMERA" and item != half]:
            bpy.data.objects.remove(item)
        look_from((-2.6 + end * np.cos(0.4), -0.6 + end * np.sin(0.4), 0.8), (-2.6, -0.6, 0.75))
        captured = capture()
        project(picture(), captured, [half])
        bake([half], BakeOptions(size=1024))
        is_half = captured.object_id == captured.object_names.index("Half") + 1
        errors.append(float(np.abs(render(f"end {end}") - picture() / np.float32(255))[is_half].mean()))
    return errors


def gaps() -> dict[str, float]:
    """Outside its islands a texture goes on with their colours: no seam shows, however it is filtered."""
    build()
    for item in [item for item in bpy.data.objects if item.type != "CAMERA"]:
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_plane_add(size=2, rotation=(np.pi / 2, 0, 0))
    wall = bpy.context.object
    for corner in wall.data.uv_layers.active.data:
        corner.uv = corner.uv * 0.3 + type(corner.uv)((0.35, 0.35))
    look_from((0, -9, 0), (0, 0, 0))
    project(picture(), capture(), [wall])
    image = bake([wall], BakeOptions(size=512)).images[0]
    pixels = np.empty(512 * 512 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return {"least_alpha": float(pixels[3::4].min()), "brightest": float(pixels.reshape(-1, 4)[:, :3].max())}


def lit() -> dict[str, Any]:
    """Lit by the scene, the texture is the colour of a surface, in plain sRGB."""
    _, objects = _projected()
    bpy.context.scene.view_settings.view_transform = "AgX"
    bake(objects, BakeOptions(size=512, is_lit=True))
    nodes = bpy.data.objects["Suzanne"].material_slots[0].material.node_tree.nodes
    image = next(node.image for node in nodes if node.type == "TEX_IMAGE")
    return {"shaders": sorted(node.type for node in nodes), "color_space": image.colorspace_settings.name}


def saved() -> dict[str, Any]:
    """Baked, a view removed, saved, and opened again: the same picture."""
    captured, objects = _projected()
    bpy.context.scene.view_settings.view_transform = "Filmic"
    baked = bake(objects, BakeOptions(size=1024))
    before = render("baked, before saving")
    path = str(Path(REQUEST["folder"]) / "baked.blend")
    for item in baked.objects:
        assert item.material_slots[0].material
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    after = render("baked, after saving")
    return {
        "worst": float(np.abs(after - before).max()),
        "error": compared(after, picture(), captured)["mean"],
    }


def refused() -> dict[str, Any]:
    """What cannot be baked is told, by code."""
    _, objects = _projected()
    monkey = bpy.data.objects["Suzanne"]
    codes = {}
    text = bpy.data.objects["Text"]
    attempts = {
        "odd size": lambda: bake(objects, BakeOptions(size=700)),
        "not projected": lambda: bake([bpy.context.scene.camera]),
        "text only": lambda: bake([text]),
        "full": lambda: bake([_full(monkey)], BakeOptions(uv_map="NEW")),
    }
    project(picture(), capture(), [text])
    for name, attempt in attempts.items():
        try:
            attempt()
        except BridgeError as error:
            codes[name] = [error.code, error.message, error.hint]
    return codes


def _full(item: bpy.types.Object) -> bpy.types.Object:
    """Give a mesh eight UV maps of its own, and project anew."""
    for view in views_of(item):
        remove_view(view, [item])
    while len(item.data.uv_layers) < 8:
        item.data.uv_layers.new()
    project(picture(), capture(), [item])
    return item


def _projected(change: Any = None) -> tuple[Capture, list[bpy.types.Object]]:
    """Project onto meshes that no modifier mirrors."""
    build()
    bpy.data.objects.remove(bpy.data.objects["Half"])
    if change:
        change(bpy.data.meshes["Suzanne"])
    for item in [bpy.data.objects["Text"]]:
        item.hide_render = item.hide_viewport = True
    bpy.context.view_layer.update()
    captured = capture()
    assert captured.color.shape == (HEIGHT, WIDTH, 3)
    return captured, list(project(picture(), captured).objects)


report(
    sizes,
    displays,
    against_preview,
    cover,
    uv_maps,
    inside_out,
    mirrored,
    seen_halves,
    gaps,
    lit,
    saved,
    refused,
)
