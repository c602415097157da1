"""Make ``bridge/builtin/demo_frame.npz``: a toy landscape, captured by the add-on in a real Blender.

Stage the add-on with the project's Python, then run this with one that has Blender as a module (``bpy`` 5.0):

    python -c "import pathlib, bridge.packaging as p; p.stage_blender(pathlib.Path('out'))"
    python tests/blender/scripts/make_demo_frame.py --addon out [--out FILE.npz] [--size 512] [--preview PNG]

The scene is made here from Blender's primitives; nothing is downloaded and nothing is random.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

ROOT = Path(__file__).resolve().parents[3]

GRASS, STONE, WOOD, LEAF = "#86b04f", "#c9c2b4", "#8f5730", "#2e8a52"
WALL, ROOF, SUZANNE, BALL, SKY_BLUE, GOLD = "#f4e6c4", "#d2482f", "#f08a2c", "#e0404f", "#3f86d8", "#f6c22f"


def main() -> None:
    options = _arguments()
    _reset()
    build_scene()
    sys.path[:0] = [str(ROOT), str(options.addon)]
    captured = capture(options.size)
    write_frame(captured, options.out)
    if options.preview:
        write_preview(captured, options.preview)
    print(f"{options.out}: {options.out.stat().st_size} bytes, objects: {', '.join(captured.object_names)}")
    sys.stdout.flush()
    os._exit(0)  # live GPU objects make Blender's own exit noisy


def build_scene() -> None:
    """Put a monkey on a plinth between a house, trees, a tower and toys."""
    solid("plane", "Ground", GRASS, (0, 0, 0), size=120)
    solid("cylinder", "Plinth", STONE, (0, 0, 0.25), radius=1.0, depth=0.5, vertices=160)
    monkey = solid("monkey", "Suzanne", SUZANNE, (0, 0, 1.52), (-0.2, 0, 0.33), size=2.3)
    monkey.modifiers.new("Subdivision", "SUBSURF").levels = 3
    house(Vector((-3.3, 3.6, 0)), turn=0.5)
    tower(Vector((3.5, 5.2, 0)))
    for x, y, height in ((-5.9, 5.6, 3.2), (5.9, 4.2, 2.8), (1.15, 7.6, 3.6), (-1.4, 8.8, 3.0)):
        tree(Vector((x, y, 0)), height)
    ball = solid("uv_sphere", "Ball", BALL, (2.15, -0.75, 0.55), radius=0.55)
    radii = {"major_radius": 0.5, "minor_radius": 0.17, "major_segments": 64, "minor_segments": 24}
    ring = solid("torus", "Ring", GOLD, (-2.0, -0.95, 0.64), (math.pi / 2 - 0.12, 0, 0.55), **radii)
    cube = solid("cube", "Block", SKY_BLUE, (2.65, 1.0, 0.4), (0, 0, 0.5), size=0.8)
    cube.modifiers.new("Bevel", "BEVEL").width = 0.06
    for item in (monkey, ball, ring):
        item.data.polygons.foreach_set("use_smooth", [True] * len(item.data.polygons))
    look_from(Vector((-0.9, -8.0, 2.2)), Vector((0.12, 1.0, 2.0)), lens=47)


def house(at: Vector, turn: float) -> None:
    """Four walls with a door and a window, and a gable roof."""
    turned = (0, 0, turn)
    solid("cube", "Walls", WALL, at + Vector((0, 0, 0.9)), turned, size=2, scale=(1.15, 0.95, 0.9))
    x, y, ridge = 1.4, 1.2, 1.15
    corners = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0), (-x, 0, ridge), (x, 0, ridge)]
    mesh = bpy.data.meshes.new("Roof")
    mesh.from_pydata(corners, [], [(0, 3, 2, 1), (0, 1, 5, 4), (2, 3, 4, 5), (1, 2, 5), (3, 0, 4)])
    roof = bpy.data.objects.new("Roof", mesh)
    bpy.context.collection.objects.link(roof)
    roof.location, roof.rotation_euler = at + Vector((0, 0, 1.8)), turned
    paint(roof, ROOF)
    front = at + Vector((math.sin(turn), -math.cos(turn), 0)) * 0.95
    along = Vector((math.cos(turn), math.sin(turn), 0))
    up = Vector((0, 0, 1))
    solid("cube", "Door", WOOD, front + along * 0.35 + up * 0.55, turned, size=2, scale=(0.24, 0.04, 0.55))
    solid("cube", "Window", WOOD, front - along * 0.5 + up * 1.1, turned, size=2, scale=(0.26, 0.04, 0.26))


def tower(at: Vector) -> None:
    """A round tower with a battlement and a blue hat."""
    up = Vector((0, 0, 1))
    solid("cylinder", "Tower", STONE, at + up * 1.7, radius=0.8, depth=3.4, vertices=160)
    solid("cylinder", "Battlement", WALL, at + up * 3.5, radius=1.0, depth=0.45, vertices=160)
    solid("cone", "Hat", SKY_BLUE, at + up * 4.45, radius1=0.95, depth=1.5, vertices=160)


def tree(at: Vector, height: float) -> None:
    """A trunk and three cones."""
    up = Vector((0, 0, 1))
    solid("cylinder", "Trunk", WOOD, at + up * 0.4, radius=0.16, depth=0.8, vertices=64)
    for tier in range(3):
        place = at + up * height * (0.4 + 0.22 * tier)
        solid("cone", "Leaves", LEAF, place, radius1=1 - 0.24 * tier, depth=height * 0.42, vertices=120)


def solid(shape: str, name: str, color: str, at, turn=(0, 0, 0), **options):
    """Add one of Blender's primitive meshes, name it and paint it."""
    getattr(bpy.ops.mesh, f"primitive_{shape}_add")(location=at, rotation=turn, **options)
    item = bpy.context.object
    item.name = name
    paint(item, color)
    return item


def paint(item, color: str) -> None:
    """Give an object its viewport colour, from ``#rrggbb``."""
    item.color = (*(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def look_from(eye: Vector, target: Vector, lens: float) -> None:
    data = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.collection.objects.link(camera)
    camera.location, camera.rotation_euler = eye, (target - eye).to_track_quat("-Z", "Y").to_euler()
    data.lens, data.clip_start, data.clip_end = lens, 0.1, 200.0
    bpy.context.scene.camera = camera


def capture(size: int):
    """Capture it as the viewport shows it with object colours, soft light and shadows."""
    from framebridge.capture import Capturer
    from framebridge.viewport import camera_view, find_viewport

    bpy.context.preferences.system.viewport_aa = "16"
    viewport = find_viewport()
    shading = viewport.space.shading
    shading.type, shading.light, shading.color_type = "SOLID", "STUDIO", "OBJECT"
    shading.studio_light = "paint.sl"
    shading.show_shadows, shading.shadow_intensity = True, 0.25
    shading.background_type, shading.background_color = "VIEWPORT", (0.42, 0.62, 0.85)
    bpy.context.scene.display.light_direction = (0.5, 0.6, 0.62)
    return Capturer().capture(viewport, camera_view(viewport, size, size), with_surfaces=True)


def write_frame(captured, path: Path) -> None:
    """Save it as a frame file; depth is rounded to 16 significant bits, which halves its size."""
    normal = np.round((captured.normal + 1.0) * 127.5).astype(np.uint8)
    camera = {
        "view": [float(value) for value in captured.view.ravel()],
        "projection": [float(value) for value in captured.projection.ravel()],
        "near": captured.near,
        "far": captured.far,
    }
    np.savez_compressed(
        path,
        color=captured.color,
        depth=_rounded(captured.depth),
        normal=normal,
        object_id=captured.object_id,
        camera=np.array(json.dumps(camera)),
    )


def write_preview(captured, path: Path) -> None:
    """Save colour, inverse depth, normals and ids side by side as one PNG."""
    near = captured.depth.min()
    disparity = np.repeat((near / captured.depth * 255)[..., None], 3, axis=-1)
    ids = captured.object_id.astype(np.int64)[..., None] * (73, 151, 211) % 256
    sheet = np.hstack([captured.color, disparity, (captured.normal + 1) * 127.5, ids]).astype(np.uint8)
    height, width = sheet.shape[:2]
    pixels = np.dstack([sheet, np.full((height, width), 255, np.uint8)])[::-1].astype(np.float32) / 255
    image = bpy.data.images.new("Preview", width, height)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


def _rounded(depth: np.ndarray) -> np.ndarray:
    bits = depth.view(np.uint32)
    return np.where(np.isfinite(depth), ((bits + 0x80) & 0xFFFFFF00).view(np.float32), depth)


def _reset() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=False)
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--addon", type=Path, required=True, help="where the add-on was staged")
    parser.add_argument("--out", type=Path, default=ROOT / "bridge/builtin/demo_frame.npz")
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--preview", type=Path, help="also write the planes as a picture")
    return parser.parse_args()


if __name__ == "__main__":
    main()
