"""Every error that a node may raise says what would do, so that nobody is left with a closed door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge

ERRORS = {"InputError", "ModelError", "UnsupportedModel", "ModelNotFound", "ExecutionError", "OutOfMemory"}


def without_hint(file: Path) -> Iterator[str]:
    for found in ast.walk(ast.parse(file.read_text("utf-8"))):
        match found:
            case ast.Call(func=ast.Name(id=name), keywords=given) if name in ERRORS:
                if "hint" not in {keyword.arg for keyword in given}:
                    yield f"{file.name}:{found.lineno}: {ast.unparse(found)}"


@pytest.mark.parametrize("package", ["nodes", "models", "diffusion"])
def test_every_error_says_what_would_do(package: str) -> None:
    files = sorted((Path(bridge.__file__).parent / package).rglob("*.py"))
    assert [line for file in files for line in without_hint(file)] == []
