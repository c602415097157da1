"""Sequencer and Movie Render Queue: a camera that flies, and frames of it that are drawn tick by tick.

Movie Render Queue writes as the engine does: each pass in each format that is set, or all passes as layers
of one OpenEXR file; the custom range's end is not part of it; the level is being played until a tick after
the end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR

from .raycast import Lens, draw
from .world_drawing import write_png
from .world_maths import angles, parts

if TYPE_CHECKING:
    from .world import World

Pose = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Location; roll, pitch, yaw."""


class Sequences:
    """Behaviour of level sequences, Sequencer and Movie Render Queue."""

    def __init__(self, world: World) -> None:
        self._world, self._unreal = world, world.unreal
        self.opened: Any = None
        self.playhead = 0
        self.is_playing = False
        """Whether the level is being played, for Movie Render Queue."""

        self._executor: Any = None
        self._job: Any = None
        self._waiting: list[int] = []
        self._is_cancelled = False
        self._fraction = 0.0
        scripts = world.scripts
        scripts.behave("LevelSequenceEditorBlueprintLibrary", _Sequencer(self))
        scripts.behave("MovieSceneSequenceExtensions", _SequenceCalls())
        scripts.behave("MovieSceneSectionExtensions", _SectionCalls())
        scripts.script("MovieSceneTrackExtensions.get_sections", lambda track: track._sections)
        scripts.script("MovieSceneCameraCutSection.get_camera_binding_id", lambda section: section._binding)
        scripts.script("EditorLoadingAndSavingUtils.save_current_level", self._save_level)
        if self._unreal.has("MoviePipelineQueueSubsystem"):
            self._script_queue()

    def add(
        self,
        path: str,
        first: int,
        end: int,
        rate: tuple[int, int] = (24, 1),
        camera: str = "Camera",
        pose: Callable[[int], Pose] | None = None,
    ) -> Any:
        """Make a level sequence whose camera cut shows a camera of the level; ``pose`` says where it is."""
        unreal = self._unreal
        sequence = self._world.assets.add(path, unreal.LevelSequence)
        self._world.assets.save(sequence)
        binding, section = unreal.MovieSceneObjectBindingID(), unreal.MovieSceneCameraCutSection(sequence)
        section._binding, section._start, section._end = binding, first, end
        track = unreal.MovieSceneCameraCutTrack(sequence)
        track._sections = [section]
        sequence._range, sequence._rate, sequence._tracks = (first, end), unreal.FrameRate(*rate), [track]
        sequence._camera, sequence._pose = camera, pose
        return sequence

    def evaluate(self, sequence: Any, frame: int) -> None:
        """Put the camera where it is at a frame, without a trace in the level's file."""
        if sequence._pose is None:
            return
        location, rotation = sequence._pose(frame)
        root = self._world.actor(sequence._camera)._values["root_component"]._values
        root["relative_location"] = self._world.maths.vector(location)
        root["relative_rotation"] = self._unreal.Rotator(*map(float, rotation))

    def advance(self) -> None:
        """Render one frame, if Movie Render Queue is at work."""
        if self._executor is None:
            self.is_playing = False
            return
        if self._world.faults.renders_nothing:
            words = self._unreal.Text("the pipeline was out of memory")
            self._executor.on_executor_errored_delegate.broadcast(self._executor, None, True, words)
        if self._waiting and not self._is_cancelled and not self._world.faults.renders_nothing:
            self._render(self._waiting.pop(0))
        else:
            success = not (self._is_cancelled or self._world.faults.renders_nothing)
            executor, self._executor = self._executor, None
            executor.on_executor_finished_delegate.broadcast(executor, success)

    def _save_level(self) -> bool:
        self._world.dirty.discard(self._world.editor_world.get_outermost().get_name())
        return True

    def _script_queue(self) -> None:
        script, unreal = self._world.scripts.script, self._unreal
        script("MoviePipelineQueueSubsystem.is_rendering", lambda _: self._executor is not None)
        script(
            "MoviePipelineQueueSubsystem.get_queue",
            lambda one: _kept(one, "_queue", unreal.MoviePipelineQueue),
        )
        script(
            "MoviePipelineQueueSubsystem.render_queue_with_executor_instance",
            lambda one, executor: self._execute(executor, _kept(one, "_queue", unreal.MoviePipelineQueue)),
        )
        script("MoviePipelineQueue.allocate_new_job", self._allocate)
        script("MoviePipelineQueue.get_jobs", lambda queue: list(_list(queue)))
        script("MoviePipelineQueue.delete_job", lambda queue, job: _list(queue).remove(job))
        script("MoviePipelineQueue.delete_all_jobs", lambda queue: _list(queue).clear())
        script(
            "MoviePipelineExecutorJob.get_configuration",
            lambda job: _kept(job, "_config", unreal.MoviePipelinePrimaryConfig),
        )
        script("MoviePipelineConfigBase.find_or_add_setting_by_class", self._setting)
        script("MoviePipelineExecutorBase.execute", self._execute)
        script("MoviePipelineExecutorBase.is_rendering", lambda one: one is self._executor)
        for name in ("cancel_all_jobs", "cancel_current_job"):
            script(f"MoviePipelineExecutorBase.{name}", self._cancel)
        script("MoviePipelineExecutorBase.get_status_progress", lambda _: self._fraction)

    def _allocate(self, queue: Any, kind: Any = None) -> Any:
        job = (kind or self._unreal.MoviePipelineExecutorJob)(queue)
        _list(queue).append(job)
        return job

    def _setting(self, config: Any, kind: type, *_: Any) -> Any:
        settings = _kept_dict(config)
        if kind.__name__ not in settings:
            settings[kind.__name__] = kind(config)
        return settings[kind.__name__]

    def _cancel(self, executor: Any) -> None:
        self._is_cancelled = executor is self._executor

    def _execute(self, executor: Any, queue: Any) -> None:
        (self._job,) = _list(queue)
        self._executor, self._is_cancelled, self.is_playing = executor, False, True
        output = self._of("MoviePipelineOutputSetting")
        sequence = self._world.assets.find(self._job.sequence._values["path_string"])
        frames = range(*sequence._range)
        if output.use_custom_playback_range:
            frames = range(output.custom_start_frame, output.custom_end_frame)
        self._waiting = list(frames)

    def _of(self, kind: str) -> Any:
        return _kept_dict(_kept(self._job, "_config", self._unreal.MoviePipelinePrimaryConfig)).get(kind)

    def _render(self, frame: int) -> None:
        output = self._of("MoviePipelineOutputSetting")
        size = output.output_resolution
        sequence = self._world.assets.find(self._job.sequence._values["path_string"])
        camera = self._world.actor(sequence._camera)
        stood = camera.get_actor_transform()
        self.evaluate(sequence, frame)
        component, root = camera.camera_component, camera._values["root_component"]._values
        place = parts(root["relative_location"]), angles(root["relative_rotation"])
        camera.set_actor_transform(stood, False, True)  # what is played is a copy of the level
        layers = draw(
            Lens(*place, size.x, size.y, component.field_of_view), self._world.drawing.shapes(in_game=True)
        )
        one = np.ones((size.y, size.x, 1))
        passes = {"FinalImage": np.concatenate([layers.color, one], axis=-1)}
        drawn = self._of("MoviePipelineDeferredPassBase")
        for extra in drawn.additional_post_process_materials if drawn else ():
            if extra.enabled and extra.material is not None:
                seen = self._world.drawing._through(extra.material, layers)
                name = f"FinalImage{extra.name or extra.material.get_name()}"
                passes[name] = np.concatenate([seen, one], axis=-1)
        self._write(output, frame, passes)
        self._fraction = 1 - len(self._waiting) / max(len(self._waiting) + 1, 1)

    def _write(self, output: Any, frame: int, passes: dict[str, Any]) -> None:
        digits = output.zero_pad_frame_numbers + (frame < 0)
        folder = Path(output.output_directory.path)
        folder.mkdir(parents=True, exist_ok=True)

        def named(name: str) -> str:
            words = {"{frame_number}": f"{frame:0{digits}}", "{render_pass}": name}
            text = str(output.file_name_format)
            for token, word in words.items():
                text = text.replace(token, word)
            return text

        if self._of("MoviePipelineImageSequenceOutput_PNG"):
            for name, image in passes.items():
                write_png(folder / f"{named(name)}.png", image, is_srgb=True)
        if exr := self._of("MoviePipelineImageSequenceOutput_EXR"):
            groups = [passes] if exr.multilayer else [{name: image} for name, image in passes.items()]
            for group in groups:
                first = next(iter(group))
                file = folder / f"{named(first)}.exr"
                _write_layers(file, group, exr.compression.name, is_layered=bool(exr.multilayer))


class _Sequencer:
    """LevelSequenceEditorBlueprintLibrary."""

    def __init__(self, sequences: Sequences) -> None:
        self._sequences = sequences

    def open_level_sequence(self, sequence: Any) -> bool:
        self._sequences.opened = sequence
        self._sequences.playhead = sequence._range[0]
        return True

    def close_level_sequence(self) -> None:
        self._sequences.opened = None

    def get_current_level_sequence(self) -> Any:
        return self._sequences.opened

    get_focused_level_sequence = get_current_level_sequence

    def get_current_time(self) -> int:
        return self._sequences.playhead

    def set_current_time(self, frame: int) -> None:
        self._sequences.playhead = frame

    def force_update(self) -> None:
        if self._sequences.opened is not None:
            self._sequences.evaluate(self._sequences.opened, self._sequences.playhead)

    refresh_current_level_sequence = force_update

    def is_playing(self) -> bool:
        return False

    def pause(self) -> None:
        pass

    def is_camera_cut_locked_to_viewport(self) -> bool:
        return False

    def get_bound_objects(self, binding: Any) -> list[Any]:
        opened = self._sequences.opened
        return [] if opened is None else [self._sequences._world.actor(opened._camera)]


class _SequenceCalls:
    """MovieSceneSequenceExtensions."""

    def get_playback_start(self, sequence: Any) -> int:
        return int(sequence._range[0])

    def get_playback_end(self, sequence: Any) -> int:
        return int(sequence._range[1])

    def get_display_rate(self, sequence: Any) -> Any:
        return sequence._rate

    def get_tracks(self, sequence: Any) -> list[Any]:
        return list(sequence._tracks)

    def find_tracks_by_type(self, sequence: Any, kind: type) -> list[Any]:
        return [track for track in sequence._tracks if isinstance(track, kind)]

    find_tracks_by_exact_type = find_tracks_by_type


class _SectionCalls:
    """MovieSceneSectionExtensions."""

    def has_start_frame(self, section: Any) -> bool:
        return section._start is not None

    def has_end_frame(self, section: Any) -> bool:
        return section._end is not None

    def get_start_frame(self, section: Any) -> int:
        return int(section._start)

    def get_end_frame(self, section: Any) -> int:
        return int(section._end)


def _kept(owner: Any, name: str, kind: type) -> Any:
    return vars(owner).setdefault(name, kind(owner))


def _kept_dict(config: Any) -> dict[str, Any]:
    return vars(config).setdefault("_settings", {})  # type: ignore[no-any-return]


def _list(queue: Any) -> list[Any]:
    return vars(queue).setdefault("_jobs", [])  # type: ignore[no-any-return]


def _write_layers(file: Path, layers: dict[str, Any], compression: str, *, is_layered: bool) -> None:
    planes = {}
    for name, image in layers.items():
        start = "" if name == "FinalImage" or not is_layered else f"{name}."
        for index, channel in enumerate("RGBA"):
            plane = np.clip(image[..., index], -65504, 65504).astype(np.float16)
            planes[f"{start}{channel}"] = np.ascontiguousarray(plane)
    header = {
        "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
    }
    OpenEXR.File(header, planes).write(str(file))
