"""A real daemon with real nodes, and a real Chromium, one each for a file of tests."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .chromium import Browser, Page, chromium

START_S = 60.0

PICTURES = os.environ.get("FRAMEBRIDGE_PAGE_PICTURES", "")
"""A folder that keeps the pictures of pages, to be looked at; without it they go with the test."""


@dataclass(frozen=True, slots=True)
class Served:
    """A daemon's address and token."""

    port: int
    token: str
    home: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, data: bytes | None = None) -> Any:
        """Ask over HTTP with the token; with data, by POST."""
        request = urllib.request.Request(self.url + path, data, {"Authorization": f"Bearer {self.token}"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=START_S) as answer:
            return json.load(answer)

    def entrance(self) -> str:
        """Return an address that lets one browser in."""
        return self.url + str(self.ask("/framebridge/key", b"")["path"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(home), "OMP_NUM_THREADS": "2"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        file = home / "daemon.json"
        deadline = time.monotonic() + START_S
        while not file.exists():
            assert process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, "the daemon does not start"
            time.sleep(0.05)
        runtime = json.loads(file.read_text())
        yield Served(runtime["port"], runtime["token"], home)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser.page()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of pages are kept."""
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
