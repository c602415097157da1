"""Where the frames of a sequence are seen from: the playhead is moved over them, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import unreal

from ..core.axes import View
from .viewpoint import camera_at, view_through

PATIENCE_S = 1.0
"""How long frames are read before a dialog says so."""

SAME_PROPORTIONS = 0.01
"""How far a camera's may be from the picture's before bars appear."""


def views_of(sequence: unreal.LevelSequence, frames: range, size: tuple[int, int]) -> dict[int, View]:
    """Return where frames are seen from, as far as that can be read.

    Nothing is known of a sequence that is not open in Sequencer, of a frame that none of its own camera cuts
    spans, as within a subsequence, and of a camera that would leave bars in the picture.

    Args:
        sequence: Which.
        frames: Their numbers, in its display rate.
        size: Width and height of the picture, pixels.
    """
    library = unreal.LevelSequenceEditorBlueprintLibrary
    opened = library.get_current_level_sequence()
    if opened is None or opened.get_path_name() != sequence.get_path_name():
        return {}
    views: dict[int, View] = {}
    with _playhead(), unreal.ScopedSlowTask(len(frames), "Reading where each frame is seen from") as task:
        task.make_dialog_delayed(PATIENCE_S)
        for frame in frames:
            task.enter_progress_frame()
            library.set_current_time(frame)
            library.force_update()
            camera = camera_at(sequence, frame)
            if camera is not None and _fills(camera, *size):
                views[frame] = view_through(camera, *size)
    return views


@contextmanager
def _playhead() -> Iterator[None]:
    """Stop playing, and put the playhead back where it stood."""
    library = unreal.LevelSequenceEditorBlueprintLibrary
    if library.is_playing():
        library.pause()
    stood = library.get_current_time()
    try:
        yield
    finally:
        library.set_current_time(stood)
        library.force_update()


def _fills(camera: unreal.CameraComponent, width: int, height: int) -> bool:
    """Tell whether a camera fills a picture, without bars."""
    if not camera.constrain_aspect_ratio or camera.aspect_ratio <= 0:
        return True
    return abs(camera.aspect_ratio * height / width - 1.0) <= SAME_PROPORTIONS
