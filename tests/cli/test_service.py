import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.cli import EXIT_NO_DAEMON, EXIT_TAKEN, EXIT_USAGE

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
        address = framebridge("open", "--print").stdout.strip()
        assert address.startswith(
            f"http://127.0.0.1:{report['url'].split(':')[2].split('/')[0]}/framebridge/open?key="
        )
        assert framebridge("queue").stdout.strip() == "nothing runs or waits"
        assert framebridge("history", "forget", "--all").stdout.strip() == "0 jobs are forgotten"
        assert framebridge("queue", "cancel").returncode == EXIT_USAGE
        second = framebridge("serve", "--port", "0")
        assert second.returncode == EXIT_TAKEN
        assert str(daemon.pid) in second.stderr
        assert framebridge("stop").stdout.strip() == "stopped"
        assert daemon.wait(20) == 0
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


@pytest.mark.parametrize(
    "options", [["--host", "0.0.0.0"], ["--listen", "0.0.0.0"], ["--listen", "192.0.2.1"]]
)
def test_a_foreign_address_is_refused(framebridge: Command, options: list[str]) -> None:
    done = framebridge("serve", *options, "--port", "0")
    assert done.returncode == EXIT_USAGE
    assert "[unsafe_host]" in done.stderr
    assert "--tls-cert" in done.stderr or "--listen" in done.stderr


@pytest.mark.parametrize(
    "options", [["--tls-cert", "c.pem", "--tls-key", "k.pem"], ["--listen-port", "0"], ["--name", "studio"]]
)
def test_options_that_would_do_nothing_are_refused(framebridge: Command, options: list[str]) -> None:
    done = framebridge("serve", *options, "--port", "0")
    assert done.returncode == EXIT_USAGE
    assert "[bad_usage]" in done.stderr
    assert options[0] in done.stderr
    assert "--listen ADDRESS" in done.stderr
