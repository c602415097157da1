# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what the viewport does not tell: which object each pixel shows, and which way its surface faces.

This draws the meshes themselves. The viewport's own random colours repeat and are anti-aliased, and its
normal matcaps are bent by the perspective, differently in each version. Hair, points, volumes and strokes
have no mesh and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from .geometry import MAX_ID
from .viewport import View, Viewport

FORMAT = "RGBA32F"
"""Of the framebuffer: the normal in camera space, and the number of the instance."""

_WITH_SURFACE = frozenset({"MESH", "CURVE", "SURFACE", "FONT", "META"})

_VERTEX = """
void main() {
  facing = normal_matrix * normal;
  gl_Position = clip_matrix * vec4(position, 1.0);
}
"""

_FRAGMENT = """
void main() {
  color = vec4(normalize(gl_FrontFacing ? facing : -facing), number);
}
"""


def surface_shader() -> gpu.types.GPUShader:
    """Return the shader for ``draw_surfaces``; it must not outlive Blender's GPU context."""
    between = gpu.types.GPUStageInterfaceInfo("framebridge_surface")
    between.smooth("VEC3", "facing")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "clip_matrix")
    info.push_constant("MAT3", "normal_matrix")
    info.push_constant("FLOAT", "number")
    info.vertex_in(0, "VEC3", "position")
    info.vertex_in(1, "VEC3", "normal")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "color")
    info.vertex_source(_VERTEX)
    info.fragment_source(_FRAGMENT)
    return gpu.shader.create_from_info(info)


def draw_surfaces(
    viewport: Viewport, view: View, framebuffer: gpu.types.GPUFrameBuffer, shader: gpu.types.GPUShader
) -> tuple[str, ...]:
    """Draw each instance's normals and number into a framebuffer of this ``FORMAT``.

    Where nothing is, the number is 0 and the normal looks at the camera.

    Returns:
        The names of the objects; the instance with number n is of ``names[n - 1]``.
    """
    batches: dict[int, gpu.types.GPUBatch | None] = {}
    names: list[str] = []
    framebuffer.clear(color=(0.0, 0.0, 1.0, 0.0), depth=1.0)
    with _nearest_first():
        for item, matrix in _instances(viewport):
            key = item.data.as_pointer()
            if key not in batches:
                batches[key] = _batch(item, shader)
            names.append(item.original.name)
            if (batch := batches[key]) is not None:
                _draw(batch, shader, view, matrix, 1 + (len(names) - 1) % MAX_ID)
    return tuple(names)


def _instances(viewport: Viewport) -> Iterator[tuple[bpy.types.Object, Matrix]]:
    """Yield what the viewport shows as a surface; an object is valid until the next one is asked for."""
    for instance in viewport.view_layer.depsgraph.object_instances:
        item = instance.object
        if item.type in _WITH_SURFACE and instance.show_self and _is_shown(instance, viewport):
            yield item, instance.matrix_world.copy()


def _is_shown(instance: bpy.types.DepsgraphObjectInstance, viewport: Viewport) -> bool:
    owner = instance.parent if instance.is_instance else instance.object
    is_solid = instance.object.display_type in {"SOLID", "TEXTURED"}
    return is_solid and owner.original.visible_in_viewport_get(viewport.space)


def _batch(item: bpy.types.Object, shader: gpu.types.GPUShader) -> gpu.types.GPUBatch | None:
    try:
        mesh = item.to_mesh()
    except RuntimeError:  # an object without geometry, such as a curve without thickness
        return None
    try:
        positions, normals = triangles(mesh)
    finally:
        item.to_mesh_clear()
    if not len(positions):
        return None
    return batch_for_shader(shader, "TRIS", {"position": positions, "normal": normals})


def triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return position and normal of every corner of every triangle, float32 (3 T, 3) each."""
    mesh.calc_loop_triangles()
    points = values(mesh.vertices, "co", 3, np.float32)
    if hasattr(mesh, "corner_normals"):  # Blender 4.1 and later
        normals = values(mesh.corner_normals, "vector", 3, np.float32)
    else:
        mesh.calc_normals_split()
        normals = values(mesh.loops, "normal", 3, np.float32)
    vertices = values(mesh.loop_triangles, "vertices", 3, np.int32)
    corners = values(mesh.loop_triangles, "loops", 3, np.int32)
    return points[vertices.ravel()], normals[corners.ravel()]


def values(collection: bpy.types.bpy_prop_collection, name: str, width: int, dtype: type) -> np.ndarray:
    """Return a property of all items of a collection, (N, width)."""
    found = np.empty(len(collection) * width, dtype)
    collection.foreach_get(name, found)
    return found.reshape(-1, width)


def _draw(
    batch: gpu.types.GPUBatch, shader: gpu.types.GPUShader, view: View, matrix: Matrix, number: int
) -> None:
    to_camera = view.view @ matrix
    linear = to_camera.to_3x3()
    is_mirrored = linear.determinant() < 0.0
    shader.bind()
    shader.uniform_float("clip_matrix", view.projection @ to_camera)
    # A mirrored front is drawn as a back, which turns the normal round once more.
    shader.uniform_float(
        "normal_matrix", linear.inverted_safe().transposed() * (-1.0 if is_mirrored else 1.0)
    )
    shader.uniform_float("number", number)
    batch.draw(shader)


@contextmanager
def _nearest_first() -> Iterator[None]:
    """Keep the nearest surface of each pixel, colours replaced rather than mixed."""
    depth_test, depth_mask = gpu.state.depth_test_get(), gpu.state.depth_mask_get()
    blend = gpu.state.blend_get()
    try:
        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        gpu.state.blend_set("NONE")
        yield
    finally:
        gpu.state.depth_test_set(depth_test)
        gpu.state.depth_mask_set(depth_mask)
        gpu.state.blend_set(blend)
