from pathlib import Path

import pytest

from bridge.client import Runtime, write_runtime
from bridge.daemon.instance import being_the_only_one, wait_until_gone
from bridge.errors import BridgeError


def test_second_is_told_where_the_first_is(home: Path) -> None:
    with being_the_only_one(home):
        write_runtime(Runtime("ws://127.0.0.1:4711/bridge", 4711, "t", 1234, "1", 0.0))
        with pytest.raises(BridgeError, match="port 4711, process 1234") as refusal, being_the_only_one(home):
            pass
    assert refusal.value.code == "already_running"
    assert "framebridge stop" in refusal.value.hint


def test_second_is_refused_while_the_first_has_not_said_where_it_is(home: Path) -> None:
    with (
        being_the_only_one(home),
        pytest.raises(BridgeError, match=r"running already$"),
        being_the_only_one(home),
    ):
        pass


def test_next_may_run_when_the_first_has_left(home: Path) -> None:
    for _ in range(2):
        with being_the_only_one(home):
            pass


def test_lock_file_that_nobody_holds_is_no_obstacle(home: Path) -> None:
    home.mkdir()
    (home / "daemon.lock").write_text("left behind")
    with being_the_only_one(home):
        pass


def test_folder_is_private(home: Path) -> None:
    with being_the_only_one(home):
        assert home.stat().st_mode & 0o077 == 0


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BridgeError, match="file") as failure, being_the_only_one(tmp_path / "file" / "state"):
        pass
    assert failure.value.code == "bad_folder"


def test_waiting_for_a_daemon_to_go_ends_when_it_does(tmp_path: Path) -> None:
    with being_the_only_one(tmp_path):
        assert not wait_until_gone(tmp_path, 0.01)
    assert wait_until_gone(tmp_path, 0.01)
