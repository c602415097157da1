"""The packed add-on, installed, updated and removed by real Blenders as their users do it."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import serve

from bridge import __version__
from bridge.packaging import fetch_wheels, package_blender, stage_blender, write_archive, write_index

SCRIPTS = Path(__file__).parent / "scripts"
BLENDER_S = 120
NEWER = "999.0.1"
BLENDERS_OWN = {
    "extensions",
    "extensions/.cache",
    "extensions/.cache/compat.dat",
    "extensions/.local",
    "extensions/.local/lib",
    "extensions/.local/lib/python3.11",
    "extensions/.local/lib/python3.11/site-packages",
    "extensions/user_default",
    "extensions/user_default/.blender_ext",
    "extensions/user_default/.blender_ext/cache",
}
"""Empty folders, and a note of which extensions fit, that Blender keeps once anything was installed."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``framebridge package blender`` writes."""
    folder = tmp_path_factory.mktemp("dist")
    package_blender(folder)
    return folder


@pytest.fixture(scope="module")
def archive(out: Path) -> Path:
    return out / f"framebridge-{__version__}.zip"


Build = Callable[..., Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Pack the add-on after a change to its staged folder."""

    def build(name: str, change: Callable[[Path], None], with_wheels: bool = True) -> Path:
        folder = tmp_path_factory.mktemp("changed")
        addon = stage_blender(folder, fetch_wheels() if with_wheels else ())
        change(addon)
        return write_archive(addon, folder / name)

    return build


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def installed(blender, archive: Path) -> dict[str, Any]:
    return blender.run("install", archive=str(archive))


def test_archive_installs_and_is_enabled(installed):
    assert installed["installed"]["is_enabled"]


def test_client_uses_the_installed_binary_wheel(installed):
    found = installed["installed"]
    assert found["connect"] == "websockets.asyncio.client"
    assert found["websockets"].startswith(found["resources"])
    assert found["speedups"].startswith(found["resources"])
    assert found["speedups"].endswith((".so", ".pyd"))


def test_add_on_at_rest_runs_no_thread(installed):
    assert installed["installed"]["threads"] == ["MainThread"]


def test_disabled_add_on_leaves_nothing_in_blender(installed):
    found = installed["removed"]["disabled"]
    came = {kind: items for kind, items in found["difference"].items() if kind != "path"}
    assert came == {}
    assert found["timers"] == []


def test_uninstalled_add_on_leaves_no_file(installed):
    found = installed["removed"]
    assert not found["is_enabled"]
    assert set(found["files"]) <= BLENDERS_OWN


def test_extension_without_a_wheel_for_the_platform_uses_the_bundled_one(
    blender, build: Build, tmp_path: Path
):
    def drop_binary_wheels_of_linux(addon: Path) -> None:
        manifest = addon / "blender_manifest.toml"
        lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
        manifest.write_text("".join(line for line in lines if "manylinux" not in line), encoding="utf-8")

    archive = build("framebridge.zip", drop_binary_wheels_of_linux)
    environment = {"BLENDER_USER_RESOURCES": str(tmp_path)}
    found = blender.run("install", archive=str(archive), environment=environment)["installed"]
    assert found["is_enabled"]
    assert found["connect"] == "bl_ext.user_default.framebridge.websockets.asyncio.client"
    assert found["websockets"] == ""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def served(out: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A copy of the release on a web server: its folder and the address of its listing."""
    folder = shutil.copytree(out, tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/index.json"
        server.shutdown()
        thread.join()


def test_repository_installs_the_add_on_and_updates_it(blender, build: Build, served: tuple[Path, str]):
    def become_newer(addon: Path) -> None:
        replace(addon / "blender_manifest.toml", f'version = "{__version__}"', f'version = "{NEWER}"')
        replace(addon / "_bridge" / "__init__.py", f'"{__version__}"', f'"{NEWER}"')

    newer = build(f"framebridge-{NEWER}.zip", become_newer)
    shutil.rmtree(newer.parent / "framebridge")
    write_index(newer)
    folder, url = served
    found = blender.run("install_remote", url=url, served=str(folder), newer=str(newer.parent))
    assert found["from_repository"] == {"is_enabled": True, "running": __version__, "on_disk": __version__}
    assert found["updated"] == {"is_enabled": True, "running": NEWER, "on_disk": NEWER}


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """A server that says what it is told."""

    def answer(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


Legacy = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def legacy(echo: str, tmp_path: Path) -> Legacy:
    """Install an archive in the Blender on the path, if it is of before extensions."""
    blender = shutil.which("blender")
    if blender is None:
        pytest.skip("no blender on the PATH")
    version = subprocess.run([blender, "--version"], capture_output=True, text=True).stdout.split()[1]
    if tuple(map(int, version.split(".")[:2])) >= (4, 2):
        pytest.skip(f"the blender on the PATH is {version}, which has extensions")

    def run(archive: Path, **options: Any) -> tuple[dict[str, Any], str]:
        request = {"archive": str(archive), "report": str(tmp_path / "report.json"), "echo": echo, **options}
        done = subprocess.run(
            [
                *(blender, "--background", "--factory-startup", "--python-exit-code", "9"),
                *("--python", SCRIPTS / "install_legacy.py", "--", json.dumps(request)),
            ],
            env=os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")},
            capture_output=True,
            text=True,
            timeout=BLENDER_S,
        )
        said = done.stdout + done.stderr
        assert (tmp_path / "report.json").exists(), said
        return json.loads((tmp_path / "report.json").read_text()), said

    return run


def test_legacy_add_on_talks_through_its_own_websockets(legacy: Legacy, archive: Path):
    found, said = legacy(archive, remove=True)
    assert found["installed"] == {
        "is_enabled": True,
        "connect": "framebridge.websockets.asyncio.client",
        "answer": "hello",
        "websockets": [],
        "wheels_on_path": [],
    }, said
    came = {kind: items for kind, items in found["removed"]["difference"].items() if kind != "path"}
    assert came == {}
    assert found["removed"]["timers"] == []
    assert not [path for path in found["removed"]["files"] if "framebridge" in path]


def test_old_websockets_of_another_add_on_stays_and_does_no_harm(
    legacy: Legacy, archive: Path, tmp_path: Path
):
    old = tmp_path / "old" / "websockets"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("is_old = True\n")
    (old / "exceptions.py").write_text("")
    (old / "version.py").write_text('version = "10.4"\n')
    found, said = legacy(archive, old_websockets=str(old.parent))
    assert found["installed"]["connect"] == "framebridge.websockets.asyncio.client", said
    assert found["installed"]["answer"] == "hello"
    assert set(found["installed"]["websockets"]) <= {"websockets", "websockets.version"}


def test_too_old_python_is_one_sentence(legacy: Legacy, archive: Path):
    found, said = legacy(archive, python=[3, 10, 9])
    assert found["installed"]["is_enabled"] is False
    assert "cause: Framebridge needs Python 3.11, which comes with Blender 4.1 and later; this" in said
    assert "Traceback" not in said


def test_missing_wheels_are_one_sentence(legacy: Legacy, build: Build):
    found, said = legacy(build("framebridge.zip", lambda addon: None, with_wheels=False))
    assert found["installed"]["is_enabled"] is False
    assert 'install the zip that "framebridge package blender" writes' in said
    assert "Traceback" not in said


def test_damaged_wheel_is_one_sentence(legacy: Legacy, build: Build):
    def damage(addon: Path) -> None:
        wheel = next((addon / "wheels").glob("*-py3-none-any.whl"))
        wheel.write_bytes(wheel.read_bytes()[:50_000])

    found, said = legacy(build("framebridge.zip", damage))
    assert found["installed"]["is_enabled"] is False
    assert "py3-none-any.whl is damaged; install Framebridge again" in said
    assert "Traceback" not in said
