import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from bridge.client import (
    Runtime,
    default_command,
    discovery,
    ensure_daemon,
    find_daemon,
    launch_daemon,
    start_daemon,
    write_runtime,
)
from bridge.errors import BridgeError

WRITES = """
import os, socket, time
from bridge.client import Runtime, write_runtime
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
write_runtime(Runtime(f"ws://127.0.0.1:{port}/bridge", port, "t", os.getpid(), "0", 0.0))
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was started before; what a test starts is ended."""
    monkeypatch.setattr(discovery, "_last_start", None)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    yield
    last: tuple[float, tuple[str, ...], Popen[bytes]] | None = discovery._last_start
    if last:
        last[2].kill()
        last[2].wait()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def runtime(pid: int, port: int = 1) -> Runtime:
    return Runtime(f"ws://127.0.0.1:{port}/bridge", port, "t", pid, "0", 0.0)


def test_no_file_no_daemon() -> None:
    assert find_daemon() is None


def test_living_daemon_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        living = runtime(os.getpid(), listener.getsockname()[1])
        write_runtime(living)
        assert find_daemon() == living
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # it does not come to take them
                stack.enter_context(client := socket.socket()).setblocking(False)
                client.connect_ex(listener.getsockname())
            assert find_daemon() == living


def test_another_process_with_the_number_of_a_dead_daemon_is_none() -> None:
    write_runtime(runtime(os.getpid()))
    assert find_daemon() is None


def test_killed_daemon_is_not_found() -> None:
    process = Popen(python(""))
    process.wait()
    write_runtime(runtime(process.pid))
    assert find_daemon() is None


def test_started_daemon_is_waited_for() -> None:
    started = start_daemon(python(WRITES))
    assert started == find_daemon() == ensure_daemon(python("raise SystemExit('not needed')"))


def test_daemon_that_ends_at_once_is_an_error_with_its_last_words() -> None:
    with pytest.raises(BridgeError, match="ended at once: port 8189 is taken") as caught:
        start_daemon(python("print('hello'); raise SystemExit('port 8189 is taken')"))
    assert caught.value.code == "daemon_failed"
    assert "start.log" in caught.value.hint


def test_daemon_that_ends_silently_is_an_error() -> None:
    with pytest.raises(BridgeError, match="said nothing"):
        start_daemon(python(""))


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("Usage: framebridge\n╭─ Error ──╮\n│ No such option: --x │\n╰──────────╯\n", "No such option: --x"),
        ("+- Error ------+\n| No such option: --x |\n+--------------+\n", "No such option: --x"),
        ("╭─ Error ──╮\n│ Folder      │\n│ /a is gone. │\n╰──────────╯\n", "Folder /a is gone."),
        ("the port is taken\n\n----\n", "the port is taken"),
        ("╭───╮\n╰───╯\n", "it said nothing"),
    ],
)
def test_last_words_are_those_of_a_framed_message(said: str, quoted: str) -> None:
    discovery.start_log().parent.mkdir(parents=True, exist_ok=True)
    discovery.start_log().write_text(said, encoding="utf-8")
    assert discovery._last_words() == (quoted, "")


def test_last_words_of_the_command_line_are_its_error_and_its_hint() -> None:
    told = "error [port_in_use]: port 8189 is in use\n  hint: Choose another with --port N.\n"
    with pytest.raises(BridgeError, match=r"at once: port 8189 is in use$") as caught:
        start_daemon(python(f"raise SystemExit({told!r})"))
    assert caught.value.hint == "Choose another with --port N."


def test_lost_log_is_no_obstacle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "start_log", lambda: home / "nowhere" / "start.log")
    assert discovery._last_words() == ("it said nothing", "")


def test_daemon_that_is_never_ready_is_an_error() -> None:
    with pytest.raises(BridgeError, match=r"not ready within 0\.2 s") as caught:
        start_daemon(python("import time; time.sleep(60)"), timeout_s=0.2)
    assert caught.value.code == "daemon_timeout"


def test_program_that_does_not_exist_is_an_error_with_a_hint() -> None:
    with pytest.raises(BridgeError, match="could not be started") as caught:
        start_daemon(["/no/such/framebridge", "serve"])
    assert caught.value.code == "daemon_not_found"
    assert "Install it" in caught.value.hint


def test_daemon_is_not_started_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    command = python("raise SystemExit('no')")
    first = launch_daemon(command)
    first.wait()
    assert launch_daemon(command) is first
    with pytest.raises(BridgeError, match="ended at once: no"):
        ensure_daemon(command)
    later = time.monotonic() + discovery.RETRY_S
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    second = launch_daemon(command)
    assert second is not first
    second.wait()


def test_another_command_is_tried_at_once() -> None:
    first = launch_daemon(python("raise SystemExit('no')"))
    first.wait()
    second = launch_daemon(python("import time; time.sleep(60)"))
    assert second is not first
    assert second.poll() is None
    assert launch_daemon(python("")) is second


def test_slow_daemon_is_not_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    first = launch_daemon(python("import time; time.sleep(60)"))
    later = time.monotonic() + 10 * discovery.RETRY_S
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    assert launch_daemon(python("")) is first


def executable(folder: Path) -> Path:
    folder.mkdir(parents=True)
    program = folder / ("framebridge.exe" if sys.platform == "win32" else "framebridge")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_installed_command_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = executable(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(program.parent))
    assert default_command() == [str(program), "serve"]


@pytest.mark.parametrize("place", ["python", ".local/bin"])
def test_installed_command_is_found_beside_python_and_at_home(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = executable(tmp_path / place)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))
    assert default_command() == [str(program), "serve"]


def test_missing_command_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "blender" / "python3"))
    with pytest.raises(BridgeError, match="not installed") as caught:
        launch_daemon()
    assert caught.value.code == "daemon_not_found"
