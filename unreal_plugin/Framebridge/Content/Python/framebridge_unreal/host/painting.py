"""Projects results onto meshes: an overlay over whatever material they have, shared by all that is painted.

An overlay is drawn over a mesh whose own materials stay, and lets them through where no view paints. The
level has one instance of the projection's material, and its parameters are the record of its views. Which one
that is, the painted components tell: a level that was saved under another name shares it with the former,
until it changes what is projected and so needs its own. What a component had as overlay before, a tag on it
remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TypeGuard

import unreal

from .._bridge.errors import BridgeError
from ..core.axes import View
from ..core.frustum import may_see
from ..core.projection import MAX_VIEWS
from .assets import find, users_of
from .instances import INSTANCES, Slot, asset_path, emptied, finish, instance, read_slot, write_slot
from .level import DEPTHS, RESULTS, actors, is_of_level, level_path
from .materials import PROJECTION
from .thrown import no_mesh

_PREFIX = f"{INSTANCES}/MI_Projection_"
"""Begins the paths of our instances."""

FORMER = "Framebridge.Overlay="
"""On a painted component, before the path of the overlay that it had."""


def painted_components() -> list[unreal.MeshComponent]:
    """Return the components of the level that are painted."""
    return [component for actor in actors() for component in _meshes(actor) if _former_tag(component)]


def meshes_for(view: View, paths: Sequence[str]) -> list[unreal.MeshComponent]:
    """Return what to paint: the meshes of these actors, or all that the view may see.

    Raises:
        BridgeError: ``no_mesh``, ``unknown_actor``.
    """
    found = actors()
    if paths:
        known = {str(actor.get_path_name()): actor for actor in found}
        missing = next((path for path in paths if path not in known), "")
        if missing:
            raise BridgeError(
                f"there is no actor {missing} in the level",
                code="unknown_actor",
                hint="It may have been renamed or deleted: choose again.",
            )
        found = [known[path] for path in paths]
    meshes = [component for actor in found for component in _meshes(actor) if component.is_visible()]
    if not paths:
        meshes = [component for component in meshes if _may_see(view, component)]
    if not meshes:
        raise no_mesh()
    return meshes


def slots() -> list[Slot]:
    """Return the views that are projected in this level, oldest first."""
    return _slots_of(_look())


def depths_of(asset: str) -> list[str]:
    """Return the depths that a result was projected with."""
    library, name = unreal.EditorAssetLibrary, _depth_name(asset)
    if not library.does_directory_exist(DEPTHS):
        return []
    found = [str(path).partition(".")[0] for path in library.list_assets(DEPTHS, recursive=False)]
    return [path for path in found if f"{path.rpartition('/')[2]}_".startswith(f"{name}_")]


def depth_path(asset: str) -> str:
    """Return the path for the depth of a result in this level, which other levels do not use."""
    own = _own_path(_look())
    paths = _numbered(f"{DEPTHS}/{_depth_name(asset)}")
    return next(path for path in paths if all(user == own for user in users_of(path)))


def paint(slot: Slot, components: Sequence[unreal.MeshComponent]) -> int:
    """Add a view to what is projected, or change it if it is there, and paint components with all views.

    Returns:
        How many components are painted now.

    Raises:
        BridgeError: ``too_many_views``, ``content_unwritable``, ``material_failed``.
    """
    look = _look()
    before = _slots_of(look)
    after = [slot if old.asset == slot.asset else old for old in before]
    if slot not in after:
        after.append(slot)
    if len(after) > MAX_VIEWS:
        raise BridgeError(
            f"{MAX_VIEWS} views are projected already",
            code="too_many_views",
            hint="Remove one of them first.",
        )
    own = _written(look, before, after)
    for component in components:
        _cover(component, own)
    return len(painted_components())


def unpaint(asset: str = "") -> None:
    """Take a view away, or all; without any left, components get back what they had.

    Raises:
        BridgeError: ``no_result`` if this view is not projected; ``content_unwritable``.
    """
    look = _look()
    before = _slots_of(look)
    after = [slot for slot in before if asset and slot.asset != asset]
    if asset and len(after) == len(before):
        raise BridgeError(f"{asset} is not projected", code="no_result", hint="See the list of views.")
    if after:
        _written(look, before, after)
        return
    own = find(_own_path(look))
    if isinstance(own, unreal.MaterialInstanceConstant) and (before or _is_stale(own)):
        _written(own, _slots_of(own), [])
    for component in painted_components():
        _uncover(component)


def forget(asset: str) -> None:
    """Take a result out of instances that show it nowhere, as undo and deleted levels leave them.

    Raises:
        BridgeError: ``content_unwritable``.
    """
    covering = _looks()
    for path in users_of(asset):
        look = find(path) if path.startswith(_PREFIX) else None
        if isinstance(look, unreal.MaterialInstanceConstant):
            views = _slots_of(look)
            others = [slot for slot in views if slot.asset != asset]
            if others == views or not (path in covering or users_of(path)):
                _write(look, others)


def _looks() -> dict[str, unreal.MaterialInstanceConstant]:
    """Return the instances that are on painted components, by path."""
    overlays = [component.get_editor_property("overlay_material") for component in painted_components()]
    return {asset_path(overlay): overlay for overlay in overlays if _is_projection(overlay)}


def _is_projection(overlay: object) -> TypeGuard[unreal.MaterialInstanceConstant]:
    return isinstance(overlay, unreal.MaterialInstanceConstant) and asset_path(overlay).startswith(_PREFIX)


def _look() -> unreal.MaterialInstanceConstant | None:
    """Return what the level's views are in; one that other levels share only where there is no other."""
    found = _looks()
    best = min(found, key=_is_shared) if len(found) > 1 else next(iter(found), "")
    return found.get(best)


def _own_path(look: unreal.MaterialInstanceConstant | None) -> str:
    """Return the path of the instance that may be changed: what the views are in, unless that is shared."""
    if look is not None and not _is_shared(asset_path(look)):
        return asset_path(look)
    level = re.sub(r"[^A-Za-z0-9]+", "_", level_path().partition(".")[0]).strip("_")
    return next(path for path in _numbered(f"{_PREFIX}{level}") if not _is_shared(path))


def _is_shared(path: str) -> bool:
    """Tell whether another level, or anything but this one and those in it, refers to an instance."""
    others = [user for user in users_of(path) if not is_of_level(user, level_path())]
    parts = painted_components() if others else []
    levels = {str(component.get_path_name()).partition(".")[0] for component in parts}
    return not all(any(is_of_level(user, level) for level in levels) for user in others)


def _slots_of(look: unreal.MaterialInstanceConstant | None) -> list[Slot]:
    if look is None:
        return []
    found = (read_slot(look, index) for index in range(MAX_VIEWS))
    return [slot for slot in found if slot.strength > 0.0 and slot.picture is not None]


def _is_stale(look: unreal.MaterialInstanceConstant) -> bool:
    """Tell whether an instance refers to results although no view is in use."""
    found = (read_slot(look, index) for index in range(MAX_VIEWS))
    return any(slot.asset.startswith(f"{RESULTS}/") for slot in found)


def _written(
    look: unreal.MaterialInstanceConstant | None, before: Sequence[Slot], after: Sequence[Slot]
) -> unreal.MaterialInstanceConstant:
    """Set the views of the level; a new instance takes the place of one that other levels share.

    Returns:
        The instance.
    """
    own = instance(_own_path(look).rpartition("/")[2], PROJECTION)
    with _undone(own, before):
        _write(own, after)
    for component in painted_components() if look not in (None, own) else ():
        if component.get_editor_property("overlay_material") == look:
            component.set_editor_property("overlay_material", own)
    return own


def _write(look: unreal.MaterialInstanceConstant, wanted: Sequence[Slot]) -> None:
    """Set the views of an instance; those not in use lose their textures and strength."""
    look.modify()
    unused = [emptied(read_slot(look, index)) for index in range(len(wanted), MAX_VIEWS)]
    for index, slot in enumerate((*wanted, *unused)):
        write_slot(look, index, slot)
    finish(look)


@contextmanager
def _undone(look: unreal.MaterialInstanceConstant, before: Sequence[Slot]) -> Iterator[None]:
    """Set the views back if the instance cannot be saved."""
    try:
        yield
    except BridgeError:
        for index in range(MAX_VIEWS):
            slot = before[index] if index < len(before) else emptied(read_slot(look, index))
            write_slot(look, index, slot)
        unreal.MaterialEditingLibrary.update_material_instance(look)
        raise


def _cover(component: unreal.MeshComponent, look: unreal.MaterialInterface) -> None:
    former = component.get_editor_property("overlay_material")
    if not _former_tag(component) or _is_artists(former):
        path = former.get_path_name() if isinstance(former, unreal.MaterialInterface) else ""
        component.modify()
        component.set_editor_property("component_tags", [*_other_tags(component), f"{FORMER}{path}"])
    component.set_editor_property("overlay_material", look)


def _uncover(component: unreal.MeshComponent) -> None:
    path = _former_tag(component).removeprefix(FORMER)
    former = find(path) if path else None
    component.modify()
    if not _is_artists(component.get_editor_property("overlay_material")):
        component.set_editor_property(
            "overlay_material", former if isinstance(former, unreal.MaterialInterface) else None
        )
    component.set_editor_property("component_tags", _other_tags(component))


def _is_artists(overlay: object) -> bool:
    """Tell whether an overlay is not ours: on a painted component, it was set by hand and stays."""
    return overlay is not None and not _is_projection(overlay)


def _other_tags(component: unreal.MeshComponent) -> list[str]:
    return [str(tag) for tag in component.component_tags if not str(tag).startswith(FORMER)]


def _former_tag(component: unreal.MeshComponent) -> str:
    tags = (str(tag) for tag in component.component_tags)
    return next((tag for tag in tags if tag.startswith(FORMER)), "")


def _meshes(actor: unreal.Actor) -> list[unreal.MeshComponent]:
    found = actor.get_components_by_class(unreal.MeshComponent)
    return [component for component in found if isinstance(component, unreal.MeshComponent)]


def _may_see(view: View, component: unreal.MeshComponent) -> bool:
    middle, half, _ = unreal.SystemLibrary.get_component_bounds(component)
    return may_see(view, ((middle.x, middle.y, middle.z), (half.x, half.y, half.z)))


def _depth_name(asset: str) -> str:
    return f"{asset.rpartition('/')[2]}_Depth"


def _numbered(path: str) -> Iterator[str]:
    """Return a path, then the same with numbers: ``A``, ``A_2``, ``A_3`` …"""
    yield path
    yield from (f"{path}_{number}" for number in count(2))
