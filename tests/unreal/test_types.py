from dataclasses import dataclass
from pathlib import Path

import pytest

from .checking import Finding, check, cut_for, sources
from .conftest import stub_or_skip
from .cutting import cut, used_names
from .facts import Stub
from .stubs import ENGINES, NEWEST, OLDEST


@dataclass(frozen=True)
class Difference:
    """What an older engine lacks, where the plugin asks for it having looked whether it is there."""

    file: str
    words: str


DIFFERENCES: dict[str, tuple[Difference, ...]] = {
    OLDEST: (
        Difference("host/tab.py", '"EditorUtilityWidget" has no attribute "find_child_widget_by_name"'),
        Difference("host/tab.py", '"type[EditorUtilityLibrary]" has no attribute "add_source_widget"'),
    ),
    NEWEST: (),
}
MISSING: dict[str, set[str]] = {OLDEST: set(), NEWEST: set()}
"""Names right after ``unreal.`` that an engine does not have."""


def unexpected(engine: str, found: list[Finding]) -> tuple[list[Finding], list[Difference]]:
    """Return findings that no difference explains, and differences that nothing was found for."""
    expected = DIFFERENCES[engine]
    surplus = [
        one for one in found if not any(one.file == it.file and it.words in one.words for it in expected)
    ]
    stale = [it for it in expected if not any(one.file == it.file and it.words in one.words for one in found)]
    return surplus, stale


@pytest.mark.parametrize("engine", ENGINES)
def test_plugin_is_typed_as_the_engine_has_it(staged: Path, tmp_path: Path, engine: str) -> None:
    stub_or_skip(engine)
    assert len(sources(staged)) > 10, "the plugin is not there"
    assert cut_for(staged, engine, tmp_path) == MISSING[engine]
    surplus, stale = unexpected(engine, check(staged, tmp_path, tmp_path / "cache"))
    assert not surplus
    assert not stale, "these differences are no longer there"


def sample_findings(tmp_path: Path, text: str, engine: str = NEWEST) -> list[Finding]:
    stub_or_skip(engine)
    package = tmp_path / "framebridge_unreal"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sample.py").write_text("import unreal\n\n" + text)
    cut_for(package, engine, tmp_path / "typings")
    return check(package, tmp_path / "typings", tmp_path / "cache")


RIGHT = """
def capture() -> None:
    world = unreal.get_editor_subsystem(unreal.UnrealEditorSubsystem)
    assert world is not None
    level = world.get_editor_world()
    if level is None:
        return
    target = unreal.RenderingLibrary.create_render_target2d(
        level, 64, 64, unreal.TextureRenderTargetFormat.RTF_RGBA16F
    )
    unreal.RenderingLibrary.export_render_target(level, target, "folder", "name")
    actor = unreal.Actor()
    actor.tags = ["one"]
    actor.set_actor_label("label")
    names: unreal.Array[unreal.Name] = unreal.Array(unreal.Name)
    names.append(unreal.Name("x"))
    unreal.log(len(names))
    unreal.Button().on_clicked.add_callable(capture)
    with unreal.ScopedEditorTransaction("words"), unreal.ScopedSlowTask(1.0, "words") as task:
        task.make_dialog(True)


@unreal.uclass()
class Settings(unreal.Object):
    prompt = unreal.uproperty(str, meta={"Category": "x"})

    @unreal.ufunction(override=True)
    def modify(self, always_mark_dirty: bool = True) -> bool:
        return True


def queue() -> None:
    system = unreal.get_editor_subsystem(unreal.MoviePipelineQueueSubsystem)
    if system is None:
        return
    job = system.get_queue().allocate_new_job()
    job.sequence = unreal.SoftObjectPath("/Game/S.S")
    executor = unreal.MoviePipelinePIEExecutor()
    executor.on_executor_finished_delegate.add_callable(queue)
    system.render_queue_with_executor_instance(executor)
"""


def test_right_uses_are_not_complained_of(tmp_path: Path) -> None:
    assert sample_findings(tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("unreal.KismetSystemLibrary.is_valid(None)", "has no attribute"),
        ("unreal.SystemLibrary.is_validd(None)", "has no attribute"),
        ("unreal.get_editor_subsystem(unreal.LevelEditorSubsystem).load_level('x')", "has no attribute"),
        ("unreal.Actor().set_actor_label()", "Missing positional argument"),
        ("unreal.Vector().x = 'one'", "Incompatible types in assignment"),
        ("unreal.TextureRenderTarget2D().size_x = 1", "read-only"),
        ("unreal.new_object(unreal.Button).set_text('x')", "has no attribute"),
        ("unreal.MoviePipelineQueueSubsystem().get_queues()", "has no attribute"),
        ("unreal.EditableTextBox().on_text_committed.connect(wrong)", "has no attribute"),
    ],
)
def test_wrong_use_is_found(tmp_path: Path, wrong: str, words: str) -> None:
    found = sample_findings(tmp_path, f"def wrong() -> None:\n    {wrong}\n")
    assert any(words in one.words for one in found), found


def test_older_engine_lacks_what_came_later(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text("unreal.EditorUtilityLibrary.add_source_widget\n")
    texts = {engine: cut(stub_or_skip(engine), *used_names([source]))[0] for engine in ENGINES}
    assert "def add_source_widget" in texts[NEWEST]
    assert "def add_source_widget" not in texts[OLDEST]


def test_class_that_does_not_parse_is_read_all_the_same(newest_stub: Stub) -> None:
    facts = newest_stub.klass("ToolBarStyle")
    assert facts is not None
    assert "label_padding" in facts.properties


def test_unknown_name_is_reported(newest_stub: Stub) -> None:
    assert cut(newest_stub, {"Vector", "NoSuchThing"}, set())[1] == {"NoSuchThing"}


def test_both_a_missing_and_a_superfluous_difference_count() -> None:
    told = [Finding(one.file, 1, one.words) for one in DIFFERENCES[OLDEST]]
    assert told, "the oldest engine lacks something"
    assert unexpected(OLDEST, told) == ([], [])
    assert unexpected(OLDEST, told[1:]) == ([], [DIFFERENCES[OLDEST][0]])
    another = Finding("host/eye.py", 1, "anything")
    assert unexpected(OLDEST, [*told, another]) == ([another], [])
