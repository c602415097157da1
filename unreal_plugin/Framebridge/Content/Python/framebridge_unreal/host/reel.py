"""Level sequences, rendered and taken back: ``Reel``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import unreal

from .._bridge.errors import BridgeError
from ..core.editor import Rendered
from ..core.renders import keep_views, rendered_in
from .level import level_path, service
from .media import take_in
from .playhead import views_of
from .rendering import Rendering

PROJECT = "/Game/"

NEVER_SAVED = "/Temp/"


class UnrealReel:
    """The level sequences of this project."""

    def __init__(self) -> None:
        self._rendering: Rendering | None = None

    def sequences(self) -> Sequence[str]:
        """Return the paths of the level sequences of this project, sorted, as far as they are found yet."""
        registry = unreal.AssetRegistryHelpers.get_asset_registry()
        kind = unreal.TopLevelAssetPath("/Script/LevelSequence", "LevelSequence")
        found = registry.get_assets_by_class(kind, True) or []
        paths = (str(data.package_name) for data in found)
        return sorted(path for path in paths if path.startswith(PROJECT))

    def open_sequence(self) -> str:
        """Return the path of the sequence that is open in Sequencer; empty if none is."""
        opened = unreal.LevelSequenceEditorBlueprintLibrary.get_current_level_sequence()
        return "" if opened is None else str(opened.get_path_name()).partition(".")[0]

    def frames(self, sequence: str) -> tuple[range, float]:
        """Return the playback range, in frames of the display rate, and frames a second."""
        extensions, found = unreal.MovieSceneSequenceExtensions, _loaded(sequence)
        frames = range(extensions.get_playback_start(found), extensions.get_playback_end(found))
        rate = extensions.get_display_rate(found)
        if not frames or rate.denominator == 0:
            raise BridgeError(
                f"{sequence} has no frames",
                code="no_sequence",
                hint="Give it a playback range in Sequencer, or choose another one.",
            )
        return frames, rate.numerator / rate.denominator

    def begin(self, sequence: str, frames: range, size: tuple[int, int], folder: Path) -> None:
        """Begin to render colour as PNG and depth as OpenEXR into a folder."""
        _check_plugin()
        self._check_is_free()
        level = level_path()
        found = _loaded(sequence)
        _check_is_saved(level)
        try:
            keep_views(folder, frames, views_of(found, frames, size))
        except OSError as error:
            raise BridgeError(
                f"{folder} cannot be written: {error.strerror or error}",
                code="folder_unwritable",
                hint="Choose another folder, or make room on its disk.",
            ) from error
        self._rendering = Rendering(found, frames, size, folder)

    def progress(self) -> tuple[bool, float, str]:
        """Return whether rendering is over, how far it is, 0..1, and why it failed, if it did."""
        rendering = self._rendering
        if rendering is None:
            return True, 1.0, ""
        return rendering.is_over, rendering.fraction, rendering.fault if rendering.is_over else ""

    def rendered(self, folder: Path) -> Sequence[Rendered]:
        """Return the frames of a folder of which both files are whole, in order."""
        return rendered_in(folder)

    def cancel(self) -> None:
        """Stop rendering; frames that are there stay."""
        if self._rendering is not None:
            self._rendering.cancel()

    def take_in(self, folder: Path, first: int, frames_per_second: float, name: str) -> str:
        """Make an image sequence of painted frames: a media source, player and texture; returns its path."""
        return take_in(folder, first, frames_per_second, name)

    def _check_is_free(self) -> None:
        is_ours = self._rendering is not None and not self._rendering.is_over
        if is_ours or service(unreal.MoviePipelineQueueSubsystem).is_rendering():
            raise BridgeError(
                "Movie Render Queue is rendering already",
                code="mrq_busy",
                hint="Wait until it is done, or cancel it in its window.",
            )


def _check_plugin() -> None:
    if not hasattr(unreal, "MoviePipelineQueueSubsystem"):
        raise BridgeError(
            "the plugin Movie Render Queue is off",
            code="mrq_missing",
            hint="Edit ▸ Plugins: enable Movie Render Queue, and restart the editor.",
        )


def _check_is_saved(level: str) -> None:
    """See that the level is on the disk as it is: Movie Render Queue may load it from there."""
    if level.startswith(NEVER_SAVED) or unreal.EditorLoadingAndSavingUtils.get_dirty_map_packages():
        raise BridgeError(
            "the level has changes that are not saved",
            code="level_not_saved",
            hint="Save the level (File ▸ Save Current Level), and render again.",
        )


def _loaded(sequence: str) -> unreal.LevelSequence:
    library = unreal.EditorAssetLibrary
    found = library.load_asset(sequence) if library.does_asset_exist(sequence) else None
    if not isinstance(found, unreal.LevelSequence):
        raise BridgeError(
            f"there is no level sequence {sequence}",
            code="no_sequence",
            hint="It may have been moved or deleted: choose another one.",
        )
    return found
