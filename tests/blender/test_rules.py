"""What Blender's extension platform, and our own rules, forbid in the add-on's sources."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "blender_addon"
MODULES = sorted(SOURCES.glob("**/*.py"))
FORBIDDEN_CALLS = {"exec", "eval", "compile", "__import__"}
FORBIDDEN_MODULES = {
    "pickle",
    "marshal",
    "shelve",
    "subprocess",
    "ctypes",
    "pip",
    "importlib",
    "socket",
    "bridge",
}
SEARCH_PATH = {"sys.path", "sys.modules"}

ALLOWED = {"legacy.py": {"importlib", "sys.modules"}}
"""What a module may all the same: one imports the bundled wheel under the add-on's own name."""


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


@pytest.fixture(params=MODULES, ids=lambda path: path.name)
def module(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def tree(module: Path) -> ast.AST:
    return ast.parse(module.read_text(encoding="utf-8"))


@pytest.fixture
def allowed(module: Path) -> set[str]:
    return ALLOWED.get(module.name, set())


def test_there_are_modules():
    assert {"__init__.py", "capture.py", "display.py", "wire.py"} <= {path.name for path in MODULES}


def test_no_module_imports_what_is_forbidden(tree, allowed):
    roots = {name.split(".")[0] for name in imports(tree)}
    assert not roots & (FORBIDDEN_MODULES | {"framebridge", "blender_addon"}) - allowed


def test_no_module_runs_text_as_code(tree):
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & FORBIDDEN_CALLS


def test_no_module_starts_programs_or_changes_the_search_path(tree, allowed):
    touched = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not touched & ({"os.system", "os.popen"} | SEARCH_PATH - allowed)
    assert not any(name.startswith(("os.exec", "os.spawn")) for name in touched)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_module_names_its_licence(path):
    assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")


def test_manifest_and_legacy_header_agree():
    manifest = tomllib.loads((SOURCES / "blender_manifest.toml").read_text(encoding="utf-8"))
    header = (SOURCES / "__init__.py").read_text(encoding="utf-8")
    assert f'"name": "{manifest["name"]}"' in header
    assert f'"version": ({manifest["version"].replace(".", ", ")})' in header
    assert manifest["license"][0] == "SPDX:GPL-3.0-or-later"
    assert len(manifest["tagline"]) <= 64
    assert not manifest["tagline"].endswith(".")
    assert set(manifest["permissions"]) == {"network", "files"}


def test_licence_is_the_whole_text():
    text = (SOURCES / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
