# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials that show projected views over what an object looked like before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from .colors import DISPLAY
from .nodes import Expression
from .view import BLEND_GAMMA, NORMAL_ROWS, ROWS, picture_of

OURS = "framebridge_material"
"""The custom property that marks a material as ours."""

OWN = "framebridge_own"
"""The custom property by which a material of ours keeps the one that it stands for."""

LINK = "framebridge_link"
"""The custom property by which a material of ours keeps the link of the slot that it is in."""

HELD = "framebridge_held"
"""The custom property by which a material of ours keeps what the object held there, hidden by ``DATA``."""

PICTURE = "framebridge_picture"
"""The custom property by which a baked material keeps its texture in the file."""

_TEXTURE, _EMISSION = "Texture", "Emission"
"""Names of the nodes of a baked material that follow the display."""

_IMAGE_NODES = frozenset({"TEX_IMAGE", "TEX_ENVIRONMENT"})


@dataclass(frozen=True)
class Placed:
    """A view, and where a surface was when it was captured.

    Args:
        view: As ``new_view`` made it.
        matrix: From the surface's coordinates to the captured camera, in metres, float64 (4, 4).
        uv_map: Name of the projected UV map; empty if there is none.
    """

    view: bpy.types.NodeTree
    matrix: np.ndarray
    uv_map: str = ""


def preview_material(
    name: str, original: bpy.types.Material | None, placed: Sequence[Placed], is_in_world: bool
) -> bpy.types.Material:
    """Return a material that looks like the original but where the views paint.

    Args:
        name: Of what it is for.
        original: What is copied; ``None`` stands for Blender's grey.
        placed: The views, at least one.
        is_in_world: Whether the matrices start from world coordinates rather than the object's own.
    """
    material = _copy(name, original)
    _stand_for(material, original)
    tree = material.node_tree
    left = min((node.location.x for node in tree.nodes), default=0.0)
    low = min((node.location.y for node in tree.nodes), default=0.0) - 500.0
    ex = Expression(tree, (left, low), rows=6)
    color, cover = _blended(ex, placed, is_in_world)
    painted = ex.node("ShaderNodeEmission", "Framebridge")
    ex.feed(painted.inputs["Color"], color)
    for output in _outputs(tree):
        surface = output.inputs["Surface"]
        mixed = ex.node("ShaderNodeMixShader", "Framebridge")
        ex.feed(mixed.inputs[0], cover)
        if surface.is_linked:
            ex.feed(mixed.inputs[1], surface.links[0].from_socket)
        ex.feed(mixed.inputs[2], painted.outputs[0])
        ex.feed(surface, mixed.outputs[0])
    _show_in_solid(ex, placed[-1])
    return material


def baked_material(
    name: str,
    original: bpy.types.Material | None,
    picture: bpy.types.Image,
    shown: bpy.types.Image,
    uv_map: str,
    gain: float,
    is_lit: bool,
) -> bpy.types.Material:
    """Return a material of one texture.

    Args:
        name: Of what it is for.
        original: What it stands for.
        picture: The texture, plain sRGB.
        shown: What the shader reads: the same, or the image of it that the display turns into it.
        uv_map: Where it lies.
        gain: Emission strength.
        is_lit: Whether the scene lights it; else it shines by itself.
    """
    material = _new_material(name)
    _stand_for(material, original)
    tree = material.node_tree
    tree.nodes.clear()
    ex = Expression(tree, rows=1)
    place = ex.node("ShaderNodeUVMap", uv_map=uv_map).outputs[0]
    color = ex.image(shown, place, _TEXTURE, "Linear")
    if is_lit:
        shader = ex.node("ShaderNodeBsdfPrincipled")
        ex.feed(shader.inputs["Base Color"], color)
    else:
        shader = ex.node("ShaderNodeEmission", _EMISSION)
        shader.name = _EMISSION
        ex.feed(shader.inputs["Color"], color)
        shader.inputs["Strength"].default_value = gain
    ex.feed(ex.node("ShaderNodeOutputMaterial").inputs["Surface"], shader.outputs[0])
    tree.nodes.active = color.node
    material[PICTURE] = picture
    return material


def emitting_materials() -> dict[bpy.types.Image, list[bpy.types.Material]]:
    """Return the baked materials of this file that shine by themselves, by their texture."""
    found: dict[bpy.types.Image, list[bpy.types.Material]] = {}
    for material in bpy.data.materials:
        picture = material.get(PICTURE) if OURS in material and not material.library else None
        if isinstance(picture, bpy.types.Image) and not picture.library and _emission(material):
            found.setdefault(picture, []).append(material)
    return found


def match_emission(material: bpy.types.Material, shown: bpy.types.Image, gain: float) -> None:
    """Let a baked material read another image of its texture, and emit it as strongly; all else stays."""
    picture = material[PICTURE]
    texture = material.node_tree.nodes.get(_TEXTURE)
    is_texture = texture is not None and texture.bl_idname == "ShaderNodeTexImage"
    if is_texture and texture.image in (None, picture, picture.get(DISPLAY)):
        texture.image = shown
    _emission(material).inputs["Strength"].default_value = gain


def own_material(material: bpy.types.Material | None) -> bpy.types.Material | None:
    """Return what a material of ours stands for; any other stands for itself."""
    if material is None or OURS not in material:
        return material
    own = material.get(OWN)
    return own if isinstance(own, bpy.types.Material) else None


def views_in(material: bpy.types.Material) -> set[bpy.types.NodeTree]:
    """Return the node groups that a material has, its views among them."""
    nodes = material.node_tree.nodes if material.node_tree is not None else ()
    return {node.node_tree for node in nodes if node.type == "GROUP"}


def textures_in(material: bpy.types.Material) -> int:
    """Return how many textures a renderer has to hold at once to draw a material."""
    return len(_textures(material.node_tree)) if _has_nodes(material) else 0


def base_color(material: bpy.types.Material | None) -> tuple[float, float, float]:
    """Return what best stands for a material as one colour, scene-linear."""
    if material is None:
        return 0.8, 0.8, 0.8
    for node in material.node_tree.nodes if _has_nodes(material) else ():
        if node.type == "BSDF_PRINCIPLED" and not node.inputs["Base Color"].is_linked:
            return tuple(node.inputs["Base Color"].default_value[:3])
    return tuple(material.diffuse_color[:3])


def _emission(material: bpy.types.Material) -> bpy.types.Node | None:
    node = material.node_tree.nodes.get(_EMISSION) if material.node_tree is not None else None
    return node if node is not None and node.bl_idname == "ShaderNodeEmission" else None


def _stand_for(material: bpy.types.Material, original: bpy.types.Material | None) -> None:
    if original is not None:
        material[OWN] = original


def _copy(name: str, original: bpy.types.Material | None) -> bpy.types.Material:
    if original is None or not _has_nodes(original):
        material = _new_material(name)
        if original is not None:
            shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
            shader.inputs["Base Color"].default_value = original.diffuse_color
            shader.inputs["Metallic"].default_value = original.metallic
            shader.inputs["Roughness"].default_value = original.roughness
        return material
    material = original.copy()
    material.name = name
    material.use_fake_user = False
    material.asset_clear()
    material[OURS] = True
    return material


def _new_material(name: str) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material[OURS] = True
    if material.node_tree is None:
        material.use_nodes = True
    return material


def _has_nodes(material: bpy.types.Material) -> bool:
    if material.node_tree is None:
        return False
    return bpy.app.version >= (5, 0) or material.use_nodes


def _textures(tree: bpy.types.NodeTree) -> set[tuple]:
    """Return a tree's images with how they are read: nodes that agree in both share a texture."""
    found = set()
    for node in tree.nodes:
        if node.type == "GROUP" and node.node_tree is not None:
            found |= _textures(node.node_tree)
        is_read = any(output.is_linked for output in node.outputs)
        if is_read and node.type in _IMAGE_NODES and node.image is not None:
            found.add((node.image, node.interpolation, getattr(node, "extension", "")))
    return found


def _outputs(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    outputs = [node for node in tree.nodes if node.type == "OUTPUT_MATERIAL"]
    return outputs or [tree.nodes.new("ShaderNodeOutputMaterial")]


def _blended(
    ex: Expression, placed: Sequence[Placed], is_in_world: bool
) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
    """Return the views' weighted mean colour, and how much of the original it hides."""
    position, normal, face = _surface(ex, is_in_world)
    total = weights = cover = None
    for each in placed:
        node = ex.node("ShaderNodeGroup", each.view.name, node_tree=each.view)
        for name, value in (("Position", position), ("Normal", normal), ("Face Normal", face)):
            ex.feed(node.inputs[name], value)
        for name, row in zip(ROWS, (*each.matrix[:3, :3], each.matrix[:3, 3]), strict=True):
            node.inputs[name].default_value = row.tolist()
        for name, row in zip(NORMAL_ROWS, normal_matrix(each.matrix), strict=True):
            node.inputs[name].default_value = row.tolist()
        weight = node.outputs["Weight"]
        color = ex.scale(node.outputs["Color"], weight)
        total = ex.vector("ADD", total, color) if total else color
        weights = ex.math("ADD", weights, weight) if weights else weight
        cover = ex.math("MAXIMUM", cover, node.outputs["Cover"]) if cover else node.outputs["Cover"]
    mean = ex.scale(total, ex.math("DIVIDE", 1.0, ex.math("MAXIMUM", weights, 1e-8)))
    return ex.gamma(mean, BLEND_GAMMA), cover


def normal_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix that turns normals as ``matrix`` turns surfaces, float64 (3, 3)."""
    linear = matrix[:3, :3]
    x, y, z = linear
    # The cofactors: no inverse, so that an object scaled to zero along an axis does no harm.
    cofactors = np.stack((np.cross(y, z), np.cross(z, x), np.cross(x, y)))
    largest = np.abs(cofactors).max()
    return cofactors / (largest or 1.0) * (-1.0 if np.linalg.det(linear) < 0.0 else 1.0)


def _surface(ex: Expression, is_in_world: bool) -> tuple[bpy.types.NodeSocket, ...]:
    """Return position, smooth normal and face normal of the shaded point."""
    geometry = ex.node("ShaderNodeNewGeometry").outputs
    if is_in_world:
        return geometry["Position"], geometry["Normal"], geometry["True Normal"]
    local = ex.node("ShaderNodeTexCoord").outputs
    face = ex.node(
        "ShaderNodeVectorTransform", vector_type="NORMAL", convert_from="WORLD", convert_to="OBJECT"
    )
    ex.feed(face.inputs[0], geometry["True Normal"])
    return local["Object"], local["Normal"], face.outputs[0]


def _show_in_solid(ex: Expression, newest: Placed) -> None:
    """Let Solid shading by texture, which reads no shader, show the newest picture by its UV map."""
    place = ex.node("ShaderNodeUVMap", "Framebridge, for Solid shading", uv_map=newest.uv_map).outputs[0]
    shown = ex.image(picture_of(newest.view), place, "Framebridge, for Solid shading", "Linear")
    ex.tree.nodes.active = shown.node
