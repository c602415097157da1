"""Real daemons in processes of their own, each with a home of its own, and no torch anywhere."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bridge
from bridge.client import Client, Locator, Runtime, read_runtime

from ..comfy.hook import hook  # noqa: F401 - a fixture
from ..downloads.conftest import _server, port, site  # noqa: F401 - fixtures

HERE = Path(__file__).parent
PROGRAM = HERE / "daemon_program.py"


class Spawned:
    """A daemon process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runtime(self) -> Runtime:
        """What the daemon says about itself, once it listens."""
        eventually(lambda: _is_of(read_runtime(), self.pid) or self.process.poll() is not None)
        runtime = read_runtime()
        assert runtime is not None, self.output()
        return runtime

    def client(self) -> Client:
        self.runtime  # noqa: B018 - waits
        return Client(Locator(), name="test")

    def wait(self, timeout_s: float = 60.0) -> int:
        return self.process.wait(timeout_s)

    def output(self) -> str:
        return self.process.communicate(timeout=60)[0].decode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(folder))
    return folder


@pytest.fixture
def command() -> Callable[..., list[str]]:
    return _command


@pytest.fixture
def spawn(home: Path) -> Iterator[Callable[..., Spawned]]:
    spawned: list[Spawned] = []

    def start(**settings: Any) -> Spawned:
        process = subprocess.Popen(
            _command(**settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment()
        )
        spawned.append(Spawned(process))
        return spawned[-1]

    yield start
    for daemon in spawned:
        if daemon.process.poll() is None:
            daemon.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(10)
        daemon.process.kill()
        daemon.process.communicate()


@pytest.fixture
def until() -> Callable[..., None]:
    return eventually


def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def _command(**settings: Any) -> list[str]:
    settings = {"port": 0, "bootstrap": "fake_library:load", **settings}
    return [sys.executable, str(PROGRAM), json.dumps(settings)]


def _environment() -> dict[str, str]:
    root = str(Path(bridge.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(HERE)])}


def _is_of(runtime: Runtime | None, pid: int) -> bool:
    return runtime is not None and runtime.pid == pid
