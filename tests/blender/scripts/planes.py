"""Check colour, normals, object ids and matrices against rays cast into the scene itself."""

import math

import bpy
import numpy as np
import scenes
from framebridge.capture import Capture, Capturer
from framebridge.viewport import View, camera_view, find_viewport
from harness import report
from mathutils import Matrix, Vector

WIDTH, HEIGHT = 320, 180
COLORS = {
    "Red": (0.8, 0.05, 0.05),
    "Green": (0.05, 0.7, 0.1),
    "Blue": (0.1, 0.15, 0.9),
    "Yellow": (0.9, 0.8, 0.1),
}
PLACES = {
    "Red": (-3.2, 0, 1.4),
    "Green": (3.0, 0.5, 1.2),
    "Blue": (-1.5, 1.0, -1.2),
    "Yellow": (2.2, -0.8, -1.3),
}


def colors() -> dict:
    """Four spheres in the corners: what lies at the projection of each one's centre."""
    found = {}
    for scale in (1.0, 0.01):
        colored_spheres()
        bpy.context.scene.unit_settings.scale_length = scale
        captured = capture()
        for name, place in PLACES.items():
            row, column = pixel_of(captured, Vector(place) * scale)
            found[f"{name} {scale}"] = {
                "color": captured.color[row, column].tolist(),
                "expected": [round(255 * encoded(value)) for value in COLORS[name]],
                "object": captured.object_names[captured.object_id[row, column] - 1],
                "row": row,
                "column": column,
            }
    return found


def rays() -> dict:
    """Of every camera: the object, depth and normal where a ray through each seventh pixel hits."""
    return {kind: cast(kind) for kind in scenes.CAMERAS}


def cast(kind: str) -> dict:
    scenes.solids()
    scenes.camera(kind)
    whole = capture()
    curves = [index + 1 for index, name in enumerate(whole.object_names) if name == "BézierCircle"]
    bpy.data.objects.remove(bpy.data.objects["BézierCircle"])  # rays do not hit curves before Blender 5
    captured = capture()
    found = {
        "ids_without_depth": int(((whole.object_id > 0) != np.isfinite(whole.depth)).sum()),
        "curve": int(np.isin(whole.object_id, curves).sum()),
        "hit": 0,
        "wrong_sky": 0,
        "wrong_objects": [],
    }
    depth_errors, angles = [], []
    for row in range(3, HEIGHT, 7):
        for column in range(3, WIDTH, 7):
            hit, at, facing, name = cast_ray(captured, row, column)
            number = captured.object_id[row, column]
            found["hit"] += hit
            found["wrong_sky"] += hit != bool(number)
            if hit and number and captured.object_names[number - 1] != name:
                found["wrong_objects"].append([row, column, name, captured.object_names[number - 1]])
            elif hit and number:
                depth_errors.append(abs(-at.z - float(captured.depth[row, column])))
                angles.append(math.degrees(facing.angle(Vector(captured.normal[row, column]))))
    return found | {"depth_error": max(depth_errors), "turned": sum(angle > 0.1 for angle in angles)}


def cast_ray(captured: Capture, row: int, column: int) -> tuple[bool, Vector, Vector, str]:
    """Return whether a pixel's ray hits, and where, which way that faces (both in camera space), and what."""
    unproject = np.linalg.inv(captured.projection @ captured.view)
    near, far = (point_at(unproject, row, column, depth) for depth in (-1.0, 1.0))
    ray = (far - near).normalized()
    hit, at, normal, _, item, _ = bpy.context.scene.ray_cast(bpy.context.view_layer.depsgraph, near, ray)
    view = Matrix(captured.view)
    facing = view.to_3x3() @ (normal if normal.dot(ray) < 0 else -normal)
    return hit, view @ at, facing.normalized() if hit else facing, item.name if hit else ""


def orthographic_viewport() -> dict:
    """A viewport's orthographic view clips behind its own camera; distances must come out positive."""
    scenes.solids()
    viewport = find_viewport()
    view = Matrix.Rotation(-0.9, 4, "X")
    projection = Matrix(((1 / 6, 0, 0, 0), (0, 1 / 3.375, 0, 0), (0, 0, -1 / 100, 0), (0, 0, 0, 1)))
    captured = Capturer().capture(viewport, View(view, projection, WIDTH, HEIGHT))
    depth = captured.depth[np.isfinite(captured.depth)]
    row, column = pixel_of(captured, Vector((0, 0, 0)))
    return {
        "near": captured.near,
        "nearest": float(depth.min()),
        "origin": float(-(Matrix(captured.view) @ Vector((0, 0, 0))).z),
        "spread": float(depth.max() - depth.min()),
        "middle": [row, column],
    }


def repeated() -> dict:
    """Two captures of one view are equal, and one of another size in between does no harm."""
    scenes.solids()
    scenes.camera("perspective")
    viewport, capturer = find_viewport(), Capturer()
    first = capturer.capture(viewport, camera_view(viewport, WIDTH, HEIGHT))
    odd = capturer.capture(viewport, camera_view(viewport, 101, 67))
    second = capturer.capture(viewport, camera_view(viewport, WIDTH, HEIGHT))
    capturer.free()
    third = capturer.capture(viewport, camera_view(viewport, WIDTH, HEIGHT))
    return {
        "equal": all(
            np.array_equal(first.color, other.color) and np.array_equal(first.depth, other.depth)
            for other in (second, third)
        ),
        "odd": [*odd.color.shape, *odd.depth.shape],
    }


def colored_spheres() -> None:
    scenes.clear()
    shading = find_viewport().space.shading
    shading.type, shading.light, shading.color_type = "SOLID", "FLAT", "OBJECT"
    shading.show_object_outline = False
    for name, place in PLACES.items():
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.7, location=place)
        bpy.context.object.name = name
        scenes.paint(bpy.context.object, COLORS[name])
    camera = scenes.camera("perspective")
    camera.location, camera.rotation_euler = (0, -11, 0), (math.pi / 2, 0, 0)
    bpy.context.view_layer.update()


def capture() -> Capture:
    viewport = find_viewport()
    return Capturer().capture(viewport, camera_view(viewport, WIDTH, HEIGHT), with_surfaces=True)


def pixel_of(captured: Capture, point: Vector) -> tuple[int, int]:
    x, y, _, w = Matrix(captured.projection @ captured.view) @ point.to_4d()
    return int((1 - y / w) / 2 * HEIGHT), int((x / w + 1) / 2 * WIDTH)


def point_at(unproject: np.ndarray, row: int, column: int, depth: float) -> Vector:
    clip = ((column + 0.5) / WIDTH * 2 - 1, 1 - (row + 0.5) / HEIGHT * 2, depth, 1.0)
    x, y, z, w = unproject @ np.array(clip)
    return Vector((x / w, y / w, z / w))


def encoded(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


report(colors, rays, orthographic_viewport, repeated)
