"""Looks at the level: ``Eye``."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from pathlib import Path

import unreal

from .._bridge.protocol import Binding, Names
from ..core.axes import View
from ..core.editor import BASE_COLOR, NORMAL, OBJECT_ID, Files, Source
from .drawing import WARM_UP, WARM_UP_LIVE, Drawing, drawing
from .level import actors as level_actors
from .level import level_path, selected_actors
from .materials import stencil_material
from .naming import bound_actors, level_names
from .numbering import chosen, numbered
from .viewpoint import cameras, view_from

LOOKED_AT = 100
"""Actors whose place is compared in one call of ``seen``; the rest has its turn later."""

LISTED_S = 2.0
"""How long a list of the level's actors is good for."""

_RGBA8 = unreal.TextureRenderTargetFormat.RTF_RGBA8_SRGB
_RGBA16F = unreal.TextureRenderTargetFormat.RTF_RGBA16F


class UnrealEye:
    """Looks at the level that is open.

    Args:
        folder: For files that are gone again afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Hashable] = {}
        self._changes = 0
        self._place = 0
        self._actors: Sequence[unreal.Actor] = ()
        self._listed_of, self._listed_at = "", 0.0

    def cameras(self) -> Sequence[str]:
        """Return the labels of the level's camera actors, sorted."""
        return [str(camera.get_actor_label()) for camera in cameras()]

    def level(self) -> str:
        """Return the path of the level that is open."""
        return level_path()

    def view(self, source: Source) -> View:
        """Return where a capture would look from."""
        return view_from(source)

    def seen(self, view: View) -> Hashable:
        """Return what changes when the view or an actor does: the selected ones, and the rest by turns.

        The engine tells Python of no change in the level, so places are compared. Changes of materials and
        lights are not noticed.
        """
        found = self._listed()
        self._place = self._place % max(len(found), 1)
        turn = found[self._place : self._place + LOOKED_AT]
        self._place += LOOKED_AT
        for actor in (*selected_actors()[:LOOKED_AT], *turn):
            if unreal.SystemLibrary.is_valid(actor):
                self._compare(actor)
        return view, len(found), self._changes

    def selected(self) -> Sequence[str]:
        """Return the labels of the selected actors."""
        return [str(actor.get_actor_label()) for actor in selected_actors()]

    def selected_paths(self) -> Sequence[str]:
        """Return the path names of the selected actors."""
        return [str(actor.get_path_name()) for actor in selected_actors()]

    def names(self) -> Names:
        """Return what the level calls its actors, their folders and materials."""
        return level_names()

    def capture(
        self,
        view: View,
        passes: frozenset[str] = frozenset(),
        *,
        bound: Sequence[Binding] = (),
        is_live: bool = False,
    ) -> Files:
        """Draw the level; unless it is live, with exposure settled and streaming finished."""
        sources = unreal.SceneCaptureSource
        counted, names = bound_actors(bound) if bound else ([], None)
        if not bound and OBJECT_ID in passes:
            counted = chosen()
        material = stencil_material() if counted or bound else None
        with drawing(view, self._folder, is_live=is_live) as draw:
            color = draw.draw(sources.SCS_FINAL_COLOR_LDR, _RGBA8, WARM_UP_LIVE if is_live else WARM_UP)
            depth = draw.draw(sources.SCS_SCENE_DEPTH, _RGBA16F)
            normal = draw.draw(sources.SCS_NORMAL, _RGBA16F) if NORMAL in passes else None
            base_color = draw.draw(sources.SCS_BASE_COLOR, _RGBA8) if BASE_COLOR in passes else None
            object_id = _ids(draw, counted, material) if material is not None else None
        return Files(view, color, depth, normal, object_id, base_color, names)

    def _listed(self) -> Sequence[unreal.Actor]:
        """Return the level's actors; listing those of a large level takes milliseconds, so not each time."""
        level, now = level_path(), time.monotonic()
        if level != self._listed_of:
            self._known.clear()
        if level != self._listed_of or now - self._listed_at > LISTED_S:
            self._actors, self._listed_of, self._listed_at = level_actors(), level, now
        return self._actors

    def _compare(self, actor: unreal.Actor) -> None:
        place = actor.get_actor_transform()
        path, hidden = str(actor.get_path_name()), bool(actor.is_temporarily_hidden_in_editor())
        now = (*_numbers(place.translation), *_turn(place.rotation), *_numbers(place.scale3d), hidden)
        before = self._known.get(path)
        self._known[path] = now
        if before is not None and before != now:
            self._changes += 1


def _ids(draw: Drawing, counted: Sequence[unreal.Actor], material: unreal.MaterialInterface) -> bytes:
    with numbered(counted):
        return draw.draw(
            unreal.SceneCaptureSource.SCS_FINAL_COLOR_HDR, _RGBA16F, warm_up=1, material=material
        )


def _numbers(vector: unreal.Vector) -> tuple[float, ...]:
    return round(vector.x, 3), round(vector.y, 3), round(vector.z, 3)


def _turn(turn: unreal.Quat) -> tuple[float, ...]:
    return round(turn.x, 5), round(turn.y, 5), round(turn.z, 5), round(turn.w, 5)
