# SPDX-License-Identifier: GPL-3.0-or-later
"""UV maps: that of a projected view, and one to bake to."""

from __future__ import annotations

import bpy
import numpy as np

from ..geometry import is_perspective
from ..surfaces import values
from .unwrap import Faces, unwrap

MOST_UV_MAPS = 8
"""What Blender gives a mesh room for."""

BAKE_UV = "Framebridge Bake"


def write_projected_uv(mesh: bpy.types.Mesh, name: str, matrix: np.ndarray, projection: np.ndarray) -> str:
    """Write a UV map by which a picture lies on the mesh as the camera saw it.

    It follows the mesh without its modifiers, and large faces only roughly: shaders do not use it.

    Args:
        mesh: Not in Edit Mode.
        name: Of the map.
        matrix: Mesh to camera.
        projection: Camera to clip space.

    Returns:
        The map's name; empty if the mesh has no room for one more, or may not be changed.
    """
    if mesh.library or mesh.is_editmode or len(mesh.uv_layers) >= MOST_UV_MAPS:
        return ""
    corners = values(mesh.loops, "vertex_index", 1, np.int32)[:, 0]
    seen = values(mesh.vertices, "co", 3, np.float32) @ matrix[:3, :3].T + matrix[:3, 3]
    clip = seen @ projection[[0, 1, 3], :3].T + projection[[0, 1, 3], 3]
    w = np.where(clip[:, 2:] > 1e-6, clip[:, 2:], 1e-6) if is_perspective(projection) else 1.0
    place = np.clip(clip[:, :2] / w * 0.5 + 0.5, -10.0, 10.0)
    return _new_layer(mesh, name, place[corners].astype(np.float32))


def write_unwrapped_uv(mesh: bpy.types.Mesh) -> str:
    """Add a UV map on which every face has a place of its own, and return its name."""
    totals = values(mesh.polygons, "loop_total", 1, np.int32)[:, 0]
    owners = np.repeat(np.arange(len(totals), dtype=np.int32), totals)
    corners = values(mesh.loops, "vertex_index", 1, np.int32)[:, 0]
    faces = Faces(
        points=values(mesh.vertices, "co", 3, np.float32)[corners],
        edges=values(mesh.loops, "edge_index", 1, np.int32)[:, 0],
        owners=owners,
        normals=values(mesh.polygons, "normal", 3, np.float32),
    )
    return _new_layer(mesh, BAKE_UV, unwrap(faces))


def remove_uv(mesh: bpy.types.Mesh, name: str) -> None:
    """Remove a UV map, if it is there."""
    if name and not mesh.library and not mesh.is_editmode and name in mesh.uv_layers:
        active = mesh.uv_layers.active.name
        mesh.uv_layers.remove(mesh.uv_layers[name])
        if active in mesh.uv_layers:
            mesh.uv_layers.active = mesh.uv_layers[active]


def _new_layer(mesh: bpy.types.Mesh, name: str, places: np.ndarray) -> str:
    active = mesh.uv_layers.active_index
    layer = mesh.uv_layers.new(name=name, do_init=False)
    layer.data.foreach_set("uv", places.ravel())
    if active >= 0:
        mesh.uv_layers.active_index = active
    return layer.name
