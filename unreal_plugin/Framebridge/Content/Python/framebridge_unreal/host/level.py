"""The level that is open, and its actors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import unreal

from .._bridge.errors import BridgeError

FOLDER = "/Game/Framebridge"
"""Where our assets are in the content browser."""

RESULTS = f"{FOLDER}/Results"

DEPTHS = f"{FOLDER}/Projections"
"""Depth of the views that are projected."""

TAG = "Framebridge"
"""On every actor of ours."""

NO_LEVEL_HINT = "Open a level, and leave Play In Editor."

Service = TypeVar("Service", bound=unreal.EditorSubsystem)


def service(kind: type[Service]) -> Service:
    """Return one of the editor's subsystems.

    Raises:
        BridgeError: ``no_editor`` where there is none, as in a game or a commandlet without it.
    """
    found = unreal.get_editor_subsystem(kind)
    if found is None:
        raise BridgeError(
            f"this program has no {kind.__name__}",
            code="no_editor",
            hint="Framebridge works in the Unreal Editor.",
        )
    return found


def open_world() -> unreal.World:
    """Return the world that is edited.

    Raises:
        BridgeError: ``no_level`` while none is open, or while the level is being played.
    """
    world = None
    if not is_playing():
        world = service(unreal.UnrealEditorSubsystem).get_editor_world()
    if world is None:
        raise BridgeError("there is no level to look at", code="no_level", hint=NO_LEVEL_HINT)
    return world


def is_playing() -> bool:
    """Tell whether the level is played, as it also is while Movie Render Queue renders."""
    return bool(service(unreal.LevelEditorSubsystem).is_in_play_in_editor())


def level_path() -> str:
    """Return the path of the level that is edited.

    Raises:
        BridgeError: ``no_level``.
    """
    return str(open_world().get_path_name())


def is_of_level(package: str, level: str) -> bool:
    """Tell whether a package is a level's own, or that of one of its actors, where each has a file."""
    level = level.partition(".")[0]
    _, root, name = level.split("/", 2)
    return package == level or package.startswith(f"/{root}/__ExternalActors__/{name}/")


def actors() -> Sequence[unreal.Actor]:
    """Return all actors of the level but ours."""
    found = service(unreal.EditorActorSubsystem).get_all_level_actors()
    return [actor for actor in found if actor is not None and not is_ours(actor)]


def our_actors(purpose: str = "") -> list[unreal.Actor]:
    """Return our actors, or those for one purpose."""
    found = service(unreal.EditorActorSubsystem).get_all_level_actors()
    return [actor for actor in found if actor is not None and is_ours(actor, purpose)]


def is_ours(actor: unreal.Actor, purpose: str = "") -> bool:
    """Tell whether an actor is ours, and for that purpose if one is named."""
    tags = [str(tag) for tag in actor.tags]
    return TAG in tags and (not purpose or purpose in tags)


def spawn(kind: type[unreal.Actor], place: unreal.Transform, purpose: str, transient: bool) -> unreal.Actor:
    """Add an actor of ours.

    Args:
        kind: Its class.
        place: Where.
        purpose: What it is for; the first of ours is found by it.
        transient: Whether it is never saved with the level.

    Raises:
        BridgeError: ``spawn_failed``.
    """
    subsystem = service(unreal.EditorActorSubsystem)
    actor = subsystem.spawn_actor_from_class(
        kind, place.translation, place.rotation.rotator(), transient=transient
    )
    if actor is None:
        raise BridgeError(
            "the level takes no new actors",
            code="spawn_failed",
            hint="Unlock the level, or make another one current.",
        )
    actor.set_editor_property("tags", [TAG, purpose])
    return actor


def destroy(found: Iterable[unreal.Actor]) -> None:
    """Remove actors of ours; those that are gone already are no fault."""
    subsystem = service(unreal.EditorActorSubsystem)
    for actor in found:
        if unreal.SystemLibrary.is_valid(actor):
            subsystem.destroy_actor(actor)


@contextmanager
def selection_kept() -> Iterator[None]:
    """Select afterwards what was selected before: adding and removing actors changes the selection."""
    subsystem = service(unreal.EditorActorSubsystem)
    before = list(subsystem.get_selected_level_actors())
    try:
        yield
    finally:
        kept = [actor for actor in before if unreal.SystemLibrary.is_valid(actor)]
        if list(subsystem.get_selected_level_actors()) != kept:
            subsystem.set_selected_level_actors(kept)


def labelled(label: str, found: Iterable[unreal.Actor]) -> unreal.Actor | None:
    """Return the actor of this label."""
    return next((actor for actor in found if actor.get_actor_label() == label), None)


def primitives_of(actor: unreal.Actor) -> list[unreal.PrimitiveComponent]:
    """Return what of an actor is drawn."""
    components = actor.get_components_by_class(unreal.PrimitiveComponent)
    return [component for component in components if isinstance(component, unreal.PrimitiveComponent)]


def selected_actors() -> list[unreal.Actor]:
    """Return the actors that are selected."""
    found = service(unreal.EditorActorSubsystem).get_selected_level_actors()
    return [actor for actor in found if actor is not None and not is_ours(actor)]
