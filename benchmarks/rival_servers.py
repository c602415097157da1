"""Servers to measure: our daemon and ComfyUI's own, each a process with folders of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

START_S = 180.0
STOP_S = 20.0
ASK_EVERY_S = 0.002


class Server:
    """A server that has been started.

    Args:
        command: What to run.
        home: Its folder; it is the current one too.
        port: Where it will listen.
        environment: Added to ours.

    Attributes:
        port: The same.
        home: The same.
        first_answer_s: From its start until it answered ``GET /queue``.
    """

    def __init__(
        self, command: Sequence[str], home: Path, port: int, environment: dict[str, str] | None = None
    ) -> None:
        self.port, self.home = port, home
        with open(home / "log.txt", "ab") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command, cwd=home, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
            )
        self.first_answer_s = self._until_answers() - began

    @property
    def output(self) -> Path:
        """Where it keeps pictures."""
        return self.home / "output"

    def memory_bytes(self) -> int:
        """Return what it and all its children hold, shared pages divided by their holders (PSS)."""
        process = psutil.Process(self._process.pid)
        return sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True)))

    def stop(self) -> None:
        """Have it leave."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _until_answers(self) -> float:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=START_S)
            try:
                connection.request("GET", "/queue")
                if connection.getresponse().status == 200:
                    return time.perf_counter()
            except (OSError, HTTPException):
                assert self._process.poll() is None, f"it has left; see {self.home / 'log.txt'}"
            finally:
                connection.close()
            time.sleep(ASK_EVERY_S)
        raise TimeoutError(f"no answer on port {self.port}; see {self.home / 'log.txt'}")


def start_framebridge(home: Path) -> Server:
    """Start our daemon, open to ComfyUI's clients."""
    port = free_port()
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--comfy-compatible"]
    return Server(command, home, port, {"FRAMEBRIDGE_HOME": str(home), "PYTHONPATH": root})


def start_comfyui(home: Path, checkout: Path, python: Path) -> Server:
    """Start ComfyUI on the CPU, without its nodes for paid services."""
    port = free_port()
    command = [
        *(str(python), str(checkout / "main.py"), "--cpu", "--listen", "127.0.0.1", "--port", str(port)),
        *("--disable-api-nodes", "--base-directory", str(home)),
        *("--database-url", f"sqlite:///{home / 'comfyui.db'}"),
    ]
    for name in ("input", "output", "temp", "custom_nodes", "models", "user"):
        (home / name).mkdir(exist_ok=True)
    return Server(command, home, port)


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
