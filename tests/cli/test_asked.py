from pathlib import Path

import pytest

from bridge.cli.asked import make_places
from bridge.cli.source import Source
from bridge.daemon import Settings


def test_an_example_finds_the_picture_that_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    settings = Settings(output=tmp_path / "out")
    make_places(Source({}), settings)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    make_places(Source({}, is_example=True), settings)
    assert [path.name for path in (tmp_path / "input").iterdir()] == ["example.png"]
