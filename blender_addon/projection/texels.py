# SPDX-License-Identifier: GPL-3.0-or-later
"""Which point of a surface each texel of a texture shows, and how to fill the texels around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..surfaces import triangles, values
from .projector import unit

_AT_ONCE = 1 << 20
"""Texels whose points are in memory together."""

_VERTEX = """
void main() {
  corner = weights;
  triangle = number;
  gl_Position = vec4(place * 2.0 - 1.0, 0.0, 1.0);
}
"""

_FRAGMENT = """
void main() {
  color = vec4(triangle, corner, 1.0);
}
"""

_AROUND = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dx or dy)


@dataclass(frozen=True)
class Surface:
    """The triangles of a mesh, each with a place on a texture.

    Args:
        places: float32 (T, 3, 2), UV.
        points: float32 (T, 3, 3), in the object's coordinates.
        normals: float32 (T, 3, 3), smooth.
        slots: int32 (T,), index of the material slot.
    """

    places: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    slots: np.ndarray


@dataclass(frozen=True)
class Texels:
    """Some texels, and what lies there.

    Args:
        index: (N,) into the texture's pixels, rows upwards.
        points: (N, 3) in the object's coordinates.
        normals: (N, 3) smooth, unit length.
        faces: (N, 3) of the flat triangles, unit length.
        slots: (N,) material slot.
    """

    index: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    slots: np.ndarray


def read_surface(mesh: bpy.types.Mesh, uv_map: str) -> Surface | None:
    """Return a mesh's triangles; ``None`` if it has none, or no such UV map."""
    points, normals = triangles(mesh)
    if not len(points) or uv_map not in mesh.uv_layers:
        return None
    corners = values(mesh.loop_triangles, "loops", 3, np.int32)
    places = values(mesh.uv_layers[uv_map].data, "uv", 2, np.float32)[corners.ravel()]
    slots = values(mesh.loop_triangles, "material_index", 1, np.int32)[:, 0]
    return Surface(places.reshape(-1, 3, 2), points.reshape(-1, 3, 3), normals.reshape(-1, 3, 3), slots)


def draw_texels(surface: Surface, size: int) -> list[np.ndarray]:
    """Draw the triangles onto a texture: which one, and where in it, each texel's middle shows.

    Where several share a texel, as those of a Mirror modifier do, the last one counts in the first result
    and the first one in the second.

    Returns:
        One or two arrays, float32 (size², 4): number of the triangle, weights of its second and third
        corner, and whether there is any.
    """
    shader = _shader()
    canvas = gpu.types.GPUOffScreen(size, size, format="RGBA32F")
    depth_test, blend = gpu.state.depth_test_get(), gpu.state.blend_get()
    try:
        gpu.state.depth_test_set("NONE")
        gpu.state.blend_set("NONE")
        drawn = [_drawn(canvas, shader, surface, step) for step in (1, -1)]
    finally:
        gpu.state.depth_test_set(depth_test)
        gpu.state.blend_set(blend)
        canvas.free()
    is_shared = (drawn[0][:, 3] > 0.0) & (drawn[0][:, 0] != drawn[1][:, 0])
    if not is_shared.any():
        return drawn[:1]
    drawn[1][~is_shared, 3] = 0.0
    return drawn


def texels(surface: Surface, drawn: np.ndarray) -> Iterator[Texels]:
    """Yield what lies at the drawn texels, some at a time."""
    sides = surface.points[:, 1:] - surface.points[:, :1]
    faces = unit(np.cross(sides[:, 0], sides[:, 1]))
    covered = np.flatnonzero(drawn[:, 3])
    for start in range(0, len(covered), _AT_ONCE):
        index = covered[start : start + _AT_ONCE]
        number = drawn[index, 0].astype(np.int64)
        weights = drawn[index, 1:2], drawn[index, 2:3]
        yield Texels(
            index=index,
            points=_between(surface.points, number, *weights),
            normals=unit(_between(surface.normals, number, *weights)),
            faces=faces[number],
            slots=surface.slots[number],
        )


def dilate(pixels: np.ndarray, known: np.ndarray, margin: int) -> None:
    """Grow what is known outwards, in place, so that no texture filter finds the gaps between islands.

    Args:
        pixels: float32 (H, W, C).
        known: bool (H, W); what has grown is known, too.
        margin: Pixels.
    """
    height, width = known.shape
    for _ in range(margin):
        near = np.zeros_like(known)
        near[1:] |= known[:-1]
        near[:-1] |= known[1:]
        near[:, 1:] |= known[:, :-1]
        near[:, :-1] |= known[:, 1:]
        rows, columns = np.nonzero(near & ~known)
        if not len(rows):
            return
        total = np.zeros((len(rows), pixels.shape[2]), np.float32)
        count = np.zeros((len(rows), 1), np.float32)
        for dx, dy in _AROUND:
            row, column = np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)
            is_known = known[row, column][:, None]
            total += pixels[row, column] * is_known
            count += is_known
        pixels[rows, columns] = total / count
        known[rows, columns] = True


def fill(pixels: np.ndarray, known: np.ndarray) -> None:
    """Fill what is not known, in place, with the colours around it, the more blurred the farther away.

    Args:
        pixels: float32 (H, W, C), both sides powers of two.
        known: bool (H, W).
    """
    if known.all() or not known.any():
        return
    height, width, channels = pixels.shape
    blocks = (pixels * known[..., None]).reshape(height // 2, 2, width // 2, 2, channels).sum(axis=(1, 3))
    count = known.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
    blocks /= np.maximum(count, 1)[..., None].astype(np.float32)
    fill(blocks, count > 0)
    rows, columns = np.nonzero(~known)
    pixels[rows, columns] = blocks[rows // 2, columns // 2]


def _shader() -> gpu.types.GPUShader:
    between = gpu.types.GPUStageInterfaceInfo("framebridge_texel")
    between.smooth("VEC2", "corner")
    between.flat("FLOAT", "triangle")
    info = gpu.types.GPUShaderCreateInfo()
    info.vertex_in(0, "VEC2", "place")
    info.vertex_in(1, "VEC2", "weights")
    info.vertex_in(2, "FLOAT", "number")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "color")
    info.vertex_source(_VERTEX)
    info.fragment_source(_FRAGMENT)
    return gpu.shader.create_from_info(info)


def _drawn(
    canvas: gpu.types.GPUOffScreen, shader: gpu.types.GPUShader, surface: Surface, step: int
) -> np.ndarray:
    count, size = len(surface.places), canvas.width
    weights = np.tile(np.array(((0, 0), (1, 0), (0, 1)), np.float32), (count, 1))
    numbers = np.repeat(np.arange(count, dtype=np.float32)[::step], 3)
    given = {
        "place": np.ascontiguousarray(surface.places[::step]).reshape(-1, 2),
        "weights": weights,
        "number": numbers,
    }
    pixels = gpu.types.Buffer("FLOAT", size * size * 4)
    with canvas.bind():
        framebuffer = gpu.state.active_framebuffer_get()
        framebuffer.clear(color=(0.0, 0.0, 0.0, 0.0))
        shader.bind()
        batch_for_shader(shader, "TRIS", given).draw(shader)
        framebuffer.read_color(0, 0, size, size, 4, 0, "FLOAT", data=pixels)
    return np.array(pixels, np.float32).reshape(-1, 4)


def _between(corners: np.ndarray, number: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    """Return the mean of a triangle's corners, with weights of the second and the third."""
    start = corners[:, 0]
    sides = corners[:, 1] - start, corners[:, 2] - start
    return start[number] + sides[0][number] * second + sides[1][number] * third
