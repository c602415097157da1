import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1 on Windows")


def test_a_signal_has_daemon_and_worker_say_what_they_are_doing(spawn: Any, home: Path, until: Any) -> None:
    daemon = spawn()
    with daemon.client() as client:
        client.query("nodes")  # the worker is there
        os.kill(daemon.pid, signal.SIGUSR1)
        log = home / "daemon.log"
        until(lambda: "until_stopped" in log.read_text() and "bridge/engine/worker.py" in log.read_text())
        assert client.query("status")["worker"] == "ready"
    text = log.read_text()
    assert "asked what goes on" in text
    assert "Stack for <Task" in text, "tasks, too"
    daemon.process.terminate()
    assert "Current thread" in daemon.output(), "to standard error even if the event loop is stuck"
