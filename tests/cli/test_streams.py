"""Commands whose output nobody takes: it is closed, its disk is full, or its reader has gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import __version__
from bridge.cli import EXIT_FAILED, EXIT_NO_DAEMON

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell and /dev are needed")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")


def shell(home: Path, redirection: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a command whose streams lead elsewhere."""
    command = [sys.executable, "-m", "bridge", *map(str, arguments)]
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *command],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "FRAMEBRIDGE_HOME": str(home)},
    )


def test_closed_streams_lead_nowhere(home: Path) -> None:
    assert shell(home, "2>&-", "--version").stdout == f"framebridge {__version__}\n"
    for redirection in (">&-", "<&- >&- 2>&-"):
        done = shell(home, redirection, "--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "framebridge serve" in shell(home, ">&-", "stop").stderr
    assert shell(home, "2>&-", "stop").returncode == EXIT_NO_DAEMON


@needs_full
@pytest.mark.parametrize("arguments", [["--version"], ["nodes", "--json"]])
def test_a_full_disk_is_told_in_a_line_and_a_hint(home: Path, arguments: list[str]) -> None:
    done = shell(home, "> /dev/full", *arguments)
    assert done.returncode == EXIT_FAILED
    error, hint = done.stderr.splitlines()
    assert "[output_lost]" in error
    assert "No space left" in error
    assert "Make room" in hint


@needs_full
def test_pictures_are_named_even_if_the_report_is_lost(home: Path, tmp_path: Path) -> None:
    workflow = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "grey"}},
    }
    (tmp_path / "workflow.json").write_text(json.dumps(workflow))
    done = shell(home, "> /dev/full", "run", tmp_path / "workflow.json", "--out", tmp_path, "--json")
    [picture] = tmp_path.glob("*.png")
    assert done.returncode == EXIT_FAILED
    assert done.stderr.splitlines()[0] == str(picture)


def test_a_reader_that_has_gone_is_no_fault(home: Path) -> None:
    done = shell(home, "| true", "nodes", "--json")
    assert done.stderr == ""
