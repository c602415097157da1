from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.prompts import Wildcards

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a wildcard's file."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / "wildcards" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def wildcards(tmp_path: Path) -> Wildcards:
    return Wildcards([tmp_path / "wildcards"])
