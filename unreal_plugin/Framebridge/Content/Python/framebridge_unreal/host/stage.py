"""Shows results in the level: ``Stage``. Each method is one step of undo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import unreal

from .._bridge.errors import BridgeError
from ..core.axes import View
from ..core.editor import Files
from .assets import discard, exact_depth, find, import_data
from .instances import slot_of
from .level import open_world, our_actors, selection_kept
from .painting import depth_path, meshes_for, paint, slots, unpaint
from .shelf import UnrealShelf
from .thrown import BLEND_ACTOR, DECAL_ACTOR, PLATE_ACTOR, put_blend, put_decal, put_plate, remove, shown_by


class UnrealStage:
    """The level that is open.

    Args:
        shelf: Where results are.
        folder: For files that are gone again afterwards.
    """

    def __init__(self, shelf: UnrealShelf, folder: Path) -> None:
        self._shelf, self._folder = shelf, folder
        shelf.is_shown = self._shows

    def show_plate(self, asset: str, view: View) -> None:
        """Put a result on a plane that fills its view, behind everything that is there."""
        open_world()
        texture = self._shelf.texture(asset)
        with _step("Framebridge Plate"):
            put_plate(texture, asset, view)

    def show_blend(self, asset: str, opacity: float, split: float) -> None:
        """Lay a result over the level viewport."""
        open_world()
        texture = self._shelf.texture(asset)
        with _step("Framebridge Blend"):
            put_blend(texture, asset, opacity, split)

    def veil(self, is_hidden: bool) -> None:
        """Hide the layer over the viewport for now; its volume is never saved, so this is no change."""
        for volume in our_actors(BLEND_ACTOR):
            if isinstance(volume, unreal.PostProcessVolume):
                volume.set_editor_property("blend_weight", 0.0 if is_hidden else 1.0)

    def hide_blend(self) -> None:
        """See the level as it is."""
        open_world()
        if our_actors(BLEND_ACTOR):
            with _step("Hide Framebridge Blend"):
                remove([BLEND_ACTOR])

    def show_decal(self, asset: str, view: View) -> None:
        """Throw a result onto what its view sees."""
        open_world()
        texture = self._shelf.texture(asset)
        with _step("Framebridge Decal"):
            put_decal(texture, asset, view)

    def project(self, asset: str, files: Files, actors: Sequence[str] = (), strength: float = 1.0) -> int:
        """Paint a result onto what its view sees, blended with the views that are painted already."""
        open_world()
        texture = self._shelf.texture(asset)
        components = meshes_for(files.view, actors)
        path = depth_path(asset)
        is_new = find(path) is None
        painted = 0
        with _step("Framebridge Projection"):
            name = f"{path.rpartition('/')[2]}.exr"
            depth = import_data(files.depth, name, path, exact_depth(), self._folder)
            try:
                painted = paint(slot_of(files.view, texture, depth, strength), components)
            except BridgeError:
                if is_new:
                    discard(path)
                raise
        return painted

    def views(self) -> Sequence[tuple[str, float]]:
        """Return what is projected now: asset and strength, oldest first."""
        open_world()
        return [(slot.asset, slot.strength) for slot in slots()]

    def remove_projection(self, asset: str = "") -> None:
        """Take one view away, or all; what the components had before comes back."""
        open_world()
        with _step("Remove Framebridge Projection"):
            unpaint(asset)

    def clear(self) -> None:
        """Take everything of ours out of the level."""
        open_world()
        with _step("Clear Framebridge"):
            unpaint()
            remove([PLATE_ACTOR, DECAL_ACTOR, BLEND_ACTOR])

    def _shows(self, asset: str) -> bool:
        open_world()
        projected = {slot.asset for slot in slots()}
        return asset in projected or any(shown_by(actor) == asset for actor in our_actors())


@contextmanager
def _step(words: str) -> Iterator[None]:
    """Make one step of undo, and leave the selection to the artist."""
    with unreal.ScopedEditorTransaction(words), selection_kept():
        yield
