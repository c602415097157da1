"""Frames of real models that training never sees.

``python -m training.scenes.frames --models DIR --out DIR``

Models that are not in ``--models`` (see `training.models_fetch`) are left out; Suzanne, a still life of
Suzannes and Blender's default cube need no file.
"""

import argparse
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from training.scenes.capture import GBuffer, Viewport, start_blender

VIEWS = ((-2.2, 0.35), (-1.6, 0.6), (-1.0, 0.2), (-2.7, 0.45), (0.6, 0.3), (2.2, 0.8))
"""Yaw and elevation of each frame, radians."""

GROUND_COLOUR = (0.35, 0.5, 0.3, 1.0)


def main() -> None:
    """Write one folder of planes, as a shard, with the frames' names in ``names.json``.

    The folder appears only when it is complete.
    """
    parser = argparse.ArgumentParser(prog="python -m training.scenes.frames", description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} is there already")
    frames, names = [], []
    for name, build, colours, has_ground in scenes(options.models):
        start_blender()
        build()
        frames += list(_views(Viewport(options.size, options.size), colours, has_ground))
        names += [name] * len(VIEWS)
        print(f"{name}: {len(VIEWS)} frames", flush=True)
    unfinished = options.out.with_name(options.out.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for plane in fields(GBuffer):
        np.save(unfinished / f"{plane.name}.npy", np.stack([getattr(frame, plane.name) for frame in frames]))
    (unfinished / "names.json").write_text(json.dumps(names), "utf-8")
    unfinished.rename(options.out)


def scenes(models: Path) -> Iterator[tuple[str, Callable[[], object], str, bool]]:
    """Yield (name, builder, viewport colour mode, stands on a ground)."""
    yield "suzanne", _suzanne, "OBJECT", False
    yield "suzanne on ground", _suzanne, "OBJECT", True
    yield "suzannes", _still_life, "OBJECT", True
    yield "default cube", bpy.ops.mesh.primitive_cube_add, "MATERIAL", False
    for name, file, has_ground in (
        ("engine", "2CylinderEngine.glb", False),
        ("wuson", "WusonOBJ.obj", False),
        ("spider", "spider.obj", True),
        ("bunny", "bunny.js", True),
    ):
        path = models / file
        if path.exists():
            yield (
                name,
                lambda path=path: _load(path),
                "MATERIAL" if path.suffix == ".glb" else "OBJECT",
                has_ground,
            )


def _suzanne() -> None:
    bpy.ops.mesh.primitive_monkey_add()
    monkey = bpy.context.object
    monkey.modifiers.new("smooth", "SUBSURF").levels = 2
    bpy.ops.object.shade_smooth()
    monkey.color = (0.8, 0.45, 0.2, 1.0)


def _still_life() -> None:
    places = ((-1.6, 0.4), (1.5, 1.2), (0.1, -1.3), (-0.6, 1.9), (1.9, -0.9), (-1.9, -1.5), (0.3, 0.4))
    for k, (x, y) in enumerate(places):
        bpy.ops.mesh.primitive_monkey_add(size=0.7 + 0.1 * k, location=(x, y, 0.4), rotation=(0, 0, 0.9 * k))
        bpy.context.object.color = (0.2 + 0.1 * k, 0.8 - 0.1 * k, 0.3 + 0.25 * (k % 3), 1.0)


def _load(path: Path) -> None:
    match path.suffix:
        case ".glb":
            bpy.ops.import_scene.gltf(filepath=str(path))
        case ".obj":
            bpy.ops.wm.obj_import(filepath=str(path))
        case ".js":
            _load_bunny(path)


def _load_bunny(path: Path) -> None:
    """Read the npm package ``bunny``: two JavaScript arrays, positions and cells."""
    source = path.read_text("utf-8")
    positions, cells = (
        json.loads(re.search(rf"exports\.{name}\s*=\s*(\[\[.*?\]\])", source, re.S)[1])
        for name in ("positions", "cells")
    )
    mesh = bpy.data.meshes.new("bunny")
    mesh.from_pydata([(x, -z, y) for x, y, z in positions], [], cells)
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("bunny", mesh))


def _views(viewport: Viewport, colours: str, has_ground: bool) -> Iterator[GBuffer]:
    bpy.context.view_layer.update()
    solids = [obj for obj in bpy.context.scene.objects if obj.type == "MESH"]
    corners = np.array([obj.matrix_world @ Vector(corner) for obj in solids for corner in obj.bound_box])
    low, high = corners.min(0), corners.max(0)
    centre, radius = Vector((low + high) / 2), float(np.linalg.norm(high - low)) / 2
    if has_ground:
        bpy.ops.mesh.primitive_plane_add(size=radius * 30, location=(centre.x, centre.y, float(low[2])))
        bpy.context.object.color = GROUND_COLOUR
    viewport.shading.light, viewport.shading.color_type = "STUDIO", colours
    viewport.shading.show_object_outline = True
    camera = bpy.context.scene.camera
    camera.data.clip_start, camera.data.clip_end = radius * 0.05, radius * 40
    for yaw, elevation in VIEWS:
        flat = math.cos(elevation)
        towards = Vector((math.cos(yaw) * flat, math.sin(yaw) * flat, math.sin(elevation)))
        camera.location = centre + towards * radius * 2.7
        camera.rotation_euler = (-towards).to_track_quat("-Z", "Y").to_euler()
        bpy.context.view_layer.update()
        yield viewport.capture(scale=radius, smooth_edges=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # Blender reports live GPU objects at a normal exit as leaks.
    os._exit(0)
