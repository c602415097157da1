"""Instances of our materials, and the parameters in which they know views and pictures.

An instance is its own record: what it shows is read from its parameters, so that undo, redo and a restart of
the editor cannot part the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import unreal

from .._bridge.errors import BridgeError
from ..core.axes import View
from ..core.projection import projector
from ..core.shader import VECTORS
from .assets import create, find, save
from .level import FOLDER
from .materials import Master, material, no_depth, no_picture

INSTANCES = f"{FOLDER}/Instances"

Editing = unreal.MaterialEditingLibrary

Numbers = tuple[float, float, float]


@dataclass(frozen=True)
class Slot:
    """What one view of a material is set to.

    Args:
        picture: The texture.
        depth: Texture of the captured depth, for those that test against it.
        vectors: Location of the camera, then ``core.shader.VECTORS``.
        strength: 0..1.
    """

    picture: unreal.Texture | None
    depth: unreal.Texture | None
    vectors: tuple[Numbers, ...]
    strength: float

    @property
    def asset(self) -> str:
        """Path of the picture's asset."""
        return asset_path(self.picture) if self.picture is not None else ""


def slot_of(
    view: View, picture: unreal.Texture, depth: unreal.Texture | None = None, strength: float = 1.0
) -> Slot:
    """Return what a material has to know of a view."""
    seen = projector(view)
    frame = float(seen.size[0]), float(seen.size[1]), 1.0 if seen.is_perspective else 0.0
    return Slot(picture, depth, (seen.location, seen.across, seen.up, seen.forward, frame), strength)


def emptied(slot: Slot) -> Slot:
    """Return it out of use: its textures can be deleted then.

    Raises:
        BridgeError: See ``import_texture``.
    """
    return replace(slot, picture=no_picture(), depth=no_depth(), strength=0.0)


def instance(name: str, master: Master) -> unreal.MaterialInstanceConstant:
    """Return an instance of a material, made if need be and not saved yet.

    Raises:
        BridgeError: ``content_unwritable``, ``material_failed``, ``name_taken``.
    """
    parent = material(master)
    path = f"{INSTANCES}/{name}"
    there = find(path)
    if there is None:
        factory = unreal.MaterialInstanceConstantFactoryNew()
        there = create(path, unreal.MaterialInstanceConstant, factory)
    if not isinstance(there, unreal.MaterialInstanceConstant):
        raise BridgeError(
            f"{path} is taken by another asset",
            code="name_taken",
            hint="Rename that asset in the content browser, and try again.",
        )
    if there.parent != parent:
        Editing.set_material_instance_parent(there, parent)
    return there


def write_slot(target: unreal.MaterialInstanceConstant, index: int, slot: Slot) -> None:
    """Set one view of an instance; to be part of a transaction, and followed by ``finish``."""
    for name, value in zip(("Location", *VECTORS), slot.vectors, strict=True):
        Editing.set_material_instance_vector_parameter_value(
            target, f"{name}{index}", unreal.LinearColor(*value, 0.0)
        )
    textures = {"Picture": slot.picture, "Depth": slot.depth}
    for name, texture in textures.items():
        if texture is not None:
            Editing.set_material_instance_texture_parameter_value(target, f"{name}{index}", texture)
    write_number(target, f"Strength{index}", slot.strength)


def read_slot(target: unreal.MaterialInstanceConstant, index: int) -> Slot:
    """Return what one view of an instance is set to."""
    colors = [
        Editing.get_material_instance_vector_parameter_value(target, f"{name}{index}")
        for name in ("Location", *VECTORS)
    ]
    picture, depth = (
        Editing.get_material_instance_texture_parameter_value(target, f"{name}{index}")
        for name in ("Picture", "Depth")
    )
    strength = Editing.get_material_instance_scalar_parameter_value(target, f"Strength{index}")
    return Slot(picture, depth, tuple((color.r, color.g, color.b) for color in colors), float(strength))


def write_number(target: unreal.MaterialInstanceConstant, name: str, value: float) -> None:
    """Set a number of an instance."""
    Editing.set_material_instance_scalar_parameter_value(target, name, value)


def finish(target: unreal.MaterialInstanceConstant) -> None:
    """Let an instance's new parameters take effect, and keep them.

    Raises:
        BridgeError: ``content_unwritable``.
    """
    Editing.update_material_instance(target)
    save(target)


def asset_path(asset: unreal.Object) -> str:
    """Return the path of an asset as the content browser has it, without the object's name."""
    return str(asset.get_path_name()).partition(".")[0]
