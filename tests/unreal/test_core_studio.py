"""The studio of an editor, without one, connected to a real daemon with the built-in model."""

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ..blender.daemon import running_daemon
from .plain import PlainEditor
from .staged import import_core

PATIENCE_S = 90


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    return import_core(tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def daemon(home: Path) -> Iterator[None]:
    with running_daemon(home):
        yield


@pytest.fixture
def editor(core: Any, tmp_path: Path) -> PlainEditor:
    return PlainEditor(core, tmp_path)


@pytest.fixture
def studio(core: Any, editor: PlainEditor, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    made = core("core.studio").Studio(editor)
    made.choices.set_daemon("starts_daemon", False)
    made.choices.set("longest_side", 128)
    yield made
    made.close()


@pytest.fixture
def connected(studio: Any, daemon: None) -> Any:
    studio.connect()
    wait(studio, lambda: studio.link.can_paint)
    studio.choices.set_value("steps", 2)
    return studio


def wait(studio: Any, is_over: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not is_over():
        assert time.monotonic() < deadline, (
            f"waited in vain: {studio.trouble} {studio.notice} {studio.link.words}"
        )
        studio.tick()
        time.sleep(0.002)


def generated(studio: Any) -> Any:
    studio.generate()
    wait(studio, lambda: not studio.is_generating)
    return studio.editor.shelf.results()[0] if studio.editor.shelf.results() else None


# ---- pictures ------------------------------------------------------------------------------------


def test_a_dynamic_prompt_is_kept_as_it_was_drawn(connected):
    connected.choices.set_value("prompt", "{clay|clay} night")
    kept = generated(connected)
    recipe = json.loads(kept.recipe)
    assert recipe["values"]["prompt"] == "clay night"
    assert recipe["templates"] == {"prompt": "{clay|clay} night"}
    assert connected.book.prompts[0] == "{clay|clay} night"


def test_a_picture_is_kept_with_what_it_was_made_of_and_placed(connected):
    connected.choices.set_value("prompt", "neon")
    connected.choices.set_value("seed", 7)
    kept = generated(connected)
    assert connected.problem is None
    assert kept.size == (128, 96)
    recipe = json.loads(kept.recipe)
    assert (recipe["values"]["prompt"], recipe["values"]["seed"]) == ("neon", 7)
    assert (recipe["values"]["width"], recipe["values"]["height"]) == (128, 96)
    picture = Image.open(io.BytesIO(connected.editor.shelf.picture(kept.asset)))
    assert json.loads(picture.text["framebridge"]) == recipe
    assert json.loads(kept.view)["width"] == 128
    assert connected.editor.stage.calls == [("show_blend", kept.asset, 1.0, 0.0), ("veil", False)]
    assert connected.editor.transactions == ["Framebridge Result"]
    assert connected.chosen == kept.asset
    assert connected.spent[0] == kept.asset
    assert " s" in connected.spent[1]


def test_the_same_is_made_again_and_a_prompt_changes_it(connected):
    connected.choices.set_value("prompt", "neon")
    shelf = connected.editor.shelf
    first, again = (shelf.picture(generated(connected).asset) for _ in range(2))
    connected.choices.set_value("prompt", "clay")
    other = shelf.picture(generated(connected).asset)
    pixels = [Image.open(io.BytesIO(png)).tobytes() for png in (first, again, other)]
    assert pixels[0] == pixels[1] != pixels[2]


def test_results_go_where_the_settings_say(connected):
    for name, wanted in (("to_blend", False), ("to_plate", True), ("to_decal", True)):
        connected.choices.set(name, wanted)
    kept = generated(connected)
    assert [(call[0], call[1]) for call in connected.editor.stage.calls] == [
        ("show_plate", kept.asset),
        ("show_decal", kept.asset),
    ]


def test_another_level_gets_no_plate_of_the_first(connected):
    connected.generate()
    connected.editor.eye.path = "/Game/Maps/Other.Other"
    wait(connected, lambda: not connected.is_generating)
    assert connected.editor.shelf.results()
    assert connected.editor.stage.calls == []
    assert "level" in connected.notice


def test_cancel_ends_it_without_a_result(connected):
    connected.choices.set_value("steps", 30)
    connected.generate()
    wait(connected, lambda: connected.progress[0] > 0)
    connected.cancel()
    wait(connected, lambda: not connected.is_generating, 20)
    assert connected.notice == "Cancelled"
    assert not connected.editor.shelf.results()


def test_a_preview_is_shown_meanwhile_and_gone_afterwards(connected):
    connected.choices.set_value("steps", 12)
    connected.generate()
    seen = []
    wait(connected, lambda: seen.append(connected.gallery.item("preview")) or not connected.is_generating)
    assert any(item is not None for item in seen)
    assert connected.gallery.item("preview") is None


def test_seeds_stay_count_up_or_are_drawn(connected):
    connected.choices.set_value("seed", 5)
    seeds = []
    for mode in ("FIXED", "INCREMENT", "FIXED", "RANDOM"):
        connected.choices.set("seed_mode", mode)
        seeds.append(json.loads(generated(connected).recipe)["values"]["seed"])
    assert seeds[:3] == [5, 5, 6]
    assert seeds[3] != 6


def test_a_full_content_folder_is_told_and_the_next_picture_works(connected, core):
    error = core("_bridge.errors").BridgeError
    connected.editor.shelf.fault = error(
        "/Game cannot be written", code="content_unwritable", hint="Check out."
    )
    generated(connected)
    assert connected.problem.code == "content_unwritable"
    assert [problem.code for problem in connected.editor.warned] == ["content_unwritable"], "once"
    connected.editor.shelf.fault = None
    assert generated(connected) is not None
    assert connected.problem is None


def test_what_nobody_expected_is_logged_and_told_in_a_sentence(connected, home):
    connected.editor.shelf.fault = RuntimeError("the engine said no")
    generated(connected)
    assert connected.problem.code == "internal_error"
    assert "plugin" in connected.problem.message
    assert "the engine said no" in (home / "unreal.log").read_text()


def test_normals_are_captured_where_a_unit_wants_them(connected):
    edges = next(unit for unit in connected.choices.preset.units if unit.map == "edges")
    for is_used in (False, True):
        connected.choices.use(edges.name, is_used)
        generated(connected)
    assert [bool(passes) for _, passes in connected.editor.eye.captures] == [False, True]


# ---- results -------------------------------------------------------------------------------------


def test_settings_are_used_again(connected):
    connected.choices.set_value("prompt", "blueprint")
    kept = generated(connected)
    connected.choices.set_value("prompt", "something else")
    connected.chosen = kept.asset
    connected.use_again()
    assert connected.choices.value(connected.choices.preset, "prompt") == "blueprint"
    assert connected.notice == ""


def test_a_result_is_projected_with_the_depth_of_its_view(connected):
    kept = generated(connected)
    connected.project()
    name, asset, files, actors, strength = connected.editor.stage.calls[-1]
    assert (name, asset, actors, strength) == ("project", kept.asset, (), 1.0)
    assert files.view.width == 128
    assert connected.notice == "Painted 3 components"


def test_a_deleted_result_is_none_any_more(connected, core):
    generated(connected)
    connected.delete_result()
    with pytest.raises(core("_bridge.errors").BridgeError) as caught:
        connected.show_result()
    assert caught.value.code == "no_result"


# ---- maps, Diagnose --------------------------------------------------------------------------------


def test_control_maps_are_shown(connected):
    connected.show_maps()
    wait(connected, lambda: not connected.is_mapping)
    for name in ("depth", "canny", "normal", "edges"):
        with Image.open(connected.gallery.item(name).path) as picture:
            assert picture.size == (128, 96), name
            assert any(low < high for low, high in picture.getextrema()), name


def test_diagnose_goes_through_every_link_and_leaves_nothing(connected):
    connected.diagnose()
    wait(connected, lambda: connected.diagnosis.is_over)
    assert [step.state for step in connected.diagnosis.steps] == ["good"] * 6, connected.diagnosis.broken
    assert connected.editor.shelf.results() == []


def test_diagnose_names_the_link_that_breaks(connected, core):
    error = core("_bridge.errors").BridgeError
    connected.editor.eye.fault = error("there is no level to look at", code="no_level", hint="Open one.")
    connected.diagnose()
    wait(connected, lambda: connected.diagnosis.is_over)
    assert connected.diagnosis.broken.name == "Capture"
    assert connected.diagnosis.broken.problem.hint == "Open one."


# ---- live ------------------------------------------------------------------------------------------


def next_live(studio: Any) -> Any:
    before = studio.live.picture
    wait(studio, lambda: studio.live.picture is not before)
    return studio.live.picture


def test_live_paints_what_changes_and_nothing_else(connected):
    connected.start_live()
    next_live(connected)
    captures = len(connected.editor.eye.captures)
    settled = time.monotonic() + 1.0
    wait(connected, lambda: time.monotonic() > settled)
    assert len(connected.editor.eye.captures) == captures
    connected.editor.eye.changes += 1
    next_live(connected)
    assert len(connected.editor.eye.captures) == captures + 1
    asset = connected.keep_live()
    assert connected.editor.shelf.results()[0].asset == asset
    connected.stop_live()
    assert connected.gallery.item("live") is None


def test_live_outlives_a_level_that_closes(connected, core):
    connected.start_live()
    next_live(connected)
    error = core("_bridge.errors").BridgeError
    connected.editor.eye.fault = error("there is no level to look at", code="no_level", hint="Open a level.")
    wait(connected, lambda: connected.trouble is not None)
    assert connected.trouble.code == "no_level"
    connected.editor.eye.fault, connected.editor.eye.path = None, "/Game/Maps/Next.Next"
    next_live(connected)
    wait(connected, lambda: connected.trouble is None)


def test_live_outlives_the_daemon(core, editor, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    studio = core("core.studio").Studio(editor)
    studio.choices.set_daemon("starts_daemon", False)
    studio.choices.set("longest_side", 128)
    with contextlib.closing(studio):
        with running_daemon(home) as daemon:
            studio.connect()
            wait(studio, lambda: studio.link.can_paint)
            studio.start_live()
            next_live(studio)
            daemon.kill()
            daemon.wait()
            wait(studio, lambda: not studio.link.is_connected)
            (home / "daemon.json").unlink()
        with running_daemon(home):
            next_live(studio)


# ---- connection --------------------------------------------------------------------------------------


def test_without_a_daemon_the_reason_is_told(studio, home, monkeypatch, tmp_path):
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "empty"))
    studio.generate()
    wait(studio, lambda: not studio.is_generating or studio.link.session.status.problem is not None, 30)
    assert studio.link.words in ("The daemon is not running", "Trying to connect again…", "Connecting…")
    studio.cancel()
    assert not studio.is_generating


def test_closing_takes_a_second_at_most(connected):
    connected.start_live()
    next_live(connected)
    connected.generate()
    began = time.monotonic()
    connected.close()
    assert time.monotonic() - began < 2.0


# ---- as the engine has it ------------------------------------------------------------------------


def test_a_picture_waits_for_the_end_of_play(connected):
    connected.generate()
    connected.editor.is_playing = True
    wait(connected, lambda: connected.progress == (1.0, "Waiting for Play In Editor to end"))
    assert connected.editor.shelf.results() == []
    connected.editor.is_playing = False
    wait(connected, lambda: not connected.is_generating)
    assert len(connected.editor.shelf.results()) == 1


def test_a_picture_that_waits_can_be_given_up(connected):
    connected.generate()
    connected.editor.is_playing = True
    wait(connected, lambda: connected.progress[0] == 1.0)
    connected.cancel()
    connected.editor.is_playing = False
    assert not connected.is_generating
    assert connected.editor.shelf.results() == []


def test_the_layer_goes_when_the_view_is_turned_and_comes_back(connected):
    generated(connected)
    eye, stage = connected.editor.eye, connected.editor.stage
    eye.yaw = 30.0
    wait(connected, lambda: stage.calls[-1] == ("veil", True), 5)
    eye.yaw = 0.0
    wait(connected, lambda: stage.calls[-1] == ("veil", False), 5)
    connected.hide_layer()
    eye.yaw = 30.0
    soon = time.monotonic() + 0.5
    wait(connected, lambda: time.monotonic() > soon)
    assert stage.calls[-1] == ("hide_blend",)


def test_the_layer_keeps_its_state_when_it_is_shown_again_or_mixed(connected):
    generated(connected)
    eye, stage = connected.editor.eye, connected.editor.stage
    eye.yaw = 30.0
    wait(connected, lambda: stage.calls[-1] == ("veil", True), 5)
    connected.mix()
    assert [call[0] for call in stage.calls[-2:]] == ["show_blend", "veil"]
    assert stage.calls[-1] == ("veil", True)
    connected.show_result()
    assert stage.calls[-1] == ("veil", False)
    connected.hide_layer()
    connected.mix()
    assert stage.calls[-1] == ("hide_blend",)


def test_only_selected_actors_are_painted_and_none_is_told(connected, core):
    generated(connected)
    with pytest.raises(core("_bridge.errors").BridgeError) as caught:
        connected.project(only_selected=True)
    assert caught.value.code == "no_selection"
    connected.editor.eye.chosen = ["Ball"]
    connected.project(only_selected=True)
    assert connected.editor.stage.calls[-1][3] == connected.editor.eye.selected_paths()
