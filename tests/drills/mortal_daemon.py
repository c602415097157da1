"""A daemon process without torch that may be killed at any moment, and is started again."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

import bridge
from bridge.client import Runtime, read_runtime

DAEMON_TESTS = Path(__file__).parents[1] / "daemon"
PROGRAM = DAEMON_TESTS / "daemon_program.py"
DEADLINE_S = 60.0


class MortalDaemon:
    """A daemon of the state folder that ``FRAMEBRIDGE_HOME`` names.

    Args:
        home: That folder.
        settings: Of the daemon.
    """

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self._settings = {"port": 0, "bootstrap": "fake_library:load", **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    @property
    def jobs_folder(self) -> Path:
        return self.home / "jobs"

    def start(self) -> Runtime:
        """Start it, and wait until it listens."""
        root = str(Path(bridge.__file__).parents[1])
        paths = os.pathsep.join([root, str(DAEMON_TESTS), str(Path(__file__).parent)])
        log = (self.home.parent / "daemon.out").open("ab")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), json.dumps(self._settings)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": paths, "FRAMEBRIDGE_HOME": str(self.home)},
            )
        deadline = time.monotonic() + DEADLINE_S
        while True:
            runtime = read_runtime()
            if runtime and runtime.pid == self.process.pid:
                return runtime
            assert self.process.poll() is None, (self.home.parent / "daemon.out").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it; its worker notices by itself."""
        self.process.kill()
        self.process.wait()

    def kill_worker(self) -> bool:
        """Kill its worker, if it has one at this moment."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "bridge.engine" in child.cmdline():
                    os.kill(child.pid, signal.SIGKILL)
                    return True
        return False

    def stop(self) -> None:
        """Have it leave properly."""
        self.process.terminate()
        self.process.wait(DEADLINE_S)

    def end(self) -> None:
        """End it, however it is."""
        if self._process and self._process.poll() is None:
            self.kill()


def check_integrity(jobs_folder: Path, scratch: Path) -> None:
    """Check a copy of the database as the dead left it."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(
        jobs_folder, scratch, ignore=shutil.ignore_patterns("*.results", "*.frame", "*.new", "*-shm")
    )
    if (scratch / "queue.sqlite3").exists():
        with contextlib.closing(sqlite3.connect(scratch / "queue.sqlite3")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
