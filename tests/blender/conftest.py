"""Real Blenders: one environment a version, made once and kept, and scripts that run inside it.

Environments lie in the user's cache folder, or in ``FRAMEBRIDGE_BPY_DIR``: ``bpy-5.0/bin/python``.
Where one cannot be made, its tests fail in CI and are skipped, with the reason, elsewhere.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from filelock import FileLock
from platformdirs import user_cache_dir

from bridge.packaging import stage_blender

from .daemon import running_daemon

HERE = Path(__file__).parent
VERSIONS = ("4.2", "5.0")
PYTHON = "3.11"
"""What these versions of ``bpy`` are built for."""

REQUIREMENTS = ("bpy=={version}.*", "websockets>=15")
INSTALL_S = 1500
SCRIPT_S = 240
GRAPHICS_LIBRARIES = "libegl1 libgl1 libgl1-mesa-dri"
WINDOW_LIBRARIES = "libgomp1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxxf86vm1"


class Unavailable(Exception):
    """A Blender that cannot be had here."""


@dataclass(frozen=True)
class Blender:
    """A Blender as a Python module, with the add-on as it ships."""

    version: str
    python: Path
    addon: Path
    folder: Path

    def run(
        self, script: str, *, environment: dict[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Run ``scripts/<script>.py`` in a process of its own and return what it reports."""
        folder = self.folder / script
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        request = {"addon": str(self.addon.parent), "folder": str(folder), "report": str(report), **options}
        inside = {"BLENDER_USER_RESOURCES": str(folder / "user"), "PYTHONPATH": str(self.addon.parent)}
        done = subprocess.run(
            [self.python, HERE / "scripts" / f"{script}.py", json.dumps(request)],
            env=_clean_environment() | inside | (environment or {}),
            capture_output=True,
            text=True,
            timeout=SCRIPT_S,
        )
        if not report.exists():
            pytest.fail(f"Blender {self.version} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return json.loads(report.read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "blender" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.blender)
            item.add_marker(pytest.mark.timeout(INSTALL_S + SCRIPT_S))


@pytest.fixture(scope="session")
def addon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on, staged as it ships."""
    return stage_blender(tmp_path_factory.mktemp("addon"))


@pytest.fixture(scope="session", params=VERSIONS)
def blender(request: pytest.FixtureRequest, addon: Path, tmp_path_factory: pytest.TempPathFactory) -> Blender:
    version = request.param
    try:
        python = ensure_environment(version)
    except Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no Blender {version}: {reason}")
        pytest.skip(f"no Blender {version}: {reason}")
    return Blender(version, python, addon, tmp_path_factory.mktemp(f"blender-{version}"))


@pytest.fixture(scope="module")
def daemon_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A daemon with the built-in model, and the folder where clients find it."""
    home = tmp_path_factory.mktemp("home")
    with running_daemon(home):
        yield home


@pytest.fixture(scope="session")
def addon_module(addon: Path) -> Callable[[str], ModuleType]:
    """Import a module of the staged add-on that needs no Blender, past ``__init__``, which does."""
    package = sys.modules["framebridge"] = ModuleType("framebridge")
    package.__path__ = [str(addon)]
    return lambda name: importlib.import_module(f"framebridge.{name}")


def ensure_environment(version: str) -> Path:
    """Return the Python of an environment with this Blender, which is made if there is none.

    Raises:
        Unavailable: With the reason.
    """
    root = Path(os.environ.get("FRAMEBRIDGE_BPY_DIR") or user_cache_dir("framebridge"))
    home = root / f"bpy-{version}"
    python = home / "bin" / "python"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"bpy-{version}.lock", timeout=INSTALL_S):
        if not python.exists():
            building = root / f"bpy-{version}.building"
            shutil.rmtree(building, ignore_errors=True)
            _build(building, version)
            building.rename(home)
    return python


def _build(home: Path, version: str) -> None:
    base = sys.executable if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON else f"python{PYTHON}"
    if not shutil.which(base):
        raise Unavailable(f"python{PYTHON} is not installed")
    python = home / "bin" / "python"
    _try([base, "-m", "venv", str(home)], "the environment cannot be made")
    wanted = [requirement.format(version=version) for requirement in REQUIREMENTS]
    _try(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], "pip failed"
    )
    _try(
        [str(python), "-c", "import bpy"],
        f"bpy does not start without {GRAPHICS_LIBRARIES} {WINDOW_LIBRARIES}",
    )


def _try(command: list[str], complaint: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, env=_clean_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{complaint} within {INSTALL_S} s") from error
    if done.returncode:
        raise Unavailable(f"{complaint}: {(done.stderr or done.stdout).strip()[-1000:]}")


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
