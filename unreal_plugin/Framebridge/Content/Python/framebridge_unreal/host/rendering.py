"""Render frames of a sequence with Movie Render Queue.

Rules:
1. The job lies in a queue of our own: the one in Movie Render Queue's window is neither run nor changed.
2. The editor plays the level meanwhile. What we have put into it is hidden until that is over: a plate or a
   layer must not be painted again.
3. It looks after itself, on the editor's ticks, until it is over: also when it was cancelled and nobody asks.
4. Afterwards nothing of the engine's is held: what holds a played world keeps the next one from being loaded.

Movie Render Queue is a plugin and in no stub. Its members are as in Epic's Python API pages for 5.5, and as
public code uses them: the end of the custom range is exclusive; a material's pass is called "FinalImage" and
the material's name; a soft path has to name the object in the package. By that documentation a post-process
material agrees with the picture to the pixel only with ``disable_multisample_effects``. OpenEXR of several
layers has been seen with damaged channel names on Linux: each pass has its own file.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import unreal

from ..core.renders import DIGITS, FILE_NAME, delete_leftovers, written
from .level import level_path, our_actors, service
from .materials import depth_material

WARM_UP = 32
"""Frames that are drawn before the first: exposure and global illumination settle, in each piece alike."""

LOOK_S = 0.5
"""How often files are counted."""

SILENT_S = 5.0
"""How long the executor may say that it does not render, without having said that it is done."""

STOPPED = "Movie Render Queue was stopped"

Setting = TypeVar("Setting", bound="unreal.MoviePipelineSetting")


class Rendering:
    """Frames that are being rendered.

    Args:
        sequence: Of the level that is open.
        frames: Their numbers, in its display rate.
        size: Width and height, pixels.
        folder: For the files.

    Attributes:
        is_over: Whether it is done, failed or cancelled, and all is as it was.
        fraction: How far it is, 0..1.
        fault: Why it failed; empty if it did not.
    """

    def __init__(
        self, sequence: unreal.LevelSequence, frames: range, size: tuple[int, int], folder: Path
    ) -> None:
        self.is_over, self.fraction, self.fault = False, 0.0, ""
        self._frames, self._folder = frames, folder
        self._is_finished = False
        self._faults: list[str] = []
        self._looked_at = 0.0
        self._heard_at = time.monotonic()
        queue = unreal.MoviePipelineQueue()
        job = queue.allocate_new_job(unreal.MoviePipelineExecutorJob)
        job.job_name = "Framebridge"
        job.sequence = unreal.SoftObjectPath(sequence.get_path_name())
        job.map = unreal.SoftObjectPath(level_path())
        _configure(job.get_configuration(), frames, size, folder)
        executor = unreal.MoviePipelinePIEExecutor()
        executor.on_executor_finished_delegate.add_callable(self._finished)
        executor.on_executor_errored_delegate.add_callable(self._errored)
        self._held: tuple[unreal.MoviePipelinePIEExecutor, unreal.MoviePipelineQueue] | None = executor, queue
        with ExitStack() as undo:
            _hide_ours(undo)
            handle = unreal.register_slate_post_tick_callback(self._look)
            undo.callback(unreal.unregister_slate_post_tick_callback, handle)
            _start(executor, queue)
            self._undo = undo.pop_all()

    def cancel(self) -> None:
        """Stop it; it is over some ticks later."""
        if self._held is not None:
            self._held[0].cancel_all_jobs()

    def _finished(self, _executor: unreal.MoviePipelineExecutorBase, success: bool) -> None:
        self._is_finished = True
        if not success:
            self.fault = "; ".join(dict.fromkeys(self._faults)) or STOPPED

    def _errored(
        self,
        _executor: unreal.MoviePipelineExecutorBase,
        _pipeline: object,
        _is_fatal: bool,
        words: unreal.Text | str,
    ) -> None:
        self._faults.append(str(words))

    def _look(self, _seconds: float) -> None:
        """See how far it is; the editor calls this on each of its ticks."""
        now = time.monotonic()
        if self._held is not None and self._held[0].is_rendering():
            self._heard_at = now
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._count()
        if self._is_finished or now - self._heard_at >= SILENT_S:
            self._end()

    def _end(self) -> None:
        if service(unreal.LevelEditorSubsystem).is_in_play_in_editor():
            return  # for another tick or two
        try:
            self._undo.close()
        finally:
            self._held = None
            self._count()
            self.is_over = True
            delete_leftovers(self._folder)

    def _count(self) -> None:
        self.fraction = written(self._folder, self._frames) / len(self._frames)


def _configure(
    config: unreal.MoviePipelinePrimaryConfig, frames: range, size: tuple[int, int], folder: Path
) -> None:
    output = _setting(config, unreal.MoviePipelineOutputSetting)
    output.output_directory = unreal.DirectoryPath(folder.as_posix())
    output.file_name_format = FILE_NAME
    output.zero_pad_frame_numbers = DIGITS
    output.override_existing_output = True
    output.output_resolution = unreal.IntPoint(*size)
    output.use_custom_playback_range = True
    output.custom_start_frame, output.custom_end_frame = frames.start, frames.stop
    samples = _setting(config, unreal.MoviePipelineAntiAliasingSetting)
    samples.spatial_sample_count = samples.temporal_sample_count = 1
    samples.render_warm_up_count = WARM_UP
    drawn = _setting(config, unreal.MoviePipelineDeferredPassBase)
    drawn.disable_multisample_effects = True
    drawn.additional_post_process_materials = [
        unreal.MoviePipelinePostProcessPass(
            enabled=True, material=depth_material(), high_precision_output=True
        )
    ]
    _setting(config, unreal.MoviePipelineImageSequenceOutput_PNG)
    exr = _setting(config, unreal.MoviePipelineImageSequenceOutput_EXR)
    exr.compression = unreal.EXRCompressionFormat.ZIP
    exr.multilayer = False


def _setting(config: unreal.MoviePipelinePrimaryConfig, kind: type[Setting]) -> Setting:
    setting = config.find_or_add_setting_by_class(kind)
    assert isinstance(setting, kind)
    return setting


def _start(executor: unreal.MoviePipelinePIEExecutor, queue: unreal.MoviePipelineQueue) -> None:
    subsystem = service(unreal.MoviePipelineQueueSubsystem)
    start = getattr(subsystem, "render_queue_instance_with_executor_instance", None)  # newer engines
    if callable(start):
        start(queue, executor)
    else:
        executor.execute(queue)


def _hide_ours(undo: ExitStack) -> None:
    """Hide what is ours from the played level, without making the level one that has to be saved."""
    hidden = [actor for actor in our_actors() if not actor.hidden]
    off = [actor for actor in our_actors() if isinstance(actor, unreal.PostProcessVolume) and actor.enabled]
    undo.callback(_show_again, _paths(hidden), _paths(off))
    for actor in hidden:
        actor.set_actor_hidden_in_game(True)
    for volume in off:
        volume.enabled = False


def _show_again(hidden: frozenset[str], off: frozenset[str]) -> None:
    """Put back what was hidden, by path: something of it may have been deleted meanwhile."""
    for actor in our_actors():
        if actor.get_path_name() in hidden:
            actor.set_actor_hidden_in_game(False)
        if isinstance(actor, unreal.PostProcessVolume) and actor.get_path_name() in off:
            actor.enabled = True


def _paths(found: Iterable[unreal.Actor]) -> frozenset[str]:
    return frozenset(actor.get_path_name() for actor in found)
