"""The client in docs/protocol.md works as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.client import Runtime, write_runtime
from bridge.errors import Problem
from bridge.protocol import Failure, Hello, Submit

Daemon = Any
DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.fixture
def example(daemon: Daemon) -> list[str]:
    """The command that runs the example against the daemon."""
    write_runtime(Runtime(daemon.url, daemon.port, daemon.token, os.getpid(), "0", 0.0))
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    assert code
    return [sys.executable, "-W", "error", "-c", code[1]]


def test_example_sends_a_view_and_writes_what_comes_back(
    example: list[str], daemon: Daemon, tmp_path: Path
) -> None:
    subprocess.run(example, cwd=tmp_path, check=True, timeout=60)
    hello, submit = daemon.heard
    assert hello == Hello((1,), "example")
    assert isinstance(submit, Submit)
    assert submit.frame is not None
    assert submit.frame.size == (64, 48)
    assert set(submit.frame.planes) == {"color", "depth"}
    assert (tmp_path / "result.ppm").read_bytes() == b"P6 1 1 255\n\1\2\3"


def test_example_shows_what_is_wrong(example: list[str], daemon: Daemon, tmp_path: Path) -> None:
    daemon.answer = lambda message: [Failure((Problem("unknown_preset", "no such preset"),), message.request)]
    run = subprocess.run(example, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr.strip()) == (1, "no such preset")
