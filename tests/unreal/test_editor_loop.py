"""The whole plugin in a scripted editor, connected to a real daemon with the built-in model."""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.packaging import stage_unreal

from ..blender.daemon import running_daemon
from .conftest import stub_or_skip
from .editing import with_console, with_meshes
from .fake import installed
from .stubs import NEWEST, OLDEST
from .world import World
from .world_ui import Screen

NAME = "framebridge_unreal"
PATIENCE_S = 90


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the engine puts on its Python's path."""
    return stage_unreal(tmp_path_factory.mktemp("plugin")) / "Content" / "Python"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def daemon(home: Path) -> Iterator[None]:
    with running_daemon(home):
        yield


class Editor:
    """An editor with the plugin in it, and an artist before it."""

    def __init__(self, world: World, plugin: Any) -> None:
        self.world, self.plugin, self.screen = world, plugin, Screen(world)

    @property
    def app(self) -> Any:
        return sys.modules[f"{NAME}.host.app"].running()

    @property
    def studio(self) -> Any:
        return self.app.studio

    def start(self) -> None:
        self.plugin("framebridge_unreal").start()
        self.studio.choices.set_daemon("starts_daemon", False)
        self.studio.choices.set("longest_side", 128)

    def open(self) -> None:
        self.plugin("framebridge_unreal").do("open")

    def wait(self, is_over: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not is_over():
            assert time.monotonic() < deadline, (self.studio.trouble, self.studio.notice, self.world.said())
            self.world.tick()
            time.sleep(0.002)

    def look(self) -> None:
        """Let the panel draw what has changed."""
        self.app._look_at = 0.0
        self.world.tick()

    def generate(self) -> Any:
        self.screen.click("Generate")
        self.wait(lambda: not self.studio.is_generating)
        self.look()
        assert self.studio.problem is None, self.studio.problem
        return self.app.editor.shelf.results()[0]


@pytest.fixture
def engine() -> str:
    return NEWEST


@pytest.fixture
def editor(
    python: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> Iterator[Editor]:
    stub_or_skip(engine)
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    monkeypatch.syspath_prepend(str(python))
    world = World(tmp_path / "Demo", engine)
    with_console(world)
    with_meshes(world)
    with installed(world.unreal):
        made = Editor(world, importlib.import_module)
        yield made
        if NAME in sys.modules:
            sys.modules[NAME].stop()
            _check_calls(world, importlib.import_module(f"{NAME}.api"))
        for name in [name for name in sys.modules if name.split(".")[0] in (NAME, "init_unreal")]:
            del sys.modules[name]


OURS = {"Actor.set_actor_location"}
"""What these tests call themselves."""


def _check_calls(world: World, api: Any) -> None:
    """See that every call of the plugin is one that its self-test looks for."""
    known = {
        f"{owner}.{name}"
        for part in (api.NEEDED, api.OPTIONAL)
        for owner, names in part.items()
        for name in names
    }
    called = {call.name for call in world.scripts.calls}
    assert called - known - OURS - set(api.NEEDED) == set()


@pytest.fixture
def connected(editor: Editor, daemon: None) -> Editor:
    editor.start()
    editor.open()
    editor.wait(lambda: editor.studio.link.can_paint)
    editor.studio.choices.set_value("steps", 2)
    editor.look()
    return editor


# ---- capture → stylise → texture → level --------------------------------------------------------


def test_a_picture_goes_from_the_level_to_the_content_browser_and_back(connected: Editor) -> None:
    world = connected.world
    before, selected = list(world.actors), list(world.selected)
    connected.screen.type("Prompt", "neon")
    kept = connected.generate()
    texture = world.assets.find(kept.asset)
    assert kept.asset.startswith("/Game/Framebridge/Results/")
    assert json.loads(kept.recipe)["values"]["prompt"] == "neon"
    tag = world.unreal.EditorAssetLibrary.get_metadata_tag
    assert str(tag(texture, "Framebridge.Seed")) == str(json.loads(kept.recipe)["values"]["seed"])
    assert "KSampler" in str(tag(texture, "Framebridge.Workflow"))
    assert kept.size == (128, 72), "the proportions of a viewport that does not tell its own"
    assert texture is not None
    assert kept.asset not in world.dirty, "it is saved"
    left = [actor for actor in world.actors if actor not in before]
    assert [type(actor).__name__ for actor in left] == ["PostProcessVolume"], (
        "the layer over the viewport, no more"
    )
    assert world.selected == selected
    assert list((world.folder / "Saved/Framebridge/Capture").iterdir()) == []
    assert connected.screen.all("Image")[0]._texture is texture


def test_one_undo_takes_the_result_out_of_the_level(connected: Editor) -> None:
    connected.studio.choices.set("to_plate", True)
    before = list(connected.world.actors)
    connected.generate()
    assert len(connected.world.actors) > len(before)
    assert connected.world.undo() == "Framebridge Result"
    assert connected.world.actors == before


def test_a_result_is_projected_blended_and_taken_off(connected: Editor) -> None:
    connected.generate()
    connected.plugin("framebridge_unreal").do("project")
    assert connected.studio.problem is None, connected.studio.problem
    assert connected.studio.notice.startswith("Painted")
    assert len(connected.app.editor.stage.views()) == 1
    connected.world.viewport = ((0.0, -500.0, 200.0), (0.0, -20.0, 90.0))
    connected.generate()
    connected.plugin("framebridge_unreal").do("project")
    assert len(connected.app.editor.stage.views()) == 2
    connected.plugin("framebridge_unreal").do("remove_projection")
    assert connected.app.editor.stage.views() == []


def test_another_level_meanwhile_gets_nothing(connected: Editor) -> None:
    connected.screen.click("Generate")
    connected.world.open_map("/Game/Maps/Other")
    connected.wait(lambda: not connected.studio.is_generating)
    assert connected.world.actors == []
    assert connected.app.editor.shelf.results()
    assert "content browser" in connected.studio.notice


def test_settings_of_a_result_are_used_again(connected: Editor) -> None:
    connected.screen.type("Prompt", "blueprint")
    connected.generate()
    connected.screen.type("Prompt", "clay")
    connected.look()
    connected.screen.click("Use These Settings Again")
    connected.look()
    assert connected.screen.field("Prompt")._text == "blueprint"


def test_diagnose_is_good_and_leaves_nothing(connected: Editor) -> None:
    connected.plugin("framebridge_unreal").do("diagnose")
    connected.wait(lambda: connected.studio.diagnosis.is_over)
    assert connected.studio.diagnosis.broken is None, connected.studio.diagnosis.broken
    assert connected.app.editor.shelf.results() == []


def test_masks_number_the_selected_actors(connected: Editor) -> None:
    labels = [actor._label for actor in connected.world.actors if type(actor).__name__ == "StaticMeshActor"]
    connected.world.select(*labels[:2])
    connected.studio.choices.set("masks", True)
    connected.generate()


# ---- live ----------------------------------------------------------------------------------------


def test_live_follows_camera_and_actors_and_survives_a_level(connected: Editor) -> None:
    connected.screen.click("Live")
    live = connected.studio.live

    def next_picture() -> Any:
        last = live.picture
        connected.wait(lambda: live.picture is not last)
        return live.picture[0]

    first = next_picture()
    connected.world.viewport = ((-400.0, 100.0, 300.0), (0.0, -30.0, 0.0))
    second = next_picture()
    assert bytes(first.data) != bytes(second.data)
    sphere = next(actor for actor in connected.world.actors if type(actor).__name__ == "StaticMeshActor")
    connected.world.select(sphere._label)
    connected.wait(lambda: live._stream.is_current)
    sphere.set_actor_location(connected.world.unreal.Vector(50.0, 50.0, 50.0), False, False)
    next_picture()
    connected.world.open_map("/Game/Maps/Other")
    connected.world.level.furnish()
    next_picture()
    connected.look()
    connected.screen.click("Keep")
    assert len(connected.app.editor.shelf.results()) == 1
    connected.look()
    connected.screen.click("Stop Live")
    assert connected.studio.live is None


def test_the_editors_end_is_the_plugins_end(connected: Editor) -> None:
    connected.screen.click("Live")
    connected.wait(lambda: connected.studio.live.picture is not None)
    began = time.monotonic()
    connected.world.scripts.shut_down()
    assert time.monotonic() - began < 2.0
    assert connected.studio.link.session is None


def test_a_daemon_killed_and_restarted_costs_a_moment(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "home"
    own.mkdir()
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(own))
    editor.start()
    editor.open()
    with running_daemon(own) as process:
        editor.studio.connect()
        editor.wait(lambda: editor.studio.link.can_paint)
        editor.look()
        editor.generate()
        process.kill()
        process.wait()
        editor.wait(lambda: not editor.studio.link.is_connected)
        editor.look()
        assert any("onnection" in text or "daemon" in text for text in editor.screen.texts())
        (own / "daemon.json").unlink()
    with running_daemon(own):
        editor.wait(lambda: editor.studio.link.can_paint)
        editor.look()
        editor.generate()
    assert len(editor.app.editor.shelf.results()) == 2


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"has_no_level": True}, "no_level"),
        ({"is_playing": True}, "no_level"),
        ({"has_no_viewport": True}, "no_viewport"),
        ({"refuses_render_targets": True}, "capture_failed"),
        ({"exports_nothing": True}, "capture_failed"),
        ({"exports_png_always": True}, "capture_failed"),
        ({"refuses_spawns": True}, "spawn_failed"),
        ({"exports_channels": ("A",)}, "bad_image"),
        ({"has_readonly_content": True}, "content_unwritable"),
        ({"refuses_imports": True}, "import_failed"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_nothing(
    connected: Editor, fault: dict[str, Any], code: str
) -> None:
    world = connected.world
    before = list(world.actors)
    for name, value in fault.items():
        setattr(world.faults, name, value)
    connected.screen.click("Generate")
    connected.wait(lambda: not connected.studio.is_generating)
    assert connected.studio.problem is not None
    assert connected.studio.problem.code == code, connected.studio.problem
    assert connected.studio.problem.hint
    assert any("[Framebridge]" in line for line in world.said() + world.said("log"))
    for name in fault:
        setattr(world.faults, name, getattr(type(world.faults)(), name))
    assert world.actors == before
    connected.studio.dismiss()
    connected.look()
    connected.generate()


def test_a_camera_deleted_while_live_is_told_and_another_is_taken(connected: Editor) -> None:
    world = connected.world
    camera = next(actor for actor in world.actors if "Camera" in type(actor).__name__)
    connected.studio.choices.set("source", "Camera")
    connected.studio.choices.set("camera", camera._label)
    connected.screen.click("Live")
    connected.wait(lambda: connected.studio.live.picture is not None)
    world.subsystem(world.unreal.EditorActorSubsystem).destroy_actor(camera)
    connected.wait(lambda: connected.studio.trouble is not None)
    assert connected.studio.trouble.code == "no_camera"
    connected.studio.choices.set("source", "Viewport")
    last = connected.studio.live.picture
    connected.wait(lambda: connected.studio.live.picture is not last)


def test_a_name_that_is_taken_is_left_alone(connected: Editor) -> None:
    first = connected.generate()
    taken = first.asset[:-4] + f"{int(first.asset[-4:]) + 1:04}"
    foreign = connected.world.assets.add(taken, connected.world.unreal.StaticMesh)
    second = connected.generate()
    assert second.asset not in (first.asset, taken)
    assert connected.world.assets.find(taken) is foreign


# ---- the panel -------------------------------------------------------------------------------------


def test_the_panel_follows_and_leads(connected: Editor) -> None:
    screen = connected.screen
    screen.type("Prompt", "clay")
    screen.drag("Size", 256)
    screen.choose("Seed Mode", "Random")
    screen.tick("Own Size", True)
    connected.look()
    choices = connected.studio.choices
    assert choices.recipe.values["prompt"] == "clay"
    assert (choices["longest_side"], choices["seed_mode"], choices["has_own_size"]) == (256, "RANDOM", True)
    assert screen.field("Width")._number == 512.0
    screen.click("▾ Capture")
    connected.look()
    assert "Width" not in screen.texts()
    screen.click("▸ Capture")
    connected.look()
    assert "Width" in screen.texts()


def test_a_field_that_is_typed_in_is_left_alone(connected: Editor) -> None:
    field = connected.screen.field("Prompt")
    connected.screen.focused = field
    field._text = "half a wo"
    connected.studio.choices.set_value("prompt", "from elsewhere")
    connected.look()
    assert connected.screen.field("Prompt") is field
    assert field._text == "half a wo"
    connected.screen.focused = None
    connected.studio.choices.set_value("steps", 3)
    connected.look()
    assert field._text == "from elsewhere"


def test_what_has_not_changed_is_not_drawn_again(connected: Editor) -> None:
    connected.wait(lambda: connected.studio.negatives.found)  # the last that the daemon tells by itself
    connected.look()
    before = len(connected.world.scripts.calls)
    connected.look()
    connected.look()
    drawn = [call.name for call in connected.world.scripts.calls[before:] if "set_" in call.name]
    assert drawn == []


def test_a_large_seed_is_typed_to_the_last_digit(connected: Editor) -> None:
    connected.screen.type("Seed", "2147483646")
    assert connected.studio.choices.recipe.values["seed"] == 2147483646
    connected.screen.type("Seed", "many")
    assert connected.studio.problem.code == "bad_value"


def test_a_closed_tab_is_opened_again(connected: Editor) -> None:
    connected.screen.close_tab()
    connected.look()
    connected.open()
    connected.look()
    assert "Generate" in connected.screen.texts()
    assert connected.world.said() == []


def test_a_tab_of_the_editors_last_time_is_drawn_in(connected: Editor) -> None:
    widget = connected.screen.widget
    connected.plugin("framebridge_unreal").stop()
    connected.screen.tabs["Tab_Panel"] = widget
    widget._root._children.clear()
    connected.start()
    connected.look()
    assert "Generate" in connected.screen.texts()


def test_a_change_of_level_gives_the_tab_a_new_widget_which_is_drawn_in(connected: Editor) -> None:
    (tab,) = connected.screen.tabs
    old = connected.screen.tabs.pop(tab)
    blueprint = connected.world.assets.find("/Game/Framebridge/Panel")
    subsystem = connected.world.subsystem(connected.world.unreal.EditorUtilitySubsystem)
    subsystem.spawn_and_register_tab_and_get_id(blueprint)
    assert connected.screen.widget is not old
    connected.look()
    assert "Generate" in connected.screen.texts()


def test_captures_are_no_steps_of_undo(connected: Editor) -> None:
    connected.generate()
    words = [words for words, _ in connected.world.history]
    assert words == ["Framebridge Result"]


def test_a_tick_within_a_tick_does_nothing(connected: Editor) -> None:
    depth = []

    def tick_again() -> None:
        depth.append(len(depth))
        assert len(depth) < 3
        connected.app.tick(0.0)

    connected.studio.tick = tick_again
    connected.app.tick(0.0)
    assert depth == [0]


def test_menu_and_toolbar_lead_to_the_plugin(connected: Editor) -> None:
    entries = connected.screen.entries("LevelEditor.MainMenu.Framebridge")
    labels = [entry._label for entry in entries]
    assert labels[:2] == ["Open Panel", "Generate"]
    assert all(entry._tip for entry in entries)
    assert len(connected.screen.entries("LevelEditor.LevelEditorToolBar.User")) == 1
    for entry in entries[:1]:
        exec(entry._command, {})
    assert connected.screen.opened >= 2


def test_starting_twice_is_starting_once(connected: Editor) -> None:
    entries = len(connected.screen.entries("LevelEditor.MainMenu.Framebridge"))
    connected.start()
    assert len(connected.screen.entries("LevelEditor.MainMenu.Framebridge")) == entries
    assert len(connected.world.scripts.ticks) == 1
    assert len(connected.world.scripts.shutdowns) == 1
    connected.plugin("framebridge_unreal").stop()
    assert not connected.world.scripts.ticks
    assert connected.screen.entries("LevelEditor.MainMenu.Framebridge") == []


def test_unattended_there_is_no_panel_and_no_dialog(editor: Editor, daemon: None) -> None:
    editor.world.faults.is_unattended = True
    editor.start()
    assert editor.screen.entries("LevelEditor.MainMenu.Framebridge") == []
    editor.world.faults.has_no_level = True
    editor.plugin("framebridge_unreal").do("generate")
    assert editor.world.dialogs.shown == []
    assert any("no level" in line for line in editor.world.said())


# ---- start-up ----------------------------------------------------------------------------------------


def test_the_engines_script_starts_it(editor: Editor) -> None:
    editor.plugin("init_unreal")
    assert editor.app is not None
    assert editor.world.said() == []


@pytest.mark.parametrize("version", ["9.1", "nonsense"])
def test_a_websockets_of_another_plugin_is_told_and_the_editor_starts(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    import websockets.version

    monkeypatch.setattr(websockets.version, "version", version)
    editor.plugin("init_unreal")
    assert any(
        f"websockets {version}" in line and "update or disable" in line for line in editor.world.said()
    )
    assert not editor.world.scripts.ticks


def test_an_old_python_is_told_and_the_editor_starts(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = importlib.import_module("framebridge_unreal.requirements")
    monkeypatch.setattr(requirements, "PYTHON", (9, 9))
    with pytest.raises(ImportError, match="Unreal 5"):
        requirements.check()


# ---- older engines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [OLDEST])
def test_an_engine_without_scripted_widgets_has_a_dialog(editor: Editor, daemon: None, engine: str) -> None:
    editor.start()
    editor.studio.connect()
    editor.wait(lambda: editor.studio.link.can_paint)
    edited: dict[str, Any] = {}

    def edit(form: Any) -> bool:
        edited["names"] = sorted(type(form)._members)
        form.set_editor_property("control_prompt_value", "clay")
        form.set_editor_property("setting_longest_side_value", 96)
        form.set_editor_property("setting_source_value", "Camra")
        return True

    editor.world.dialogs.edit = edit
    editor.open()
    choices = editor.studio.choices
    assert (choices.recipe.values["prompt"], choices["longest_side"]) == ("clay", 96)
    assert choices["source"] == "Viewport"
    assert editor.world.dialogs.shown[-1][1].endswith("Did you mean 'Camera'?")
    editor.world.dialogs.edit = lambda form: bool(form.set_editor_property("control_prompt_value", "lost"))
    editor.open()
    assert choices.recipe.values["prompt"] == "clay", "the dialog was cancelled"
    editor.plugin("framebridge_unreal").do("generate")
    editor.wait(lambda: not editor.studio.is_generating)
    assert editor.app.editor.shelf.results()


# ---- the self-test -------------------------------------------------------------------------------------


def test_the_selftest_is_good_and_leaves_nothing(connected: Editor) -> None:
    before, assets = list(connected.world.actors), len(connected.app.editor.shelf.results())
    found = connected.plugin("framebridge_unreal.selftest").run()
    assert {name: words for name, words in found.items() if not words.startswith("ok")} == {}
    assert connected.world.actors == before
    assert len(connected.app.editor.shelf.results()) == assets


def test_the_selftest_tells_what_is_broken(connected: Editor) -> None:
    connected.world.faults.refuses_render_targets = True
    found = connected.plugin("framebridge_unreal.selftest").run()
    assert "capture_failed" in found["capture"]
    assert found["import"].startswith("ok")
    assert any("capture" in line and "FAILED" in line for line in connected.world.said())


def test_pictures_are_what_the_level_shows(connected: Editor) -> None:
    """The captured colour, as the daemon gets it, is not black and not one colour."""
    eye = connected.app.editor.eye
    files = eye.capture(eye.view(connected.studio.choices.look))
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(files.color)))[..., :3]
    assert pixels.std() > 5
