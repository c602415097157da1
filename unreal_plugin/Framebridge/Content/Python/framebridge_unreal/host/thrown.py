"""Shows one result in the level: on a plate, as a decal, or over the viewport."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import unreal

from .._bridge.errors import BridgeError
from ..core.axes import View
from ..core.frustum import Bounds, frame_at, plane_rotation, reach
from .drawing import placed
from .instances import finish, instance, slot_of, write_number, write_slot
from .level import FOLDER, TAG, actors, destroy, our_actors, spawn
from .materials import BLEND, DECAL, PLATE

PLATE_ACTOR, DECAL_ACTOR, BLEND_ACTOR = "Plate", "Decal", "Blend"
"""Purposes, which tags name."""

PLANE = "/Engine/BasicShapes/Plane"
PLANE_CM = 100.0
"""The side of the engine's plane."""

PICTURE_TAG = "Framebridge.Picture="
"""On an actor, before the path of the result that it shows."""


def put_plate(texture: unreal.Texture2D, asset: str, view: View) -> None:
    """Put a picture on a plane behind all that a view sees; a plate that was there goes.

    Raises:
        BridgeError: ``content_unwritable``, ``material_failed``, ``spawn_failed``.
    """
    look = instance(f"MI_Plate_{_name(asset)}", PLATE)
    write_slot(look, 0, slot_of(view, texture))
    finish(look)
    distance = reach(view, map(bounds_of, actors()))
    middle, half_width, half_height = frame_at(view, distance)
    plane = unreal.EditorAssetLibrary.load_asset(PLANE)
    assert isinstance(plane, unreal.StaticMesh), "every engine has it"
    scale = 2.0 * half_height / PLANE_CM, 2.0 * half_width / PLANE_CM, 1.0
    place = placed(middle, plane_rotation(view), scale)
    with _replacing(unreal.StaticMeshActor, place, PLATE_ACTOR, asset) as actor:
        assert isinstance(actor, unreal.StaticMeshActor)
        actor.set_actor_scale3d(unreal.Vector(*scale))
        component = actor.static_mesh_component
        component.set_static_mesh(plane)
        component.set_material(0, look)
        component.set_editor_property("cast_shadow", False)
        component.set_collision_enabled(unreal.CollisionEnabled.NO_COLLISION)


def put_decal(texture: unreal.Texture2D, asset: str, view: View) -> None:
    """Throw a picture onto all that a view sees; a decal that was there goes.

    The box of the decal encloses what the view spans; where in it the picture goes, the material computes
    from the view, in perspective as well.

    Raises:
        BridgeError: ``content_unwritable``, ``material_failed``, ``spawn_failed``.
    """
    look = instance(f"MI_Decal_{_name(asset)}", DECAL)
    write_slot(look, 0, slot_of(view, texture))
    finish(look)
    distance = reach(view, map(bounds_of, actors()))
    _, half_width, half_height = frame_at(view, distance)
    middle, _, _ = frame_at(view, distance / 2)
    place = placed(middle, view.rotation, (1.0, 1.0, 1.0))
    with _replacing(unreal.DecalActor, place, DECAL_ACTOR, asset) as actor:
        assert isinstance(actor, unreal.DecalActor)
        actor.decal.set_editor_property("decal_size", unreal.Vector(distance / 2, half_width, half_height))
        actor.set_decal_material(look)


def put_blend(texture: unreal.Texture2D, asset: str, opacity: float, split: float) -> None:
    """Lay a picture over every viewport of the level, by a volume that is never saved with it.

    Raises:
        BridgeError: ``content_unwritable``, ``material_failed``, ``spawn_failed``.
    """
    look = instance(f"MI_Blend_{_name(asset)}", BLEND)
    unreal.MaterialEditingLibrary.set_material_instance_texture_parameter_value(look, "Picture0", texture)
    width, height = texture.blueprint_get_size_x(), texture.blueprint_get_size_y()
    values = {"Opacity": opacity, "Split": split, "Aspect": width / max(height, 1)}
    for name, value in values.items():
        write_number(look, name, value)
    finish(look)
    if any(shown_by(actor) == asset for actor in our_actors(BLEND_ACTOR)):
        return
    settings = unreal.PostProcessSettings()
    blendable = unreal.WeightedBlendable(weight=1.0, object=look)
    settings.set_editor_property("weighted_blendables", unreal.WeightedBlendables(array=[blendable]))
    place = placed((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    with _replacing(unreal.PostProcessVolume, place, BLEND_ACTOR, asset, transient=True) as volume:
        volume.set_editor_property("unbound", True)
        volume.set_editor_property("settings", settings)


def remove(purposes: Sequence[str]) -> None:
    """Take our actors for these purposes out of the level."""
    for purpose in purposes:
        destroy(our_actors(purpose))


def shown_by(actor: unreal.Actor) -> str:
    """Return the path of the result that an actor of ours shows."""
    tags = (str(tag) for tag in actor.tags)
    return next((tag.removeprefix(PICTURE_TAG) for tag in tags if tag.startswith(PICTURE_TAG)), "")


def bounds_of(actor: unreal.Actor) -> Bounds:
    """Return the middle of an actor and half its sides."""
    middle, half = actor.get_actor_bounds(False)
    return (middle.x, middle.y, middle.z), (half.x, half.y, half.z)


def no_mesh() -> BridgeError:
    """Return the fault that nothing can be painted."""
    return BridgeError(
        "there is no mesh to paint in this view",
        code="no_mesh",
        hint="Look at meshes, or select actors that have some; landscapes and brushes cannot be painted.",
    )


def _name(asset: str) -> str:
    return asset.rpartition("/")[2]


@contextmanager
def _replacing(
    kind: type[unreal.Actor], place: unreal.Transform, purpose: str, asset: str, *, transient: bool = False
) -> Iterator[unreal.Actor]:
    """Add an actor that shows a result; those before it go when all is well, and itself when it is not."""
    before = our_actors(purpose)
    actor = spawn(kind, place, purpose, transient)
    try:
        actor.set_editor_property("tags", [TAG, purpose, f"{PICTURE_TAG}{asset}"])
        actor.set_actor_label(f"Framebridge {purpose}")
        actor.set_folder_path(FOLDER.rpartition("/")[2])
        yield actor
    except Exception:
        destroy([actor])
        raise
    destroy(before)
