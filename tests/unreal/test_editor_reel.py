"""Sequences in the editor: rendered by Movie Render Queue, read where they are seen from, taken back."""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import OpenEXR
import pytest

from bridge.imaging import open_frame
from bridge.protocol import Frame, Plane

from ..blender.daemon import running_daemon
from .facts import Contract
from .fake import FakeUnreal, installed
from .film import SEQUENCE, Film
from .plain import PlainEditor

SIZE = (64, 48)
RANGE = range(-2, 3)
OUTPUT = "/Game/Framebridge/Sequences"
PACKAGE = "framebridge_reel"
PATIENCE_S = 90


@pytest.fixture
def unreal(known: Contract) -> Iterator[FakeUnreal]:
    with installed(FakeUnreal(known)) as fake:
        yield fake


@pytest.fixture
def film(unreal: FakeUnreal) -> Film:
    return Film(unreal)


@pytest.fixture
def plugin(film: Film, staged: Path) -> Iterator[Any]:
    """What imports a module of the plugin, in this editor."""
    root, host = ModuleType(PACKAGE), ModuleType(f"{PACKAGE}.host")
    root.__path__, host.__path__ = [str(staged)], [str(staged / "host")]
    materials = ModuleType(f"{PACKAGE}.host.materials")
    material = film.unreal.Material(None, "M_Depth")
    materials.depth_material = lambda: material  # type: ignore[attr-defined]
    sys.modules |= {one.__name__: one for one in (root, host, materials)}
    yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def reel(plugin: Any) -> Any:
    return plugin("host.reel").UnrealReel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rendered").mkdir()
    return tmp_path / "rendered"


def render(reel: Any, film: Film, folder: Path, frames: range = RANGE) -> list[Any]:
    reel.begin(SEQUENCE, frames, SIZE, folder)
    film.tick(len(frames) + 1)
    assert not reel.progress()[0], "the level is still being played"
    film.is_playing_level = False
    film.tick()
    assert reel.progress()[0]
    return list(reel.rendered(folder))


def refused(code: str, reel: Any, folder: Path) -> Any:
    with pytest.raises(sys.modules[f"{PACKAGE}._bridge.errors"].BridgeError) as caught:
        reel.begin(SEQUENCE, RANGE, SIZE, folder)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value


# ---- Movie Render Queue ------------------------------------------------------------------------------


def test_each_frame_of_the_range_is_rendered(reel, film, folder):
    found = render(reel, film, folder)
    assert [frame.number for frame in found] == list(RANGE)
    assert reel.progress() == (True, 1.0, "")
    with OpenEXR.File(str(found[0].depth)) as file:
        assert file.channels()["RGBA"].pixels[0, 0, 0] == 800.0, "the depth of frame -2, not its colour"


def test_a_gap_is_rendered_alone(reel, film, folder):
    assert [frame.number for frame in render(reel, film, folder, range(1, 2))] == [1]


def test_the_job_is_of_the_sequence_in_the_level(reel, film, folder):
    render(reel, film, folder)
    assert film.job.sequence._values == {"path_string": f"{SEQUENCE}.Flight"}
    assert film.job.map._values == {"path_string": "/Game/Maps/Main.Main"}
    size = film.setting("OutputSetting").output_resolution
    assert (size.x, size.y) == SIZE
    assert film.setting("OutputSetting").override_existing_output, "a damaged file is written over"


def test_depth_agrees_with_colour_and_is_precise(reel, film, folder):
    render(reel, film, folder)
    drawn, samples = film.setting("DeferredPassBase"), film.setting("AntiAliasingSetting")
    (depth,) = drawn.additional_post_process_materials
    assert drawn.disable_multisample_effects
    assert (samples.spatial_sample_count, samples.temporal_sample_count) == (1, 1)
    assert depth.enabled
    assert depth.high_precision_output
    assert film.setting("ImageSequenceOutput_EXR").compression is film.unreal.EXRCompressionFormat.ZIP


def test_a_frame_is_one_that_the_daemon_opens(reel, film, folder, plugin):
    found = render(reel, film, folder)[-1]
    made = plugin("core.capture").rendered_frame(found.color.read_bytes(), found.depth.read_bytes())
    names = ("name", "shape", "dtype", "data", "codec", "near", "far", "scale", "sky", "rotation")
    planes = [Plane(*(getattr(plane, name) for name in names)) for plane in made.planes.values()]
    opened = open_frame(Frame({plane.name: plane for plane in planes}))
    assert opened.size == SIZE
    assert np.max(opened.depth) == pytest.approx(12.0), "1200 cm"


def test_the_material_is_called_as_its_files_are_looked_for(plugin):
    del sys.modules[f"{PACKAGE}.host.materials"]
    assert plugin("core.renders").DEPTH in plugin("host.materials").DEPTH.name.lower()


def test_only_what_is_needed_stays_on_the_disk(reel, film, folder):
    found = render(reel, film, folder)
    needed = {file for frame in found for file in (frame.color, frame.depth)}
    assert set(folder.glob("frame.*")) == needed


def test_the_queue_of_the_artist_is_neither_run_nor_asked_for(reel, film, folder):
    render(reel, film, folder)
    calls = {call.name for call in film.unreal.scripts.calls}
    assert {name for name in calls if name.startswith("MoviePipelineQueueSubsystem.")} == {
        "MoviePipelineQueueSubsystem.is_rendering"
    }


def test_an_engine_that_takes_a_queue_is_given_ours(reel, film, folder):
    taken = []

    def start(subsystem: Any, queue: Any, executor: Any) -> None:
        taken.append(queue)
        film.execute(executor, queue)

    film.unreal.MoviePipelineQueueSubsystem.render_queue_instance_with_executor_instance = start
    render(reel, film, folder)
    assert taken == [film.queue]
    assert not film.unreal.scripts.called("MoviePipelineExecutorBase.execute")


def test_progress_follows_the_files(reel, plugin, film, folder, monkeypatch):
    monkeypatch.setattr(
        plugin("host.rendering"), "time", SimpleNamespace(monotonic=iter(range(100)).__next__)
    )
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    seen = []
    for _ in RANGE:
        film.tick()
        seen.append(reel.progress())
    assert seen == [(False, pytest.approx(done / 5), "") for done in (1, 2, 3, 4, 5)]


def test_nothing_of_the_engine_is_held_afterwards(reel, film, folder):
    render(reel, film, folder)
    assert reel._rendering._held is None
    assert film.unreal.scripts.ticks == {}


def test_what_is_ours_is_hidden_while_the_level_is_played(reel, film, folder):
    unreal = film.unreal
    theirs = film.add_actor(unreal.StaticMeshActor)
    plate = film.add_actor(unreal.StaticMeshActor, "Framebridge", "Plate")
    hidden = film.add_actor(unreal.StaticMeshActor, "Framebridge", "Plate")
    hidden._values["hidden"] = True
    blend = film.add_actor(unreal.PostProcessVolume, "Framebridge", "Blend")
    gone = film.add_actor(unreal.StaticMeshActor, "Framebridge", "Decal")
    blend._values["enabled"] = True
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    assert not blend.enabled
    film.tick(3)
    assert film.hidden_while_played[-1] == [False, True, True, True, True]
    gone._is_alive = False
    film.actors.remove(gone)
    film.tick(4)
    film.is_playing_level = False
    film.tick()
    assert reel.progress() == (True, 1.0, "")
    assert [bool(actor.hidden) for actor in (theirs, plate, hidden, blend)] == [False, False, True, False]
    assert blend.enabled


def test_what_was_hidden_comes_back_when_it_cannot_start(reel, film, folder):
    plate = film.add_actor(film.unreal.StaticMeshActor, "Framebridge", "Plate")

    def fail(executor: Any, queue: Any) -> None:
        raise RuntimeError("no")

    film.unreal.scripts.script("MoviePipelineExecutorBase.execute", fail)
    with pytest.raises(RuntimeError):
        reel.begin(SEQUENCE, RANGE, SIZE, folder)
    assert not plate.hidden
    assert film.unreal.scripts.ticks == {}
    assert reel.progress() == (True, 1.0, "")


def test_a_cancelled_one_ends_although_nobody_asks(reel, film, folder):
    plate = film.add_actor(film.unreal.StaticMeshActor, "Framebridge", "Plate")
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    film.tick(2)
    reel.cancel()
    refused("mrq_busy", reel, folder)
    film.tick()
    film.is_playing_level = False
    film.tick()
    assert not plate.hidden
    assert [frame.number for frame in reel.rendered(folder)] == [-2, -1], "frames that are there stay"
    assert len(render(reel, film, folder)) == 5


def test_a_fault_is_told(reel, film, folder):
    film.fault = "the disk is full"
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    film.tick()
    assert reel.progress() == (False, 0.0, ""), "not before all is as it was"
    film.is_playing_level = False
    film.tick()
    assert reel.progress() == (True, 0.0, "the disk is full")


def test_a_closed_window_is_told(reel, film, folder):
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    film._is_cancelled = True
    film.is_playing_level = False
    film.tick()
    assert reel.progress() == (True, 0.0, "Movie Render Queue was stopped")


def test_a_renderer_that_never_says_it_is_done_is_not_waited_for(reel, plugin, film, folder, monkeypatch):
    reel.begin(SEQUENCE, RANGE, SIZE, folder)
    film.is_silent, film.is_playing_level = True, False
    began, clock = time.monotonic(), SimpleNamespace()
    monkeypatch.setattr(plugin("host.rendering"), "time", clock)
    clock.monotonic = lambda: began + 60
    film.tick()
    assert not reel.progress()[0], "it renders, however long that takes"
    film.executor = None
    film.tick()
    assert not reel.progress()[0]
    clock.monotonic = lambda: began + 66
    film.tick()
    assert reel.progress()[0]


# ---- refusals ----------------------------------------------------------------------------------------


def test_a_plugin_that_is_off_is_named(reel, film, folder):
    film.unreal.remove("MoviePipelineQueueSubsystem")
    assert "Edit ▸ Plugins" in refused("mrq_missing", reel, folder).hint


def test_a_queue_that_renders_is_waited_for(reel, film, folder):
    film.others_render = True
    film.is_playing_level = True
    refused("mrq_busy", reel, folder)


def test_a_level_that_is_played_is_not_rendered(reel, film, folder):
    film.is_playing_level = True
    refused("no_level", reel, folder)


def test_a_level_with_changes_is_saved_first(reel, film, folder):
    film.dirty = [film.unreal.Package(None, "/Game/Maps/Main")]
    refused("level_not_saved", reel, folder)
    assert not film.unreal.scripts.called("MoviePipelineExecutorBase.execute")


def test_a_level_that_has_no_file_is_saved_first(reel, film, folder):
    film.world = film.unreal.World(film.unreal.Package(None, "/Temp/Untitled_1"), "Untitled")
    refused("level_not_saved", reel, folder)


@pytest.mark.parametrize("kind", [None, "Texture2D"])
def test_a_sequence_that_is_gone_is_told(reel, film, folder, kind):
    del film.assets[SEQUENCE]
    if kind:
        film.add_asset(getattr(film.unreal, kind), SEQUENCE)
    refused("no_sequence", reel, folder)
    with pytest.raises(Exception, match="there is no level sequence"):
        reel.frames(SEQUENCE)


def test_a_folder_that_is_a_file_is_told(reel, film, folder):
    (folder / "taken").write_text("theirs")
    refused("folder_unwritable", reel, folder / "taken" / "rendered")
    assert film.executor is None


# ---- where frames are seen from ----------------------------------------------------------------------


def test_each_frame_knows_where_it_was_seen_from(reel, film, folder):
    film.opened = film.sequence
    film.is_playing = True
    found = {frame.number: frame.view for frame in render(reel, film, folder)}
    assert found[-2] is None, "no camera cut spans it"
    assert [found[number].location for number in (-1, 0, 2)] == [
        (-100.0, 0.0, 50.0),
        (0.0, 0.0, 50.0),
        (200.0, 0.0, 50.0),
    ]
    assert found[2].field_of_view == pytest.approx(62.0)
    assert (found[2].width, found[2].height) == SIZE
    assert not film.is_playing
    assert film.playhead == 7
    assert film.visited == [*RANGE, 7], "Sequencer shows what it showed before"


def test_nothing_is_known_of_a_sequence_that_is_not_open(reel, film, folder):
    film.opened = film.add_asset(film.unreal.LevelSequence, "/Game/Cine/Other")
    assert {frame.view for frame in render(reel, film, folder)} == {None}
    assert film.visited == []


@pytest.mark.parametrize(("constrains", "is_known"), [(True, False), (False, True)])
def test_a_picture_with_bars_is_not_what_the_camera_sees(reel, film, folder, constrains, is_known):
    film.opened = film.sequence
    film.camera._values["camera_component"]._values |= {
        "aspect_ratio": 2.39,
        "constrain_aspect_ratio": constrains,
    }
    assert (render(reel, film, folder)[-1].view is not None) == is_known


def test_the_playhead_is_put_back_when_reading_fails(reel, film, folder):
    film.opened = film.sequence
    film.unreal.scripts.script("SceneComponent.get_world_location", lambda one: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reel.begin(SEQUENCE, RANGE, SIZE, folder)
    assert film.playhead == 7
    assert film.executor is None


# ---- sequences ---------------------------------------------------------------------------------------


def test_sequences_of_the_project_are_listed(reel, film):
    film.add_asset(film.unreal.LevelSequence, "/Game/Cine/Arrival")
    film.add_asset(film.unreal.LevelSequence, "/Engine/Template")
    film.add_asset(film.unreal.Texture2D, "/Game/Cine/Poster")
    assert reel.sequences() == ["/Game/Cine/Arrival", SEQUENCE]


def test_no_sequence_is_listed_while_none_is_found(reel, film):
    film.unreal.scripts.script("AssetRegistry.get_assets_by_class", lambda *_: None)
    assert reel.sequences() == []


def test_the_open_sequence_is_called_as_it_is_listed(reel, film):
    assert reel.open_sequence() == ""
    film.opened = film.sequence
    assert reel.open_sequence() in reel.sequences()


def test_frames_are_those_of_the_playback_range(reel, film):
    film.rate = (24000, 1001)
    assert reel.frames(SEQUENCE) == (range(-2, 3), pytest.approx(23.976, abs=1e-3))


def test_a_sequence_without_frames_is_refused(reel, film):
    film.range = (5, 5)
    with pytest.raises(Exception, match="has no frames") as caught:
        reel.frames(SEQUENCE)
    assert caught.value.code == "no_sequence"


# ---- taken back --------------------------------------------------------------------------------------


def test_painted_frames_become_an_image_sequence(reel, film, folder):
    path = reel.take_in(folder, 12, 24000 / 1001, "Flight")
    source = film.assets[path]
    assert path == f"{OUTPUT}/Flight"
    assert source.sequence_path.path == folder.as_posix(), "the folder of the first frame's file"
    (call,) = film.unreal.scripts.called("ImgMediaSource.set_sequence_path")
    assert call.arguments == (f"{folder.as_posix()}/frame_0012.png",)
    assert source.frame_rate_override == film.unreal.FrameRate(24000, 1001)
    player, texture = film.assets[f"{path}_Player"], film.assets[f"{path}_Texture"]
    assert texture.get_editor_property("media_player") is player
    assert player.loop
    assert [kind for kind, _ in film.unreal.scripts.transactions] == ["begin", "end"]


def test_frames_taken_back_again_renew_what_is_there(reel, film, folder):
    path = reel.take_in(folder, 1, 24.0, "Flight")
    source, count = film.assets[path], len(film.assets)
    other = folder / "other"
    assert reel.take_in(other, 1, 30.0, "Flight") == path
    assert film.assets[path] is source
    assert len(film.assets) == count
    assert source.sequence_path.path == other.as_posix()
    assert source.frame_rate_override == film.unreal.FrameRate(30, 1)


def test_a_content_folder_that_cannot_be_written_is_left_as_it_was(reel, film, folder):
    film.is_read_only = True
    before = dict(film.assets)
    with pytest.raises(Exception, match="cannot be written") as caught:
        reel.take_in(folder, 1, 24.0, "Flight")
    assert caught.value.code == "content_unwritable"
    assert film.assets == before


def test_something_else_of_that_name_is_not_touched(reel, film, folder):
    theirs = film.add_asset(film.unreal.Texture2D, f"{OUTPUT}/Flight_Player")
    with pytest.raises(Exception, match="Flight_Player is something else") as caught:
        reel.take_in(folder, 1, 24.0, "Flight")
    assert caught.value.code == "in_use"
    assert film.assets[f"{OUTPUT}/Flight_Player"] is theirs
    assert f"{OUTPUT}/Flight" not in film.assets, "what was made until then is gone again"


def test_a_name_that_assets_cannot_have_is_made_one(reel, film, folder):
    assert reel.take_in(folder, 1, 24.0, "My shot-2") == f"{OUTPUT}/My_shot_2"


# ---- all the way -------------------------------------------------------------------------------------


@pytest.fixture
def studio(plugin: Any, reel: Any, film: Film, tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    """A studio with this reel, connected to a daemon; the sequence is open in Sequencer."""
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    film.opened, film.stops_playing = film.sequence, True
    editor = PlainEditor(plugin, tmp_path)
    editor.reel = reel
    with running_daemon(tmp_path):
        made = plugin("core.studio").Studio(editor)
        made.choices.set_daemon("starts_daemon", False)
        made.choices.set("longest_side", 128)
        made.connect()
        wait(made, film, lambda: made.link.can_paint)
        yield made
        made.close()


def wait(studio: Any, film: Film, is_over: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_over():
        assert time.monotonic() < deadline, f"{studio.problem} {studio.notice} {studio.link.words}"
        film.tick()
        studio.tick()
        time.sleep(0.002)


def test_a_sequence_is_rendered_painted_and_taken_back(studio, film):
    studio.choices.set_value("steps", 1)
    studio.render_sequence()
    wait(studio, film, lambda: studio.sequence is None)
    assert studio.problem is None, studio.problem
    frames = studio.editor.saved_folder / "Sequences" / "Flight"
    assert sorted(file.name for file in frames.glob("frame_*.png")) == [
        "frame_-001.png",
        "frame_-002.png",
        "frame_0000.png",
        "frame_0001.png",
        "frame_0002.png",
    ]
    shot = json.loads((frames / "shot.json").read_text())
    values = shot["recipe"]["values"]
    assert (values["depth_near"], values["depth_far"]) == pytest.approx((8.0, 12.6)), (
        "the flat frames of this film have a range of 5 %"
    )
    assert studio.load_sequence() == f"{OUTPUT}/Flight"
    assert film.assets[f"{OUTPUT}/Flight"].sequence_path.path == frames.as_posix()
