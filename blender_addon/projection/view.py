# SPDX-License-Identifier: GPL-3.0-or-later
"""A view in the file: a node group that tells colour, weight and cover of any point, and its pictures.

The group is the only place where a view is kept. What it projects lies in its image nodes, where from in
custom properties, and how strongly in a node that an artist may change or animate.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..capture import Capture
from ..geometry import is_perspective
from . import projector
from .colors import exposure_gain, match_display, new_image, read_pixels, remove_picture
from .nodes import Expression, add_socket

VIEW = "framebridge_view"
"""The custom property that holds a view's number."""

ROWS = ("Row X", "Row Y", "Row Z", "Offset")
"""Inputs: the matrix from the surface's coordinates to the captured camera, in metres."""

NORMAL_ROWS = ("Normal Row X", "Normal Row Y", "Normal Row Z")
"""Inputs: the same for normals."""

BLEND_GAMMA = 2.2
"""Colours leave a view as powers of 1 / this, so that a mean of views is one to the eye, as in a bake."""

_STRENGTH, _EXPOSURE = "Strength", "Exposure"
_TAPS = ("Picture", "Picture, right", "Picture, above", "Picture, above right")
_PICTURE, _LAYERS = "framebridge_picture", "framebridge_layers"
_NODES = {
    **dict.fromkeys((_STRENGTH, _EXPOSURE), "ShaderNodeValue"),
    **dict.fromkeys(_TAPS, "ShaderNodeTexImage"),
}


def new_view(
    picture: np.ndarray, capture: Capture, scene: bpy.types.Scene, max_angle: float, strength: float
) -> bpy.types.NodeTree:
    """Add a view of a picture, uint8 (H, W, 3), rows downwards, to the file."""
    number = 1 + max((view[VIEW] for view in all_views()), default=0)
    name = f"Framebridge View {number}"
    group = bpy.data.node_groups.new(name, "ShaderNodeTree")
    group[VIEW] = number
    group["view"] = capture.view.ravel().tolist()
    group["projection"] = capture.projection.ravel().tolist()
    group["max_angle"] = max_angle
    pixels = np.ones((*picture.shape[:2], 4), np.float32)
    pixels[..., :3] = picture[::-1] / np.float32(255)
    group[_PICTURE] = new_image(name, pixels)
    layers = projector.depth_layers(capture.depth[::-1], capture.projection)
    group[_LAYERS] = new_image(f"{name} (depth)", layers, is_data=True)
    _write_nodes(group, strength)
    match_view(group, scene)
    return group


def all_views() -> list[bpy.types.NodeTree]:
    """Return every view of the file that is whole, oldest first."""
    return sorted(filter(is_view, bpy.data.node_groups), key=lambda view: view[VIEW])


def is_view(group: object) -> bool:
    """Tell whether something is a view of this file with all that belongs to one: anyone may edit it."""
    if not isinstance(group, bpy.types.ShaderNodeTree) or group.library or VIEW not in group:
        return False
    return (
        isinstance(group[VIEW], int)
        and isinstance(group.get("max_angle"), (int, float))
        and all(matrix_of(group.get(name)) is not None for name in ("view", "projection"))
        and all(isinstance(group.get(name), bpy.types.Image) for name in (_PICTURE, _LAYERS))
        and all(getattr(group.nodes.get(name), "bl_idname", "") == kind for name, kind in _NODES.items())
    )


def matrix_of(stored: object) -> np.ndarray | None:
    """Return the matrix that a custom property holds, float64 (4, 4); ``None`` if it is none."""
    try:
        values = np.array(stored, np.float64)
    except (TypeError, ValueError):
        return None
    return values.reshape(4, 4) if values.size == 16 and np.isfinite(values).all() else None


def remove_view_data(view: bpy.types.NodeTree) -> None:
    """Take a view that nothing uses any more, and its pictures, out of the file."""
    images = [image for image in (view.get(_PICTURE), view.get(_LAYERS)) if image]
    bpy.data.node_groups.remove(view)
    for image in images:
        remove_picture(image)


def match_view(view: bpy.types.NodeTree, scene: bpy.types.Scene) -> None:
    """Let the scene's display show the view's picture as it is."""
    shown = match_display(view[_PICTURE], scene)
    for name in _TAPS:
        view.nodes[name].image = shown
    view.nodes[_EXPOSURE].outputs[0].default_value = exposure_gain(scene)


def picture_of(view: bpy.types.NodeTree) -> bpy.types.Image:
    """Return the picture that a view projects, an image of plain sRGB."""
    return view[_PICTURE]


def strength_of(view: bpy.types.NodeTree) -> float:
    """Return how strongly a view paints, 0..1."""
    return view.nodes[_STRENGTH].outputs[0].default_value


def set_strength(view: bpy.types.NodeTree, strength: float) -> None:
    """Let a view paint more or less, 0..1; at 0 it is off."""
    view.nodes[_STRENGTH].outputs[0].default_value = min(max(strength, 0.0), 1.0)


def camera_matrix(view: bpy.types.NodeTree) -> np.ndarray:
    """Return world to captured camera, in metres, float64 (4, 4)."""
    return np.array(view["view"]).reshape(4, 4)


def projection_matrix(view: bpy.types.NodeTree) -> np.ndarray:
    """Return captured camera to clip space, in metres, float64 (4, 4)."""
    return np.array(view["projection"]).reshape(4, 4)


def projector_of(view: bpy.types.NodeTree) -> projector.Projector:
    """Return a view as arrays."""
    return projector.Projector(
        picture=read_pixels(view[_PICTURE])[..., :3],
        layers=read_pixels(view[_LAYERS]),
        projection=projection_matrix(view),
        max_angle=view["max_angle"],
        strength=strength_of(view),
    )


def _write_nodes(group: bpy.types.NodeTree, strength: float) -> None:
    """Write what ``Projector.paint`` does."""
    for name in ("Position", "Normal", "Face Normal", *ROWS, *NORMAL_ROWS):
        add_socket(group, name, "VECTOR")
    add_socket(group, "Color", "COLOR", is_output=True)
    add_socket(group, "Weight", "FLOAT", is_output=True)
    add_socket(group, "Cover", "FLOAT", is_output=True)
    ex = Expression(group, (-2600.0, 400.0))
    given = ex.node("NodeGroupInput").outputs
    point = ex.vector(
        "ADD", _turned(ex, given["Position"], [given[name] for name in ROWS[:3]]), given["Offset"]
    )
    rows = [given[name] for name in NORMAL_ROWS]
    normal = ex.vector("NORMALIZE", _turned(ex, given["Normal"], rows))
    face = ex.vector("NORMALIZE", _turned(ex, given["Face Normal"], rows))
    projection = projection_matrix(group)
    depth = ex.math("MULTIPLY", ex.separated(point)[2], -1.0, label="Depth")
    place = _place_in_frame(ex, point, projection)
    at, is_edge, visible = _layer(ex, place, depth, group[_LAYERS])
    color = _bilinear(ex, at, group[_PICTURE])
    toward = (0.0, 0.0, 1.0)
    if is_perspective(projection):
        toward = ex.vector("NORMALIZE", ex.scale(point, -1.0))
    x, y, _ = ex.separated(place)
    nearest = ex.math("MINIMUM", x, y)
    for value in (x, y):
        nearest = ex.math("MINIMUM", nearest, ex.math("SUBTRACT", 1.0, value))
    inside = ex.math("MULTIPLY", ex.math("GREATER_THAN", nearest, 0.0), ex.math("GREATER_THAN", depth, 0.0))
    facing = ex.smoothstep(*projector.angle_range(group["max_angle"]), ex.vector("DOT_PRODUCT", face, toward))
    cover = ex.math("MULTIPLY", ex.math("MULTIPLY", inside, visible), facing)
    cover = ex.math("MULTIPLY", cover, ex.constant(_STRENGTH, strength), label="Cover")
    cosine = ex.math("MAXIMUM", ex.vector("DOT_PRODUCT", normal, toward), 0.0)
    border = ex.clamped(ex.math("DIVIDE", nearest, projector.BORDER))
    quality = ex.math("MULTIPLY", ex.math("POWER", cosine, 4.0), border)
    edge = ex.math("MULTIPLY_ADD", is_edge, projector.EDGE_QUALITY - 1.0, 1.0)
    quality = ex.math("MAXIMUM", ex.math("MULTIPLY", quality, edge), projector.LEAST_QUALITY)
    output = ex.node("NodeGroupOutput").inputs
    ex.feed(output["Color"], color)
    ex.feed(output["Weight"], ex.math("MULTIPLY", cover, quality, label="Weight"))
    ex.feed(output["Cover"], cover)


def _turned(ex: Expression, vector: bpy.types.NodeSocket, rows: list) -> bpy.types.NodeSocket:
    return ex.combined(*(ex.vector("DOT_PRODUCT", vector, row) for row in rows))


def _place_in_frame(
    ex: Expression, point: bpy.types.NodeSocket, projection: np.ndarray
) -> bpy.types.NodeSocket:
    """Return the place in the picture, 0..1, upwards."""
    x, y = (
        ex.math("ADD", ex.vector("DOT_PRODUCT", point, tuple(row[:3])), float(row[3]))
        for row in projection[:2].tolist()
    )
    if is_perspective(projection):
        w = ex.vector("DOT_PRODUCT", point, tuple(projection[3, :3].tolist()))
        x, y = ex.math("DIVIDE", x, w), ex.math("DIVIDE", y, w)
    return ex.combined(*(ex.math("MULTIPLY_ADD", value, 0.5, 0.5) for value in (x, y)))


def _bilinear(ex: Expression, place: bpy.types.NodeSocket, picture: bpy.types.Image) -> bpy.types.NodeSocket:
    """Return the picture's colour, for blending, as the mean of the four pixels around a place.

    An image node would do so itself, but EEVEE's reads blurred copies of the picture where places jump from
    one pixel to the next, as they do at silhouettes and in triangles of a pixel's size.
    """
    width, height = picture.size
    size = (float(width), float(height), 1.0)
    pixel = ex.vector("SUBTRACT", ex.vector("MULTIPLY", place, size), (0.5, 0.5, 0.0))
    first = ex.vector("FLOOR", pixel)
    x, y, _ = ex.separated(ex.vector("SUBTRACT", pixel, first))
    exposure, colors = ex.constant(_EXPOSURE, 1.0), []
    for name, step in zip(_TAPS, ((0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5)), strict=True):
        at = ex.vector("DIVIDE", ex.vector("ADD", first, (*step, 0.0)), size)
        color = ex.scale(ex.image(picture, at, name, "Closest"), exposure)
        colors.append(ex.gamma(color, 1.0 / BLEND_GAMMA))
    return ex.mixed(ex.mixed(*colors[:2], x), ex.mixed(*colors[2:], x), y)


def _layer(
    ex: Expression, place: bpy.types.NodeSocket, depth: bpy.types.NodeSocket, layers: bpy.types.Image
) -> tuple[bpy.types.NodeSocket, ...]:
    """Return where to take the colour from, whether that is at a silhouette, and whether it can be seen."""
    width, height = layers.size
    size = (float(width), float(height), 1.0)
    cell = ex.vector("FLOOR", ex.vector("MULTIPLY", place, size), label="Pixel")
    center = ex.vector("ADD", cell, (0.5, 0.5, 0.0))
    there = ex.vector("DIVIDE", center, size)
    node_color = ex.image(layers, there, "Layers", "Closest")
    first, second, code = ex.separated(node_color)
    tolerance = node_color.node.outputs["Alpha"]
    is_edge = ex.math(
        "GREATER_THAN", ex.math("ABSOLUTE", ex.math("SUBTRACT", code, projector.NO_OFFSET)), 0.5
    )
    far_from_first = ex.math("ABSOLUTE", ex.math("SUBTRACT", depth, first))
    far_from_second = ex.math("ABSOLUTE", ex.math("SUBTRACT", depth, second))
    is_second = ex.math("LESS_THAN", far_from_second, far_from_first)
    row = ex.math("FLOOR", ex.math("DIVIDE", ex.math("ADD", code, 0.25), 3.0))
    column = ex.math("SUBTRACT", code, ex.math("MULTIPLY", row, 3.0))
    step = ex.combined(ex.math("SUBTRACT", column, 1.0), ex.math("SUBTRACT", row, 1.0))
    at_edge = ex.vector("DIVIDE", ex.vector("ADD", center, ex.scale(step, is_second)), size)
    moved = ex.scale(ex.vector("SUBTRACT", at_edge, place), is_edge)
    # Not first + is_second (second − first): the sky's depth would swallow the other.
    kept = ex.math("MULTIPLY", first, ex.math("SUBTRACT", 1.0, is_second))
    own = ex.math("MULTIPLY_ADD", is_second, second, kept)
    behind = ex.math("DIVIDE", ex.math("SUBTRACT", depth, own), tolerance)
    visible = ex.clamped(ex.math("SUBTRACT", 2.0, behind))
    return ex.vector("ADD", place, moved), is_edge, visible
