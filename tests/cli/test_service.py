import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.cli import EXIT_NO_DAEMON, EXIT_TAKEN

from .conftest import Command


@pytest.mark.parametrize("command", ["status", "stop"])
def test_without_a_daemon_the_command_says_so(framebridge: Command, command: str) -> None:
    done = framebridge(command)
    assert done.returncode == EXIT_NO_DAEMON
    assert "framebridge serve" in done.stderr


def test_serve_status_second_daemon_and_stop(framebridge: Command, home: Path) -> None:
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(home)}
    daemon = subprocess.Popen([sys.executable, "-m", "bridge", "serve", "--port", "0"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while framebridge("status").returncode != 0:
            assert time.monotonic() < deadline, "the daemon does not answer"
        report = json.loads(framebridge("status", "--json").stdout)
        assert report["pid"] == daemon.pid
        assert report["worker"] in ("starting", "ready")
        assert framebridge("status").stdout.startswith("running at ws://127.0.0.1:")
        second = framebridge("serve", "--port", "0")
        assert second.returncode == EXIT_TAKEN
        assert str(daemon.pid) in second.stderr
        assert framebridge("stop").stdout.strip() == "stopped"
        assert daemon.wait(20) == 0
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def test_a_foreign_address_is_refused(framebridge: Command) -> None:
    done = framebridge("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode != 0
    assert "[unsafe_host]" in done.stderr
