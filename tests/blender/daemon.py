"""A daemon with the built-in model, as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60
STOP_S = 30
ROOT = Path(__file__).parents[2]


@contextmanager
def running_daemon(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon that clients with this ``FRAMEBRIDGE_HOME`` find."""
    environment = os.environ | {"FRAMEBRIDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0", "--device", "cpu"]
    with open(home / "serve.log", "ab") as log:
        daemon = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_S
        while not (home / "daemon.json").exists():
            assert daemon.poll() is None, (home / "serve.log").read_text()
            assert time.monotonic() < deadline, "the daemon did not start"
            time.sleep(0.05)
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait(STOP_S)
