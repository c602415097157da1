import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.client import is_running
from bridge.client.processes import start_detached


def test_a_living_process_is_running() -> None:
    assert is_running(os.getpid())


def test_an_ended_process_is_not_running() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not is_running(process.pid)


def test_a_child_that_ended_and_was_not_waited_for_is_not_running() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read()  # ends when the process does
    deadline = time.monotonic() + 60
    while is_running(process.pid):
        assert time.monotonic() < deadline
    process.poll()


@pytest.mark.parametrize("pid", [0, -1, 2**80])
def test_what_is_no_process_is_not_running(pid: int) -> None:
    assert not is_running(pid)


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill means something else there")
def test_a_strangers_process_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_running(1)


def test_detached_process_writes_to_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/of/the/host")
    log = tmp_path / "new" / "start.log"
    code = "import os, sys; print(os.environ.get('PYTHONHOME'), os.getcwd()); print('bad', file=sys.stderr)"
    process = start_detached([sys.executable, "-c", code], log)
    assert process.wait(30) == 0
    assert log.read_text().split() == ["None", str(log.parent), "bad"]


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are a POSIX idea")
def test_detached_process_has_a_session_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "start.log"
    process = start_detached([sys.executable, "-c", "import os; print(os.getsid(0))"], log)
    process.wait(30)
    assert log.read_text().strip() == str(process.pid)
