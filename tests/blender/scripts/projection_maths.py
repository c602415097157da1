"""The numpy parts of projection: layers of a depth map, unwrapping, growing islands."""

from typing import Any

import bpy
import numpy as np
import scenes
from framebridge.boot import start_gpu
from framebridge.projection.projector import NO_OFFSET, SKY, depth_layers
from framebridge.projection.texels import dilate, draw_texels, fill, read_surface
from framebridge.projection.uv import BAKE_UV, write_unwrapped_uv
from harness import report

PERSPECTIVE = np.array(((2.0, 0, 0, 0), (0, 2.0, 0, 0), (0, 0, -1.01, -0.2), (0, 0, -1.0, 0)))
ORTHOGRAPHIC = np.array(((0.1, 0, 0, 0), (0, 0.1, 0, 0), (0, 0, -0.02, -1.0), (0, 0, 0, 1.0)))


def layers() -> dict[str, Any]:
    """A floor that runs away under a wall has two layers at the wall's sides, and none elsewhere."""
    found = {}
    rows = np.arange(64, dtype=np.float64)[:, None] + np.zeros((64, 64))
    floors = {"perspective": 60.0 / (rows + 4.0), "orthographic": 40.0 - 0.5 * rows}
    for name, projection in (("perspective", PERSPECTIVE), ("orthographic", ORTHOGRAPHIC)):
        depth = floors[name].astype(np.float32)
        plain = depth_layers(depth, projection)
        depth[10:30, 20:40] = 0.5 * depth[29, 0]
        depth[:4] = np.inf
        result = depth_layers(depth, projection)
        edges = result[..., 2] != NO_OFFSET
        near = np.zeros((64, 64), bool)
        near[9:31, 19:41] = True
        near[11:29, 21:39] = False
        near[3:5] = True
        beside = result[15, 19], result[15, 20]
        found[name] = {
            "plain_edges": int((plain[..., 2] != NO_OFFSET).sum()),
            "missed": int((near & ~edges).sum()),
            "invented": int((edges & ~near).sum()),
            "offsets": [float(pixel[2]) for pixel in beside],
            "others": bool(beside[0][1] == depth[15, 20] and beside[1][1] == depth[15, 19]),
            "sky": bool(result[0, 0, 0] == np.float32(SKY)),
            "tolerated": bool((np.abs(np.diff(floors[name], axis=0)) / 2 < plain[1:, :, 3]).all()),
        }
    return found


def unwrapped() -> dict[str, Any]:
    """Every face has a place of its own, and none is lost, on meshes of all sorts."""
    scenes.solids()
    start_gpu()
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=5)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=30, y_subdivisions=30)
    rough = bpy.context.object.data
    for vertex in rough.vertices:
        vertex.co.z = np.random.default_rng(vertex.index).uniform(-0.05, 0.05)
    found = {}
    for mesh in list(bpy.data.meshes):
        name = write_unwrapped_uv(mesh)
        assert name == BAKE_UV
        surface = read_surface(mesh, name)
        drawn = draw_texels(surface, 1024)
        sides = surface.places[:, 1:] - surface.places[:, :1]
        area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
        found[mesh.name] = {
            "inside": bool(surface.places.min() >= 0.0 and surface.places.max() <= 1.0),
            "flat": int((area <= 0.0).sum()),
            "shared": float(drawn[1][:, 3].sum() / drawn[0][:, 3].sum()) if len(drawn) > 1 else 0.0,
            "used": float(area.sum()),
        }
    return found


def grown() -> dict[str, Any]:
    """An island grows by its margin, with its own colour, and stops at the picture's border."""
    pixels = np.zeros((20, 30, 4), np.float32)
    known = np.zeros((20, 30), bool)
    known[0:5, 10:15] = True
    pixels[known] = (0.2, 0.4, 0.6, 1.0)
    dilate(pixels, known, 3)
    return {
        "rows": np.flatnonzero(known.any(axis=1)).tolist(),
        "columns": np.flatnonzero(known.any(axis=0)).tolist(),
        "colors": np.unique(np.round(pixels[known], 5), axis=0).tolist(),
        "others": float(pixels[~known].max()),
    }


def filled() -> dict[str, Any]:
    """Gaps take the colours around them; what is known stays."""
    pixels = np.zeros((32, 64, 4), np.float32)
    known = np.zeros((32, 64), bool)
    known[4:9, 3:11], known[20:31, 40:61] = True, True
    pixels[4:9, 3:11], pixels[20:31, 40:61] = 0.25, 0.75
    before = pixels[known].copy()
    fill(pixels, known)
    return {
        "kept": bool((pixels[known] == before).all()),
        "range": [float(pixels.min()), float(pixels.max())],
        "beside": [float(pixels[6, 12, 0]), float(pixels[25, 37, 0])],
    }


report(layers, unwrapped, grown, filled)
