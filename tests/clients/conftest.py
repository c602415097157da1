"""A real daemon with all nodes and the built-in model, as clients of ComfyUI's API find it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .environments import clean_environment, ensure_environment

DEADLINE_S = 120.0
PROGRAMS = Path(__file__).parent / "programs"

Told = dict[str, Any]
RunClient = Callable[..., Told]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the large ones out unless they are asked for."""
    is_asked_for = config.getoption("--every-client")
    return True if collection_path.name == "test_every_client.py" and not is_asked_for else None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a daemon whose nodes are loaded."""
    home = tmp_path_factory.mktemp("home")
    port = _free_port()
    log = (home / "out").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--comfy-compatible"],
        stdout=log,
        stderr=log,
        env={**os.environ, "FRAMEBRIDGE_HOME": str(home)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/object_info/KSampler", process)
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        log.close()


@pytest.fixture(scope="session")
def run_client(server: str, tmp_path_factory: pytest.TempPathFactory) -> RunClient:
    """Run a program of ``programs/`` in the clients' environment; returns what it prints last, as JSON."""

    def run(program: str, *arguments: str, requirements: str = "requirements.txt") -> Told:
        python = ensure_environment(requirements)
        done = subprocess.run(
            [str(python), str(PROGRAMS / program), server, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            cwd=tmp_path_factory.mktemp("client"),
            env=clean_environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        told: Told = json.loads(done.stdout.strip().splitlines()[-1])
        return told

    return run


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=DEADLINE_S).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the daemon did not come up")
