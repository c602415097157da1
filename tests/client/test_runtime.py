import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs.macos
import platformdirs.unix
import platformdirs.windows
import pytest

from bridge.client import Runtime, read_runtime, remove_runtime, runtime_file, state_folder, write_runtime
from bridge.client.runtime import _platform_folder
from bridge.errors import BridgeError

RUNTIME = Runtime("ws://127.0.0.1:8189/bridge", 8189, "secret", 4711, "0.1.0", 1700000000.5)

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps profiles private itself")


def test_what_was_written_is_read() -> None:
    write_runtime(RUNTIME)
    assert read_runtime() == RUNTIME


def test_no_file_means_no_daemon() -> None:
    assert read_runtime() is None


def test_token_does_not_show_in_logs() -> None:
    assert "secret" not in repr(RUNTIME)


@posix_only
def test_only_the_user_can_read_it(home: Path) -> None:
    write_runtime(RUNTIME)
    assert stat.S_IMODE(runtime_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_it_replaces_an_older_one_and_leaves_nothing_else(home: Path) -> None:
    write_runtime(Runtime("ws://127.0.0.1:1/bridge", 1, "old", 1, "0", 0.0))
    write_runtime(RUNTIME)
    assert read_runtime() == RUNTIME
    assert [path.name for path in home.iterdir()] == ["daemon.json"]


def test_a_write_that_fails_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: object, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_runtime(RUNTIME)
    assert list(home.iterdir()) == []


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_file_that_others_can_touch_is_not_believed(mode: int) -> None:
    write_runtime(RUNTIME)
    runtime_file().chmod(mode)
    with pytest.raises(BridgeError, match="not private") as caught:
        read_runtime()
    assert caught.value.code == "unsafe_runtime_file"


@posix_only
def test_a_file_of_somebody_else_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    write_runtime(RUNTIME)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(BridgeError, match="not private"):
        read_runtime()


@posix_only
def test_a_link_is_not_followed(home: Path) -> None:
    write_runtime(RUNTIME)
    runtime_file().rename(home / "elsewhere.json")
    runtime_file().symlink_to(home / "elsewhere.json")
    with pytest.raises(BridgeError) as caught:
        read_runtime()
    assert caught.value.code == "bad_runtime_file"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"url": 1}', '{"pid": "x"}', "[" * 20000, json.dumps({"port": [1]}), "\xff\xfe"],
)
def test_a_file_that_makes_no_sense_is_named(home: Path, text: str) -> None:
    write_runtime(RUNTIME)
    runtime_file().write_bytes(text.encode("latin-1"))
    with pytest.raises(BridgeError, match=r"daemon\.json cannot be read") as caught:
        read_runtime()
    assert caught.value.code == "bad_runtime_file"


def test_a_daemon_removes_its_own_file_only() -> None:
    write_runtime(RUNTIME)
    remove_runtime(1)
    assert read_runtime() == RUNTIME
    remove_runtime(RUNTIME.pid)
    assert read_runtime() is None
    remove_runtime(RUNTIME.pid)


def test_home_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", "~/elsewhere")
    assert state_folder() == Path.home() / "elsewhere"
    monkeypatch.setenv("FRAMEBRIDGE_HOME", " ")
    assert state_folder() == Path(platformdirs.user_state_dir("framebridge", appauthor=False))


@pytest.mark.parametrize("xdg", ["", "relative/state", "/srv/state"])
def test_folders_are_those_of_platformdirs(xdg: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", xdg)
    unix = platformdirs.unix.Unix("framebridge", appauthor=False).user_state_dir
    mac = platformdirs.macos.MacOS("framebridge", appauthor=False).user_state_dir
    assert _platform_folder("linux") / "framebridge" == Path(unix)
    assert _platform_folder("darwin") / "framebridge" == Path(mac)


def test_windows_folder_is_that_of_platformdirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(
        platformdirs.windows, "get_win_folder", platformdirs.windows.get_win_folder_from_env_vars
    )
    windows = platformdirs.windows.Windows("framebridge", appauthor=False).user_state_dir
    assert _platform_folder("win32") / "framebridge" == Path(windows)
    monkeypatch.delenv("LOCALAPPDATA")
    assert _platform_folder("win32") == Path.home() / "AppData" / "Local"


@posix_only
def test_another_user_cannot_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = (
        "import os, sys\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: print(open(sys.argv[1]).read())\n"
        "except PermissionError: sys.exit(13)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("FRAMEBRIDGE_HOME", folder)
        write_runtime(RUNTIME)
        Path(folder).chmod(0o755)  # so that nothing but the file's own mode protects it
        command = [sys.executable, "-I", "-c", attempt, runtime_file()]
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    # Only root can become somebody else to try; anybody else is its owner.
    assert done.returncode == (13 if os.geteuid() == 0 else 0), done.stderr
