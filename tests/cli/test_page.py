import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import page
from bridge.client import Runtime
from bridge.errors import BridgeError

RUNTIME = Runtime("ws://127.0.0.1:8189/bridge", 8189, "the-token", 1, "0", 0.0)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser is told to open."""
    opened: list[str] = []

    def answer(runtime: Runtime, method: str, path: str) -> dict[str, Any]:
        assert (runtime, method, path) == (RUNTIME, "POST", "/framebridge/key")
        return {"path": "/framebridge/open?key=once", "seconds": 60}

    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    monkeypatch.setattr(page, "running_daemon", lambda: RUNTIME)
    monkeypatch.setattr(page, "ask", answer)
    monkeypatch.setattr(page.webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


def test_browser_is_given_a_file_and_not_the_address(
    opened: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.open_page(only_print=False)
    assert opened == [(tmp_path / "open.html").as_uri()], "other users see the arguments of programs"
    text = (tmp_path / "open.html").read_text()
    assert "url=http://127.0.0.1:8189/framebridge/open?key=once" in text
    assert "the-token" not in text
    assert re.search(
        r"if no page has opened, go to http://127\.0\.0\.1:8189/\S+once\n", capsys.readouterr().out
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps profiles private itself")
def test_file_is_for_its_user_only_whatever_lay_there(opened: list[str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "open.html").symlink_to(tmp_path / "elsewhere")
    page.open_page(only_print=False)
    assert stat.S_IMODE((tmp_path / "open.html").stat().st_mode) == 0o600
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_address_can_be_printed_alone(
    opened: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.open_page(only_print=True)
    assert capsys.readouterr().out == "http://127.0.0.1:8189/framebridge/open?key=once\n"
    assert opened == []
    assert not (tmp_path / "open.html").exists()


def test_folder_that_cannot_be_written_is_named(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(BridgeError, match="cannot write") as caught:
        page.open_page(only_print=False)
    assert caught.value.code == "bad_folder"
    assert "--print" in caught.value.hint
