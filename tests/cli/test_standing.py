import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.cli import standing
from bridge.client import Runtime
from bridge.daemon import InstalledPack, Settings
from bridge.errors import BridgeError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    return tmp_path


def states(look: Callable[..., Any], *arguments: Any) -> list[str]:
    return [finding.state for finding in look(*arguments)]


def test_folders_are_named_with_their_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(standing.look_at_folders(Settings()))
    assert [finding.text.split(":")[0] for finding in found] == [
        "state", "models, presets, wildcards", "input", "output", "temp", "frames",
    ]  # fmt: skip
    assert f"output: {home / 'output'}, " in found[3].text
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**8))
    assert {finding.state for finding in standing.look_at_folders(Settings())} == {"bad"}
    monkeypatch.setattr(standing.os, "access", lambda folder, mode: False)
    assert "cannot be written" in next(iter(standing.look_at_folders(Settings()))).text


def test_a_sound_queue_a_damaged_one_and_what_was_moved_aside(tmp_path: Path) -> None:
    assert states(standing.look_at_queue, tmp_path) == []
    file = tmp_path / "queue.sqlite3"
    base = sqlite3.connect(file)
    base.execute("CREATE TABLE jobs (id)")
    base.commit()
    base.close()
    assert states(standing.look_at_queue, tmp_path) == ["ok"]
    file.write_bytes(b"no database at all" * 99)
    (tmp_path / "queue.sqlite3.corrupt-20261127-120000").touch()
    damaged, aside = standing.look_at_queue(tmp_path)
    assert (damaged.state, aside.state) == ("bad", "note")
    assert "Start the daemon again" in damaged.hint


def test_packs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    packs = (InstalledPack("a", "pack-a", "1.0", False), InstalledPack("b", "pack-b", "2.0", True))
    monkeypatch.setattr(standing, "installed_packs", lambda: packs)
    assert states(standing.look_at_packs) == ["ok", "note"]


def test_a_list_of_model_folders_that_cannot_be_read_is_bad(home: Path) -> None:
    assert states(standing.look_at_model_list) == []
    (home / "models.json").write_text('{"folders": [],}')
    (finding,) = standing.look_at_model_list()
    assert finding.state == "bad"
    assert str(home / "models.json") in finding.text


STATUS = {
    "version": "1", "worker": "ready", "detail": "", "queue_remaining": 2, "clients": 1,
    "queue_problem": "", "queue_is_kept": True, "failures": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ["ok"]),
        ({"worker": "failed", "detail": "no torch"}, ["bad"]),
        ({"queue_problem": "the disk is full", "queue_is_kept": False}, ["ok", "bad"]),
        ({"queue_problem": "it was moved aside", "failures": {"pack": "no module"}}, ["ok", "note", "bad"]),
    ],
)
def test_a_daemon_says_how_it_is(
    status: dict[str, Any], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime("ws://127.0.0.1:1/bridge", 1, "token", 1, "1", 0.0)
    monkeypatch.setattr(standing, "find_daemon", lambda: runtime)
    monkeypatch.setattr(standing, "ask", lambda *_: {**STATUS, **status})
    assert states(standing.look_at_daemon) == expected


def test_a_daemon_that_is_not_there_or_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "find_daemon", lambda: None)
    assert states(standing.look_at_daemon) == ["note"]

    def fail() -> None:
        raise BridgeError("it does not answer", hint="Wait.")

    monkeypatch.setattr(standing, "find_daemon", fail)
    assert states(standing.look_at_daemon) == ["bad"]


def test_errors_at_the_end_of_the_log_are_counted(home: Path) -> None:
    assert states(standing.look_at_log) == []
    fine = json.dumps({"ts": "1", "level": "info", "event": "fine"})
    grave = json.dumps({"ts": "2", "level": "error", "event": "it broke"})
    (home / "daemon.log").write_text("\n".join([grave, *[fine] * 200, "no JSON", "[1]"]))
    assert states(standing.look_at_log) == ["ok"]
    (home / "daemon.log").write_text("\n".join([fine, grave]))
    (finding,) = standing.look_at_log()
    assert finding.text.startswith("1 errors")
    assert finding.text.endswith("the last, 2: it broke")
