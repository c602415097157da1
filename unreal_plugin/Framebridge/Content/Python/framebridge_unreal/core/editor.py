"""What the rest needs of an editor: Unreal in ``host``, anything else in tests.

Rules:
1. All is called on the game thread. What fails raises ``BridgeError`` and leaves nothing of ours behind.
2. Nothing of the engine's is handed out: assets are known by path (``/Game/Framebridge/…``), actors by label,
   and by path name where two of one label are to be told apart.
3. Whatever changes the level or assets is one undoable transaction.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .._bridge.errors import Problem
from .._bridge.protocol import Binding, Names
from .axes import View

NORMAL, OBJECT_ID, BASE_COLOR = "normal", "object_id", "base_color"
"""Passes that a capture may have besides colour and depth."""

VIEWPORT, CAMERA, CAMERA_CUT = "Viewport", "Camera", "Sequencer"
"""Where pictures are captured from: the level viewport, a camera actor, Sequencer's camera cut."""


@dataclass(frozen=True)
class Source:
    """What to look from.

    Args:
        kind: ``VIEWPORT``, ``CAMERA`` or ``CAMERA_CUT``.
        camera: Label of the camera actor, for ``CAMERA``.
        field_of_view: Degrees from left to right, for a viewport that cannot tell its own.
        longest_side: Pixels; the other side follows from what is looked from.
        size: Pixels, width and height; overrides ``longest_side``.
        exposure: EV100 that the picture is exposed for; what the level says if ``None``.
    """

    kind: str = VIEWPORT
    camera: str = ""
    field_of_view: float = 90.0
    longest_side: int = 512
    size: tuple[int, int] | None = None
    exposure: float | None = None


@dataclass(frozen=True)
class Files:
    """One capture, as the engine wrote it.

    Args:
        view: Where it was seen from.
        color: PNG, RGB or RGBA; alpha means nothing.
        depth: OpenEXR, red is the distance along the view axis in centimetres.
        normal: OpenEXR, red, green and blue are the normal in Unreal's world.
        object_id: OpenEXR, red is the number of the actor, 0 for none of those that were asked for.
        base_color: PNG, the materials' colours without light.
        names: What the numbers of actors stand for, where prompts are bound to them.
    """

    view: View
    color: bytes
    depth: bytes
    normal: bytes | None = None
    object_id: bytes | None = None
    base_color: bytes | None = None
    names: Names | None = None


class Eye(Protocol):
    """Looks at the level."""

    def cameras(self) -> Sequence[str]:
        """Return the labels of the level's camera actors, sorted."""

    def selected(self) -> Sequence[str]:
        """Return the labels of the selected actors."""

    def selected_paths(self) -> Sequence[str]:
        """Return the path names of the selected actors, of which no two are the same."""

    def names(self) -> Names:
        """Return what the level calls its actors, their folders and materials."""

    def level(self) -> str:
        """Return the path of the level that is open.

        Raises:
            BridgeError: ``no_level``.
        """

    def view(self, source: Source) -> View:
        """Return where a capture would look from.

        Raises:
            BridgeError: ``no_level``, ``no_viewport``, ``no_camera``, ``no_sequence``.
        """

    def seen(self, view: View) -> Hashable:
        """Return what changes when a capture of this view would show something else; costs a millisecond."""

    def capture(
        self,
        view: View,
        passes: frozenset[str] = frozenset(),
        *,
        bound: Sequence[Binding] = (),
        is_live: bool = False,
    ) -> Files:
        """Draw the level.

        Args:
            view: From ``view``.
            passes: What is wanted besides colour and depth; ``OBJECT_ID`` numbers the selected actors from 1.
            bound: Prompts bound to actors, which are then numbered in place of the selected ones.
            is_live: Whether the next is soon to come: then streaming is not waited for, nor settled light.

        Raises:
            BridgeError: ``no_level``, ``capture_failed``, ``no_selection``, ``too_many_actors``.
        """


@dataclass(frozen=True)
class Kept:
    """A result in the content browser.

    Args:
        asset: Its path.
        name: For people.
        recipe: What it was made with, as text; empty where that is lost.
        view: Where it was seen from, as text; likewise.
        size: Width and height, pixels.
    """

    asset: str
    name: str
    recipe: str
    view: str
    size: tuple[int, int]


class Shelf(Protocol):
    """Keeps results as texture assets: the history."""

    def keep(self, png: bytes, recipe: str, view: str, workflow: str) -> str:
        """Import a picture under the next free number, with its metadata, in one transaction.

        Args:
            png: The picture.
            recipe: What it was made with, as text.
            view: Where it was seen from, as text.
            workflow: ComfyUI's API JSON, as text.

        Returns:
            Its path.

        Raises:
            BridgeError: ``content_unwritable``, ``import_failed``; ``no_level`` while the level is played.
        """

    def results(self) -> Sequence[Kept]:
        """Return the history, newest first; cheap enough to be called when a panel is drawn."""

    def delete(self, asset: str) -> None:
        """Delete a result.

        Raises:
            BridgeError: ``no_result``; ``in_use`` if the level uses it.
        """

    def picture(self, asset: str) -> bytes:
        """Return a result as the PNG file that was imported.

        Raises:
            BridgeError: ``no_result``.
        """


class Stage(Protocol):
    """Shows results in the level."""

    def show_plate(self, asset: str, view: View) -> None:
        """Put a result on a plane that fills the view it was seen from, behind everything that is there.

        Raises:
            BridgeError: As all here: ``no_level``, ``no_result``, ``content_unwritable``.
        """

    def show_blend(self, asset: str, opacity: float, split: float) -> None:
        """Lay a result over the level viewport; ``split`` 0..1 is where it begins, from left to right."""

    def veil(self, is_hidden: bool) -> None:
        """Hide the layer over the viewport for now, or show it again; no step of undo."""

    def hide_blend(self) -> None:
        """See the level as it is."""

    def show_decal(self, asset: str, view: View) -> None:
        """Throw a result onto what its view sees, as a decal."""

    def project(self, asset: str, files: Files, actors: Sequence[str] = (), strength: float = 1.0) -> int:
        """Paint a result onto what its view sees, blended with the views that are painted already.

        Args:
            asset: The result.
            files: The capture of its view; its depth decides what is hidden.
            actors: Path names of those to paint; all meshes that the view may see without any.
            strength: 0..1.

        Returns:
            How many components are painted.

        Raises:
            BridgeError: Also ``no_mesh``, ``too_many_views``.
        """

    def views(self) -> Sequence[tuple[str, float]]:
        """Return what is projected now: asset and strength, oldest first."""

    def remove_projection(self, asset: str = "") -> None:
        """Take one view away, or all; what the components had before comes back."""

    def clear(self) -> None:
        """Take everything of ours out of the level: plates, decals, blend and projections."""


@dataclass(frozen=True)
class Rendered:
    """One frame of a sequence, on the disk.

    Args:
        number: Of the frame, in the sequence's display rate.
        color: PNG file.
        depth: OpenEXR file.
        view: Of the camera, where that is known.
    """

    number: int
    color: Path
    depth: Path
    view: View | None = None


class Reel(Protocol):
    """Renders sequences with Movie Render Queue, and takes their frames back."""

    def sequences(self) -> Sequence[str]:
        """Return the paths of the project's level sequences, sorted; cheap, for a panel that is drawn."""

    def open_sequence(self) -> str:
        """Return the path of the sequence that is open in Sequencer; empty if none is."""

    def frames(self, sequence: str) -> tuple[range, float]:
        """Return the playback range, in frames of the display rate, and frames a second.

        Raises:
            BridgeError: ``no_sequence``.
        """

    def begin(self, sequence: str, frames: range, size: tuple[int, int], folder: Path) -> None:
        """Begin to render colour as PNG and depth as OpenEXR into a folder.

        Raises:
            BridgeError: ``mrq_missing`` if the plugin is off, ``mrq_busy``, ``no_sequence``,
                ``level_not_saved``.
        """

    def progress(self) -> tuple[bool, float, str]:
        """Return whether rendering is over, how far it is, 0..1, and why it failed, if it did."""

    def rendered(self, folder: Path) -> Sequence[Rendered]:
        """Return the frames of a folder of which both files are there, in order."""

    def cancel(self) -> None:
        """Stop rendering; frames that are there stay."""

    def take_in(self, folder: Path, first: int, frames_per_second: float, name: str) -> str:
        """Make an image sequence of painted frames: a media source, player and texture; returns its path."""


class Editor(Protocol):
    """Everything together."""

    @property
    def eye(self) -> Eye:
        """Looks at the level."""

    @property
    def shelf(self) -> Shelf:
        """Keeps results."""

    @property
    def stage(self) -> Stage:
        """Shows them in the level."""

    @property
    def reel(self) -> Reel:
        """Renders sequences."""

    @property
    def saved_folder(self) -> Path:
        """A folder of the project for what no asset holds, as ``Saved/Framebridge``."""

    @property
    def version(self) -> str:
        """Of the engine: ``5.6.0``."""

    @property
    def is_playing(self) -> bool:
        """Whether the level is played; nothing can be put into the project meanwhile."""

    def transaction(self, words: str) -> AbstractContextManager[object]:
        """Make one step of undo of all that is done within; transactions within it are part of it."""

    def warn(self, problem: Problem) -> None:
        """Write to the log what happened and what to do."""

    def tell(self, problem: Problem) -> None:
        """Warn, and tell the artist in a dialog, which waits for them: for what they have just clicked."""

    def note(self, words: str) -> None:
        """Write a line to the log."""
