"""A project with a sequence, for the strict fake: Sequencer, Movie Render Queue, and assets in memory.

Movie Render Queue writes as the engine does: each pass in each format, named by the tokens of the format, one
frame a tick, while the level is being played; the range's end is not part of it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from .fake import FakeUnreal
from .plain import png_file

SEQUENCE = "/Game/Cine/Flight"
LEVEL = "/Game/Maps/Main"


class Film:
    """The project; what it holds can be changed.

    ``fault`` makes the renderer fail, ``stops_playing`` ends the played level a tick after it.
    """

    def __init__(self, unreal: FakeUnreal) -> None:
        self.unreal = unreal
        self.assets: dict[str, Any] = {}
        self.folders: set[str] = set()
        self.is_read_only = False
        self.actors: list[Any] = []
        self.dirty: list[Any] = []
        self.is_playing_level, self.stops_playing = False, False
        self.range, self.rate = (-2, 3), (24, 1)
        self.opened: Any = None
        self.playhead, self.is_playing = 7, False
        self.visited: list[int] = []
        self.others_render = False
        self.executor: Any = None
        self.queue: Any = None
        self.fault = ""
        self.is_silent = False
        self.hidden_while_played: list[list[bool]] = []
        self._subsystems: dict[type, Any] = {}
        self._left: list[int] = []
        self._is_cancelled = False
        self.world = unreal.World(unreal.Package(None, LEVEL), "Main")
        self.sequence = self.add_asset(unreal.LevelSequence, SEQUENCE)
        self.camera = self._camera()
        self._script()

    def add_asset(self, kind: type, path: str) -> Any:
        """Put an asset into the content browser."""
        self.assets[path] = kind(self.unreal.Package(None, path), path.rpartition("/")[2])
        return self.assets[path]

    def add_actor(self, kind: type, *tags: str) -> Any:
        """Put an actor into the level."""
        actor = kind(self.world, f"{kind.__name__}_{len(self.actors)}")
        actor._values["tags"] = list(tags)
        self.actors.append(actor)
        return actor

    def tick(self, times: int = 1) -> None:
        """Let the editor tick, and the renderer with it."""
        for _ in range(times):
            if self.executor is not None and not self.is_silent:
                self._render()
            elif self.stops_playing:
                self.is_playing_level = False
            self.unreal.scripts.tick()

    # ---- what the engine does --------------------------------------------------------------------

    def _script(self) -> None:
        script, library = self.unreal.scripts.script, "LevelSequenceEditorBlueprintLibrary"
        script("get_editor_subsystem", self._subsystem)
        script("UnrealEditorSubsystem.get_editor_world", lambda _: self.world)
        script("LevelEditorSubsystem.is_in_play_in_editor", lambda _: self.is_playing_level)
        script("EditorActorSubsystem.get_all_level_actors", lambda _: self.actors)
        script("EditorLoadingAndSavingUtils.get_dirty_map_packages", lambda: self.dirty)
        script("SystemLibrary.is_valid", lambda one: one is not None and one._is_alive)
        script("Actor.set_actor_hidden_in_game", lambda one, hidden: one._values.update(hidden=hidden))
        script(f"{library}.get_current_level_sequence", lambda: self.opened)
        script(f"{library}.get_current_time", lambda: self.playhead)
        script(f"{library}.set_current_time", self._move)
        script(f"{library}.force_update", self._evaluate)
        script(f"{library}.is_playing", lambda: self.is_playing)
        script(f"{library}.pause", lambda: setattr(self, "is_playing", False))
        script(f"{library}.get_bound_objects", lambda _: [self.camera])
        self._script_sequence()
        self._script_assets()
        self._script_queue()

    def _script_sequence(self) -> None:
        script, unreal = self.unreal.scripts.script, self.unreal
        extensions = "MovieSceneSequenceExtensions"
        script(f"{extensions}.get_playback_start", lambda _: self.range[0])
        script(f"{extensions}.get_playback_end", lambda _: self.range[1])
        script(f"{extensions}.get_display_rate", lambda _: unreal.FrameRate(*self.rate))
        script(f"{extensions}.find_tracks_by_type", lambda _, kind: [unreal.MovieSceneCameraCutTrack()])
        cut = unreal.MovieSceneCameraCutSection()
        script("MovieSceneTrackExtensions.get_sections", lambda _: [cut])
        script(
            "MovieSceneCameraCutSection.get_camera_binding_id", lambda _: unreal.MovieSceneObjectBindingID()
        )
        section = "MovieSceneSectionExtensions"
        script(f"{section}.has_start_frame", lambda _: True)
        script(f"{section}.get_start_frame", lambda _: -1)
        script(f"{section}.has_end_frame", lambda _: False)
        script("SceneComponent.get_world_location", lambda one: one.get_editor_property("relative_location"))
        script("SceneComponent.get_world_rotation", lambda one: one.get_editor_property("relative_rotation"))

    def _script_assets(self) -> None:
        script, unreal = self.unreal.scripts.script, self.unreal
        tools, registry = unreal.AssetTools(), unreal.AssetRegistry()
        script("EditorAssetLibrary.does_asset_exist", lambda path: path in self.assets)
        script("EditorAssetLibrary.load_asset", self.assets.get)
        script("EditorAssetLibrary.does_directory_exist", lambda folder: folder in self.folders)
        script("EditorAssetLibrary.make_directory", self._make_folder)
        script("EditorAssetLibrary.delete_asset", lambda path: self.assets.pop(path, None) is not None)
        script("EditorAssetLibrary.save_loaded_asset", lambda asset: not self.is_read_only)
        script("AssetToolsHelpers.get_asset_tools", lambda: tools)
        script(
            "AssetTools.create_asset", lambda _, name, folder, kind: self.add_asset(kind, f"{folder}/{name}")
        )
        script("ImgMediaSource.set_sequence_path", _set_sequence_path)
        script("AssetRegistryHelpers.get_asset_registry", lambda: registry)
        script("AssetRegistry.get_assets_by_class", self._listed)

    def _script_queue(self) -> None:
        script, unreal = self.unreal.scripts.script, self.unreal
        if not unreal.has("MoviePipelineQueueSubsystem"):
            return
        script("MoviePipelineQueueSubsystem.is_rendering", lambda _: self.others_render)
        script("MoviePipelineQueue.allocate_new_job", lambda queue, kind: _kept(queue, "job", kind))
        script(
            "MoviePipelineExecutorJob.get_configuration",
            lambda job: _kept(job, "config", unreal.MoviePipelinePrimaryConfig),
        )
        script(
            "MoviePipelineConfigBase.find_or_add_setting_by_class",
            lambda config, kind: _kept(config, kind.__name__, kind),
        )
        script("MoviePipelineExecutorBase.execute", self.execute)
        script("MoviePipelineExecutorBase.is_rendering", lambda one: one is self.executor)
        script("MoviePipelineExecutorBase.cancel_all_jobs", self._cancel)

    def _subsystem(self, kind: type) -> Any:
        return self._subsystems.setdefault(kind, kind())

    def _make_folder(self, folder: str) -> bool:
        self.folders.add(folder)
        return True

    def _listed(self, _: Any, kind: Any) -> Any:
        if kind.to_tuple() != ("/Script/LevelSequence", "LevelSequence"):
            return None
        found = [path for path, asset in self.assets.items() if isinstance(asset, self.unreal.LevelSequence)]
        data = []
        for path in found:
            data.append(self.unreal.AssetData())
            data[-1]._values["package_name"] = self.unreal.Name(path)
        return data

    # ---- Sequencer -------------------------------------------------------------------------------

    def _camera(self) -> Any:
        """A camera that flies along X, a metre a frame, and zooms."""
        actor = self.unreal.CameraActor(self.world, "Camera")
        component = self.unreal.CameraComponent(actor, "CameraComponent")
        actor._values["camera_component"] = component
        component._values |= {"aspect_ratio": 4 / 3, "constrain_aspect_ratio": True, "field_of_view": 0.0}
        return actor

    def _move(self, frame: int) -> None:
        self.playhead = frame

    def _evaluate(self) -> None:
        """Sequencer moves what it animates when it is told to, or on its next tick."""
        self.visited.append(self.playhead)
        component = self.camera._values["camera_component"]
        component._values["relative_location"] = self.unreal.Vector(100.0 * self.playhead, 0.0, 50.0)
        component._values["field_of_view"] = 60.0 + self.playhead

    # ---- Movie Render Queue ----------------------------------------------------------------------

    def execute(self, executor: Any, queue: Any) -> None:
        """Begin to play and to render."""
        self.executor, self.queue = executor, queue
        output = self.setting("OutputSetting")
        assert output.use_custom_playback_range
        self._left = list(range(output.custom_start_frame, output.custom_end_frame))
        self.is_playing_level, self._is_cancelled = True, False

    @property
    def job(self) -> Any:
        """The job of the queue that was run last."""
        return vars(self.queue)["_job"]

    def setting(self, name: str) -> Any:
        """One of the job's settings, by the end of its class's name."""
        return vars(vars(self.job)["_config"])[f"_MoviePipeline{name}"]

    def _cancel(self, executor: Any) -> None:
        assert executor is self.executor
        self._is_cancelled = True

    def _render(self) -> None:
        if self.fault:
            self.executor.on_executor_errored_delegate.broadcast(
                self.executor, None, True, self.unreal.Text(self.fault)
            )
        if self.fault or self._is_cancelled or not self._left:
            self._finish(not (self.fault or self._is_cancelled))
            return
        self.hidden_while_played.append([bool(actor.hidden) for actor in self.actors])
        self._write(self._left.pop(0))

    def _finish(self, success: bool) -> None:
        executor, self.executor = self.executor, None
        executor.on_executor_finished_delegate.broadcast(executor, success)

    def _write(self, frame: int) -> None:
        output, drawn = self.setting("OutputSetting"), self.setting("DeferredPassBase")
        width, height = output.output_resolution.x, output.output_resolution.y
        digits = output.zero_pad_frame_numbers + (frame < 0)
        passes = {"FinalImage": 0.5}
        for one in drawn.additional_post_process_materials:
            passes["FinalImage" + (one.name or one.material.get_name())] = 100.0 * (frame + 10)
        exr = self.setting("ImageSequenceOutput_EXR")
        assert not exr.multilayer
        assert self.setting("ImageSequenceOutput_PNG")
        for of, value in passes.items():
            words = {"{frame_number}": f"{frame:0{digits}}", "{render_pass}": of}
            name = output.file_name_format
            for token, word in words.items():
                name = name.replace(token, word)
            file = Path(output.output_directory.path) / name
            file.with_name(f"{file.name}.png").write_bytes(png_file(width, height, abs(frame)))
            _write_exr(file.with_name(f"{file.name}.exr"), width, height, value, exr.compression.name)


def _kept(owner: Any, name: str, kind: type) -> Any:
    """Return what an object holds under a name of the test's own, made if need be."""
    return vars(owner).setdefault(f"_{name}", kind(owner))


def _set_sequence_path(source: Any, path: str) -> None:
    """Take the folder of a picture, as the engine does."""
    source._values["sequence_path"] = source._unreal.DirectoryPath(path.rpartition("/")[0])


def _write_exr(file: Path, width: int, height: int, value: float, compression: str) -> None:
    assert math.isfinite(value)
    channels = {name: np.full((height, width), value, np.float32) for name in "RGBA"}
    number = getattr(OpenEXR, f"{compression}_COMPRESSION")
    OpenEXR.File({"compression": number, "type": OpenEXR.scanlineimage}, channels).write(str(file))
