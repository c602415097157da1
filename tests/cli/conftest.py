import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..downloads.conftest import _server, kit, port, site  # noqa: F401 - fixtures

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of these tests keep their files."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def framebridge(home: Path) -> Command:
    """Run the real command in a process of its own."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bridge", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=280,
            env={**os.environ, "FRAMEBRIDGE_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"},
        )

    return run


@pytest.fixture(scope="session")
def demo(framebridge: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``framebridge demo`` has filled."""
    out = tmp_path_factory.mktemp("demo")
    done = framebridge("demo", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return out
