"""The list of the engine's names that the self-test looks for: complete, and true for each engine."""

import ast
from pathlib import Path
from typing import Any

import pytest

from .conftest import stub_or_skip
from .fake import FakeUnreal
from .fake import contract as contract_of
from .staged import SOURCES
from .stubs import ENGINES, NEWEST, OLDEST
from .test_core_studio import core  # noqa: F401 - a fixture

LACKED_BY_OLDEST = {"EditorUtilityLibrary.add_source_widget", "EditorUtilityWidget.find_child_widget_by_name"}


@pytest.fixture
def api(core: Any) -> Any:  # noqa: F811
    return core("api")


def listed(part: Any) -> set[str]:
    return set(part) | {f"{owner}.{name}" for owner, names in part.items() for name in names}


def written(file: Path) -> set[str]:
    """Every ``unreal.X`` and ``unreal.X.y`` of a file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id == "unreal":
            found.add(".".join(reversed(parts)))
    return found


def test_every_name_that_is_written_is_looked_for(api: Any) -> None:
    names = {name for file in SOURCES.rglob("*.py") for name in written(file)}
    names |= written(SOURCES.parent / "init_unreal.py")
    assert len(names) > 200
    assert names - listed(api.NEEDED) - listed(api.OPTIONAL) == set()


def test_nothing_is_looked_for_that_is_not_used(api: Any) -> None:
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py") if file.name != "api.py"
    )
    text += (SOURCES.parent / "init_unreal.py").read_text(encoding="utf-8")
    members = {name for part in (api.NEEDED, api.OPTIONAL) for names in part.values() for name in names}
    assert {name for name in members if name not in text} == set()


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_has_what_it_is_said_to_have(api: Any, engine: str) -> None:
    stub_or_skip(engine)
    unreal = FakeUnreal(contract_of(engine))

    def lacks(name: str) -> bool:
        owner, _, member = name.partition(".")
        found = getattr(unreal, owner, None)
        return found is None or bool(member and not hasattr(found, member))

    assert {name for name in listed(api.NEEDED) if lacks(name)} == set()
    expected = {NEWEST: set(), OLDEST: LACKED_BY_OLDEST}[engine]
    assert {name for name in listed(api.OPTIONAL) if lacks(name)} == expected
