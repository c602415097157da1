# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what the viewport does not tell: which object each pixel shows, and which way its surface faces.

This draws the meshes themselves. The viewport's own random colours repeat and are anti-aliased, and its
normal matcaps are bent by the perspective, differently in each version. Hair, points, volumes and strokes
have no mesh and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from .geometry import MAX_ID
from .names import Naming
from .viewport import View, Viewport

FORMAT = "RGBA32F"
"""Of the framebuffer: the normal in camera space, and the number of the instance."""

NUMBER_FORMAT = "RGBA8"
"""Of the framebuffer for identities: a number of 32 bits, byte by byte."""

Key = tuple[str, str | None]
"""What Blender finds an object by: its name, and the path of the file that it is linked from, if it is."""

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


_NUMBER_VERTEX = """
void main() {
  gl_Position = clip_matrix * vec4(position, 1.0);
}
"""

_NUMBER_FRAGMENT = """
void main() {
  color = number;
}
"""


@dataclass(frozen=True)
class Part:
    """The triangles of a mesh that have one material.

    Args:
        batch: On the GPU.
        slot: Of the material.
        material: What the mesh has in it; an object may have another.
    """

    batch: gpu.types.GPUBatch
    slot: int
    material: bpy.types.Material | None


class Meshes:
    """The meshes of one capture, on the GPU; each is taken once, however many instances show it.

    Args:
        shader: What ``surface_shader`` gives.
        splits: Whether to part them by material.
    """

    def __init__(self, shader: gpu.types.GPUShader, splits: bool = False) -> None:
        self._shader, self._splits = shader, splits
        self._parts: dict[int, list[Part]] = {}

    def parts_of(self, item: bpy.types.Object) -> list[Part]:
        """Return what an object draws; nothing of one without faces."""
        key = item.data.as_pointer()
        if key not in self._parts:
            self._parts[key] = self._taken(item)
        return self._parts[key]

    def _taken(self, item: bpy.types.Object) -> list[Part]:
        try:
            mesh = item.to_mesh()
        except RuntimeError:  # an object without geometry, such as a curve without thickness
            return []
        try:
            positions, normals = triangles(mesh)
            slots = values(mesh.loop_triangles, "material_index", 1, np.int32).ravel()
            materials = list(mesh.materials)
        finally:
            item.to_mesh_clear()
        kinds = np.unique(slots) if self._splits else slots[:1]
        return [
            self._part(
                positions, normals, np.repeat(slots == kind, 3) if len(kinds) > 1 else ..., kind, materials
            )
            for kind in kinds.tolist()
        ]

    def _part(
        self, positions: np.ndarray, normals: np.ndarray, which: object, slot: int, materials: list
    ) -> Part:
        content = {"position": positions[which], "normal": normals[which]}
        batch = batch_for_shader(self._shader, "TRIS", content)
        material = materials[min(slot, len(materials) - 1)] if materials else None
        return Part(batch, slot, material.original if material is not None else None)


def number_shader() -> gpu.types.GPUShader:
    """Return the shader for ``draw_numbers``; it must not outlive Blender's GPU context."""
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "clip_matrix")
    info.push_constant("VEC4", "number")
    info.vertex_in(0, "VEC3", "position")
    info.fragment_out(0, "VEC4", "color")
    info.vertex_source(_NUMBER_VERTEX)
    info.fragment_source(_NUMBER_FRAGMENT)
    return gpu.shader.create_from_info(info)


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
    viewport: Viewport,
    view: View,
    framebuffer: gpu.types.GPUFrameBuffer,
    shader: gpu.types.GPUShader,
    meshes: Meshes,
) -> tuple[Key, ...]:
    """Draw each instance's normals and number into a framebuffer of this ``FORMAT``.

    Where nothing is, the number is 0 and the normal looks at the camera.

    Returns:
        The objects; the instance with number n is of ``keys[n - 1]``.
    """
    keys: list[Key] = []
    framebuffer.clear(color=(0.0, 0.0, 1.0, 0.0), depth=1.0)
    with _nearest_first():
        for instance, matrix in _instances(viewport):
            item = instance.object
            keys.append(object_key(item.original))
            for part in meshes.parts_of(item):
                _draw(part.batch, shader, view, matrix, 1 + (len(keys) - 1) % MAX_ID)
    return tuple(keys)


def object_key(item: bpy.types.Object) -> Key:
    """Return what tells an object from those of other files with the same name."""
    return item.name, item.library.filepath if item.library is not None else None


def draw_numbers(
    viewport: Viewport,
    view: View,
    framebuffer: gpu.types.GPUFrameBuffer,
    shader: gpu.types.GPUShader,
    meshes: Meshes,
    naming: Naming,
) -> list[tuple[int, int]]:
    """Draw what each pixel shows into a framebuffer of the ``NUMBER_FORMAT``.

    Returns:
        The numbers of object and material that number n, from 1, stands for; 0 is where nothing is.
    """
    numbers: dict[tuple[int, int], int] = {}
    framebuffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
    with _nearest_first():
        for instance, matrix in _instances(viewport):
            item = instance.object
            shader.bind()
            shader.uniform_float("clip_matrix", view.projection @ view.view @ matrix)
            for part in meshes.parts_of(item):
                pair = naming.object_number(instance), naming.material_number(_material(item, part))
                number = numbers.setdefault(pair, len(numbers) + 1)
                shader.uniform_float("number", [byte / 255 for byte in number.to_bytes(4, "little")])
                part.batch.draw(shader)
    return list(numbers)


def _material(item: bpy.types.Object, part: Part) -> bpy.types.Material | None:
    """Return the material of a part: the object's own, or else that of its mesh."""
    slots = item.material_slots
    if part.slot < len(slots) and slots[part.slot].link == "OBJECT":
        return slots[part.slot].material
    return part.material


def _instances(viewport: Viewport) -> Iterator[tuple[bpy.types.DepsgraphObjectInstance, Matrix]]:
    """Yield what the viewport shows as a surface; an instance is valid until the next one is asked for."""
    for instance in viewport.view_layer.depsgraph.object_instances:
        item = instance.object
        if item.type in _WITH_SURFACE and instance.show_self and _is_shown(instance, viewport):
            yield instance, instance.matrix_world.copy()


def _is_shown(instance: bpy.types.DepsgraphObjectInstance, viewport: Viewport) -> bool:
    owner = instance.parent if instance.is_instance else instance.object
    is_solid = instance.object.display_type in {"SOLID", "TEXTURED"}
    return is_solid and owner.original.visible_in_viewport_get(viewport.space)


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
