"""Every route of a real daemon, asked with names that lead out: what it writes, and what it starts.

An audit hook of this process hears of every file that is opened for writing, moved or removed, and of every
program that is started, before it happens.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.routing import Mount, Route

from bridge.daemon import Daemon, Settings

HERE = Path(__file__).parent

EVIL = ("../../escape.txt", "/tmp/escape.txt", "..\\..\\escape.txt", "C:\\escape.txt")
FOLDERS = {"input", "output", "temp", "models", "user", "frames", "jobs", "presets", "settings"}
FILES = {"daemon.log", "daemon.json", "definitions.json", "models.json"}
PROGRAMS = {"bridge.engine", "bridge.imaging.viewing", "bridge.comfy.clerk"}
"""Modules of ours that the daemon runs in processes of their own."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MOVING = (
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.move",
)
STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")


class Witness:
    """What this process did while it was watched; hooks cannot be taken back, so that it also looks away."""

    def __init__(self) -> None:
        self.is_watching = False
        self.touched: list[Path] = []
        self.started: list[list[str]] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.is_watching:
            return
        if event in STARTING:
            self.started.append([str(word) for word in given[1]] if event == "subprocess.Popen" else [event])
        elif event in MOVING:
            self.touched += [
                Path(os.fsdecode(path)) for path in given if isinstance(path, str | bytes | Path)
            ]
        elif event == "open" and not isinstance(given[0], int):
            path, mode, flags = given
            if (mode and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITING):
                self.touched.append(Path(os.fsdecode(path)))


@pytest.fixture
def witness() -> Iterator[Witness]:
    witness = Witness()
    yield witness
    witness.is_watching = False


def requests(app_routes: list[Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and what goes with it, for every route but the one that ends the daemon."""
    for route in app_routes:
        if not isinstance(route, Route) or route.path == "/stop":
            assert isinstance(route, Route | Mount) or route.path in ("/bridge", "/ws", "/api/ws")
            continue
        for evil in EVIL:
            path = route.path_format.format_map(dict.fromkeys(route.param_convertors, quote(evil, safe="")))
            for method in sorted(route.methods or {"GET"}):
                yield method, path, {"params": {**dict.fromkeys(("filename", "file", "dir", "path"), evil)}}
                if method in ("GET", "HEAD", "DELETE"):
                    continue
                yield method, path, {"json": body(evil)}
                yield method, path, {"content": b"\x89PNG\r\n\x1a\n", "params": {"overwrite": "true"}}
                files = {"image": (evil, b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png")}
                yield (
                    method,
                    path,
                    {"files": files, "data": {"subfolder": evil, "type": "input", "overwrite": "1"}},
                )
                yield method, path, {"files": {"image": ("fine.png", png(), "image/png")}}


def png() -> bytes:
    return (HERE.parents[1] / "bridge" / "builtin" / "example.png").read_bytes()


def body(evil: str) -> dict[str, Any]:
    load = {"class_type": "Load", "inputs": {"image": evil, "checkpoint": evil}}
    names = dict.fromkeys(("filename", "name", "path", "url", "command", "module", "code", "webhook"), evil)
    return {
        "prompt": {"1": load, "2": {"class_type": evil, "inputs": {}}},
        "client_id": evil,
        "delete": [evil],
        **names,
    }


async def test_no_name_makes_a_route_write_elsewhere_or_start_anything(
    home: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    home.mkdir()
    before = set(home.parent.rglob("*")) - set(home.rglob("*"))
    async with Daemon(Settings(port=0, bootstrap="fake_library:load")) as daemon:
        headers = {"Authorization": f"Bearer {daemon.token}"}
        address = f"http://127.0.0.1:{daemon.port}"
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as http:
            routes = daemon._app().routes
            await http.get("/object_info")  # the worker is there
            witness.is_watching = True
            turns = asyncio.Semaphore(8)

            async def ask(method: str, path: str, more: dict[str, Any]) -> int:
                async with turns:
                    answer = await http.request(method, path, **more)
                assert "Traceback" not in answer.text, (method, path, more)
                return answer.status_code

            statuses = await asyncio.gather(*(ask(*request) for request in requests(routes)))
            witness.is_watching = False
    assert len(statuses) > 1000
    elsewhere = [path for path in witness.touched if not is_ours(path, home)]
    assert elsewhere == []
    assert witness.touched, "what is said to be a picture without a name that leads out is kept"
    assert [words for words in witness.started if not PROGRAMS & set(words)] == []
    assert set(home.parent.rglob("*")) - set(home.rglob("*")) == before
    assert not Path("/tmp/escape.txt").exists()


def is_ours(path: Path, home: Path) -> bool:
    """Tell whether a path lies in a folder that is for such things, or is a file of the daemon's own."""
    real = Path(os.path.realpath(path))
    if path == Path(os.devnull) or not real.is_relative_to(home):
        return path == Path(os.devnull)
    first, *rest = real.relative_to(home).parts or ("",)
    return first in FOLDERS or (not rest and first in FILES)
