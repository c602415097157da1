"""Planted mistakes: each is found, by the type check or by the imitation when the plugin runs.

Without this, a check that sees nothing would look like a plugin without mistakes.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .checking import check, cut_for, stage
from .conftest import stub_or_skip
from .editing import with_meshes
from .facts import Contract, Stub
from .fake import installed
from .plain import png_file
from .stubs import NEWEST
from .world import World

PACKAGE = "framebridge_mutant"
SIZE = (64, 48)


@dataclass(frozen=True)
class Mistake:
    """One mistake, and what finds it: words of mypy, or the type of what is raised."""

    what: str
    file: str
    old: str
    new: str
    words: str = ""
    raised: str = ""


TYPED = (
    Mistake(
        "wrong class",
        "host/shelf.py",
        "isinstance(found, unreal.Texture2D):\n            raise",
        "isinstance(found, unreal.TextureTwoD):\n            raise",
        "has no attribute",
    ),
    Mistake(
        "wrong method",
        "host/level.py",
        "subsystem.destroy_actor(actor)",
        "subsystem.remove_actor(actor)",
        "has no attribute",
    ),
    Mistake(
        "an argument too few",
        "host/thrown.py",
        "component.set_material(0, look)",
        "component.set_material(look)",
        "Missing positional argument",
    ),
    Mistake(
        "an argument too many",
        "host/thrown.py",
        "actor.set_decal_material(look)",
        "actor.set_decal_material(look, 0)",
        "Too many arguments",
    ),
    Mistake(
        "wrong entry of an enum",
        "host/drawing.py",
        "unreal.CameraProjectionMode.ORTHOGRAPHIC",
        "unreal.CameraProjectionMode.ORTHO",
        "has no attribute",
    ),
    Mistake(
        "nothing is not expected",
        "host/viewpoint.py",
        "    if seen is None:\n",
        "    if field_of_view < 0:\n",
        "object is not iterable",
    ),
    Mistake(
        "wrong type of a property",
        "host/rendering.py",
        "output.override_existing_output = True",
        'output.override_existing_output = "yes"',
        "Incompatible types in assignment",
    ),
    Mistake(
        "a property that is read only",
        "host/drawing.py",
        "        if target is None:\n            raise _failed",
        "        target.size_x = 8\n        if target is None:\n            raise _failed",
        "read-only",
    ),
    Mistake(
        "wrong keyword",
        "host/drawing.py",
        "unreal.WeightedBlendable(weight=1.0, object=material)",
        "unreal.WeightedBlendable(weight=1.0, material=material)",
        "Unexpected keyword argument",
    ),
    Mistake(
        "wrong use of what is returned",
        "host/level.py",
        "return str(open_world().get_path_name())",
        "return str(open_world().get_path_name().get_name())",
        "has no attribute",
    ),
    Mistake(
        "unknown function",
        "host/level.py",
        "found = unreal.get_editor_subsystem(kind)",
        "found = unreal.find_editor_subsystem(kind)",
        "has no attribute",
    ),
    Mistake(
        "wrong subsystem",
        "host/level.py",
        "service(unreal.UnrealEditorSubsystem).get_editor_world()",
        "service(unreal.LevelEditorSubsystem).get_editor_world()",
        "has no attribute",
    ),
    Mistake(
        "a word for an enum",
        "host/thrown.py",
        "unreal.CollisionEnabled.NO_COLLISION",
        '"NO_COLLISION"',
        "incompatible type",
    ),
    Mistake(
        "a class that is not of the kind",
        "host/eye.py",
        "unreal.SceneCaptureSource\n",
        "unreal.TextureRenderTargetFormat\n",
        "has no attribute",
    ),
)

RUN = (
    Mistake(
        "unknown editor property",
        "host/drawing.py",
        '"capture_on_movement"',
        '"capture_on_move"',
        raised="Failed to find property",
    ),
    Mistake(
        "a word for a number, as editor property",
        "host/drawing.py",
        'component.set_editor_property("fov_angle", view.field_of_view)',
        'component.set_editor_property("fov_angle", "90")',
        raised="Cannot nativize 'str'",
    ),
    Mistake(
        "a word for an enum, as editor property",
        "host/materials.py",
        '"blend_mode": unreal.BlendMode.BLEND_TRANSLUCENT,\n    },\n    is_matt=True',
        '"blend_mode": "BLEND_TRANSLUCENT",\n    },\n    is_matt=True',
        raised="Cannot nativize 'str'",
    ),
    Mistake(
        "a format that is exported as PNG",
        "host/eye.py",
        "unreal.TextureRenderTargetFormat.RTF_RGBA16F",
        "unreal.TextureRenderTargetFormat.RTF_RGBA32F",
        raised="did not import",
    ),
    Mistake(
        "an input that an expression does not have",
        "host/materials.py",
        'self.wire(one, expression, "A")',
        'self.wire(one, expression, "Input")',
        raised="was not connected",
    ),
    Mistake(
        "an actor that stays",
        "host/drawing.py",
        "undo.callback(destroy, [actor])",
        "undo.callback(destroy, [])",
        raised="is left in the level",
    ),
    Mistake(
        "a render target that stays",
        "host/drawing.py",
        "            unreal.RenderingLibrary.release_render_target2d(target)",
        "            pass",
        raised="is left on the card",
    ),
    Mistake(
        "axes in another order",
        "host/drawing.py",
        "unreal.Rotator(roll, pitch, yaw)",
        "unreal.Rotator(pitch, yaw, roll)",
        raised="looks elsewhere",
    ),
)


def plant(package: Path, mistake: Mistake) -> None:
    """Make a mistake in a copy of the plugin."""
    file = package / mistake.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mistake.old) == 1, (
        f"{mistake.what}: {mistake.old!r} is there {text.count(mistake.old)}×"
    )
    file.write_text(text.replace(mistake.old, mistake.new), encoding="utf-8")


# ---- what types tell -----------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", TYPED, ids=lambda mistake: mistake.what)
def test_type_check_finds_it(tmp_path: Path, mistake: Mistake, cache: Path) -> None:
    stub_or_skip(NEWEST)
    package = stage(tmp_path)
    plant(package, mistake)
    cut_for(package, NEWEST, tmp_path / "typings")
    found = check(package, tmp_path / "typings", cache)
    assert any(one.file == mistake.file and mistake.words in one.words for one in found), f"{found}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy keeps from one run to the next."""
    return tmp_path_factory.mktemp("cache")


# ---- what a run tells ----------------------------------------------------------------------------


def use(plugin: Callable[[str], Any], world: World, folder: Path) -> None:
    """Capture, keep and show, and see that all is as it should be."""
    editor, before = plugin("core.editor"), list(world.actors)
    eye = plugin("host.eye").UnrealEye(folder)
    world.select("Ball")
    view = eye.view(editor.Source(size=SIZE))
    passes = frozenset({editor.NORMAL, editor.OBJECT_ID, editor.BASE_COLOR})
    files = eye.capture(view, passes)
    assert world.actors == before, "something is left in the level"
    assert not world.drawing.targets, "a render target is left on the card"
    looked = world.scripts.called("EditorActorSubsystem.spawn_actor_from_class")[0]
    turn = looked.arguments[2]
    assert (turn.roll, turn.pitch, turn.yaw) == pytest.approx(view.rotation, abs=1e-6), "it looks elsewhere"
    shelf = plugin("host.shelf").UnrealShelf(folder / "results")
    stage_ = plugin("host.stage").UnrealStage(shelf, folder)
    asset = shelf.keep(png_file(*SIZE, 1), "recipe", view.to_json(), "workflow")
    stage_.show_plate(asset, view)
    stage_.show_decal(asset, view)
    assert stage_.project(asset, files) > 0
    stage_.clear()


def run(tmp_path: Path, known: Contract, mistake: Mistake | None) -> None:
    package = stage(tmp_path)
    if mistake:
        plant(package, mistake)
    world = World(tmp_path / "project", known=known)
    with_meshes(world)
    root = sys.modules[PACKAGE] = ModuleType(PACKAGE)
    root.__path__ = [str(package)]
    try:
        with installed(world.unreal):
            use(lambda name: importlib.import_module(f"{PACKAGE}.{name}"), world, tmp_path / "captures")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]


def test_plugin_as_it_is_runs(tmp_path: Path, newest_stub: Stub) -> None:
    run(tmp_path, newest_stub, None)


@pytest.mark.parametrize("mistake", RUN, ids=lambda mistake: mistake.what)
def test_run_finds_it(tmp_path: Path, newest_stub: Stub, mistake: Mistake) -> None:
    with pytest.raises((Exception, AssertionError)) as caught:
        run(tmp_path, newest_stub, mistake)
    assert mistake.raised in str(caught.value)
