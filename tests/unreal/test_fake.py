"""The fake refuses what the engine refuses, so that a mistake in the plugin cannot pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from . import fake as fake_module
from .conftest import stub_or_skip
from .facts import Stub, Written, write
from .fake import ContractMissing, FakeUnreal, contract, installed
from .scripts import NotScripted
from .stubs import OLDEST, Unavailable


@pytest.fixture
def unreal(newest_stub: Stub) -> FakeUnreal:
    return FakeUnreal(newest_stub)


def refused(unreal: FakeUnreal, text: str) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        exec(compile(text, "sample", "exec"), {"unreal": unreal})
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("unreal.KismetSystemLibrary", AttributeError, "no attribute"),
        ("unreal.Actor().set_label('x')", AttributeError, "no attribute"),
        ("unreal.Actor().set_actor_label()", TypeError, "missing a required argument"),
        ("unreal.Actor().set_actor_label('x', True, 1)", TypeError, "too many positional"),
        ("unreal.Actor().set_actor_label('x', dirty=True)", TypeError, "unexpected keyword"),
        ("unreal.SceneCaptureSource.SCS_DEPTH", AttributeError, "no attribute"),
        ("unreal.SceneCaptureComponent2D().capture_source = 'SCS_NORMAL'", TypeError, "SceneCaptureSource"),
        ("unreal.SceneCaptureComponent2D().capture_source = 4", TypeError, "SceneCaptureSource"),
        ("unreal.TextureRenderTarget2D().size_x = 4", AttributeError, "not writable"),
        ("unreal.Material().blend_mode = unreal.BlendMode.BLEND_OPAQUE", AttributeError, "not writable"),
        ("unreal.Actor().get_editor_property('nope')", Exception, "Failed to find property"),
        ("unreal.Actor().set_editor_property('nope', 1)", Exception, "Failed to find property"),
        ("unreal.Actor().set_editor_property('tags', 1)", TypeError, "Array"),
        ("unreal.Actor().tagz = ['a']", AttributeError, "no attribute"),
        ("unreal.Vector(1, 2, 3, 4)", TypeError, "too many positional"),
        ("unreal.Vector('one')", TypeError, "float"),
        ("unreal.IntPoint(1.5, 2)", TypeError, "int"),
        ("unreal.Vector().w = 1.0", AttributeError, "no attribute"),
        (
            "unreal.RenderingLibrary.release_render_target2d(unreal.Actor())",
            TypeError,
            "TextureRenderTarget2D",
        ),
        ("unreal.Button().on_clicked.add_callable(1)", TypeError, "callable"),
        ("unreal.new_object(unreal.Vector)", TypeError, "Class"),
        ("', '.join([unreal.Name('a')])", TypeError, "str"),
        ("unreal.get_editor_subsystem(unreal.LevelEditorSubsystem)", NotScripted, "get_editor_subsystem"),
        ("unreal.SystemLibrary.is_valid(None)", NotScripted, "SystemLibrary.is_valid"),
    ],
)
def test_engine_refuses(unreal: FakeUnreal, text: str, kind: type[Exception], words: str) -> None:
    error = refused(unreal, text)
    assert isinstance(error, kind)
    assert words in str(error)


def test_structs_are_values(unreal: FakeUnreal) -> None:
    vector = unreal.Vector(1, 2, z=3)
    twin = vector.copy()
    assert vector == twin
    twin.x = 5.0
    assert (vector.x, vector == twin) == (1.0, False)
    assert unreal.Rotator(1, 2, 3).pitch == 2.0, "a rotator is made of roll, pitch, yaw"
    assert unreal.Color(1, 2, 3, 4).r == 3, "a colour is made of blue, green, red"


def test_property_keeps_its_own_copy(unreal: FakeUnreal) -> None:
    actor, tags = unreal.Actor(), ["one"]
    actor.tags = tags
    tags.append("two")
    assert [str(tag) for tag in actor.tags] == ["one"]
    actor.tags.append("three")
    assert "three" in actor.tags


def test_read_only_attribute_may_be_set_as_editor_property(unreal: FakeUnreal) -> None:
    material = unreal.Material()
    material.set_editor_property("blend_mode", unreal.BlendMode.BLEND_TRANSLUCENT)
    assert material.blend_mode == unreal.BlendMode.BLEND_TRANSLUCENT


def test_unset_properties_are_the_nothing_of_their_type(unreal: FakeUnreal) -> None:
    component = unreal.SceneCaptureComponent2D()
    assert component.texture_target is None
    assert component.capture_every_frame is False
    assert list(component.hidden_actors) == []
    settings = component.get_editor_property("post_process_settings")
    settings.set_editor_property("override_vignette_intensity", True)
    again = component.get_editor_property("post_process_settings")
    assert again.get_editor_property("override_vignette_intensity") is True


def test_what_is_destroyed_cannot_be_used(unreal: FakeUnreal) -> None:
    actor = unreal.Actor()
    fake_module.FakeObject.get_name(actor)
    from .fake_objects import destroy, revive

    destroy(actor)
    for use in ("get_name", "get_path_name"):
        with pytest.raises(Exception, match="destroyed"):
            getattr(actor, use)()
    with pytest.raises(Exception, match="destroyed"):
        actor.tags = []
    revive(actor)
    actor.tags = []


def test_scripts_get_arguments_in_order_with_defaults(unreal: FakeUnreal) -> None:
    got: list[Any] = []
    unreal.scripts.script("EditorActorSubsystem.spawn_actor_from_class", lambda *all: got.extend(all))
    subsystem = unreal.EditorActorSubsystem()
    subsystem.spawn_actor_from_class(location=(1, 2, 3), actor_class=unreal.Actor)
    assert got[1:] == [unreal.Actor, unreal.Vector(1, 2, 3), unreal.Rotator(), False]
    (call,) = unreal.scripts.called("EditorActorSubsystem.spawn_actor_from_class")
    assert call.target is subsystem


def test_script_of_a_base_class_serves_the_derived(unreal: FakeUnreal) -> None:
    unreal.scripts.script("Actor.get_actor_label", lambda actor: "base")
    unreal.scripts.script("CameraActor.get_actor_label", lambda actor: "camera")
    assert unreal.StaticMeshActor().get_actor_label() == "base"
    assert unreal.CineCameraActor().get_actor_label() == "camera"


def test_classes_made_in_python(unreal: FakeUnreal) -> None:
    class Settings(unreal.Object):
        prompt = unreal.uproperty(str, meta={"Category": "Picture"})
        steps = unreal.uproperty(int)

        @unreal.ufunction(override=True)
        def modify(self, always_mark_dirty: bool = True) -> bool:
            return False

    made = unreal.uclass()(Settings)
    settings = unreal.new_object(made)
    settings.prompt = "a house"
    assert (settings.get_editor_property("prompt"), settings.steps, settings.modify()) == (
        "a house",
        0,
        False,
    )
    with pytest.raises(TypeError, match="int"):
        settings.steps = "many"

    class Wrong(unreal.Object):
        @unreal.ufunction(override=True)
        def no_such_function(self) -> None: ...

    with pytest.raises(Exception, match="overrides nothing"):
        unreal.uclass()(Wrong)


def test_callbacks_and_log(unreal: FakeUnreal) -> None:
    seen: list[float] = []
    handle = unreal.register_slate_post_tick_callback(seen.append)
    unreal.scripts.tick(0.5)
    unreal.unregister_slate_post_tick_callback(handle)
    unreal.scripts.tick(0.5)
    unreal.log_error("words")
    assert (seen, unreal.scripts.log) == ([0.5], [("error", "words")])


def test_delegates_call_what_was_bound(unreal: FakeUnreal) -> None:
    button, clicks = unreal.Button(), []
    button.on_clicked.add_callable(lambda: clicks.append(1))
    button.on_clicked.broadcast()
    assert clicks == [1]


def test_older_engine_lacks_what_came_later(newest_stub: Stub) -> None:
    older = FakeUnreal(stub_or_skip(OLDEST))
    assert hasattr(FakeUnreal(newest_stub).EditorUtilityLibrary, "add_source_widget")
    assert not hasattr(older.EditorUtilityLibrary, "add_source_widget")


def test_plugin_that_is_off_is_not_there(unreal: FakeUnreal) -> None:
    assert hasattr(unreal, "MoviePipelineQueue")
    unreal.remove("MoviePipelineQueue")
    assert not hasattr(unreal, "MoviePipelineQueue")


def test_import_means_the_fake(unreal: FakeUnreal) -> None:
    with installed(unreal):
        import unreal as imported

        assert imported is unreal


def test_written_contract_is_as_strict(newest_stub: Stub, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    names = {"Actor", "Object", "_ObjectBase", "_WrapperBase", "Vector", "StructBase", "log"}
    write(newest_stub, names, {"set_actor_label", "tags", "x", "y", "z"}, file)
    unreal = FakeUnreal(Written(file))
    assert unreal.Vector(1, 2, 3).z == 3.0
    with pytest.raises(TypeError, match="missing"):
        unreal.Actor().set_actor_label()
    with pytest.raises(AttributeError):
        unreal.Pawn  # noqa: B018
    assert json.loads(file.read_text())["classes"].keys() == names - {"log"}


def test_missing_stub_is_said_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(engine: str) -> Path:
        raise Unavailable("no network")

    monkeypatch.setattr(fake_module, "ensure_stub", unavailable)
    with pytest.warns(ContractMissing, match="NO STUB"):
        known = contract()
    assert FakeUnreal(known).Vector(1, 2, 3).x == 1.0
