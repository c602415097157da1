"""Real Blenders: one environment a version, made once and kept, and scripts that run inside it.

Where one cannot be made, its tests fail in CI and are skipped, with the reason, elsewhere.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.packaging import stage_blender

from .daemon import running_daemon
from .environments import INSTALL_S, Unavailable, clean_environment, ensure_environment

HERE = Path(__file__).parent
VERSIONS = ("4.2", "5.0")
"""What is tested unless ``--blender`` says otherwise, or a module of tests its own ``VERSIONS``."""

SCRIPT_S = 240


class Findings(dict[str, Any]):
    """What a script found, by measure; to ask for one that raised fails with its traceback."""

    def __getitem__(self, measure: str) -> Any:
        found = super().__getitem__(measure)
        if isinstance(found, dict) and set(found) == {"raised"}:
            pytest.fail(f"{measure} raised in Blender:\n{found['raised']}")
        return found


@dataclass(frozen=True)
class Blender:
    """A Blender as a Python module, with the add-on as it ships."""

    version: str
    python: Path
    addon: Path
    folder: Path

    def run(self, script: str, *, environment: dict[str, str] | None = None, **options: Any) -> Findings:
        """Run ``scripts/<script>.py`` in a process of its own and return what it reports."""
        folder = self.folder / script
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        request = {"addon": str(self.addon.parent), "folder": str(folder), "report": str(report), **options}
        inside = {"BLENDER_USER_RESOURCES": str(folder / "user"), "PYTHONPATH": str(self.addon.parent)}
        done = subprocess.run(
            [self.python, HERE / "scripts" / f"{script}.py", json.dumps(request)],
            env=clean_environment() | inside | (environment or {}),
            capture_output=True,
            text=True,
            timeout=SCRIPT_S,
        )
        if not report.exists():
            pytest.fail(f"Blender {self.version} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return Findings(json.loads(report.read_text()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "blender" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.blender)
            item.add_marker(pytest.mark.timeout(INSTALL_S + SCRIPT_S))


@pytest.fixture(scope="session")
def addon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on, staged as it ships."""
    return stage_blender(tmp_path_factory.mktemp("addon"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "blender" in metafunc.fixturenames and "blender" not in chosen:
        usual = getattr(metafunc.module, "VERSIONS", VERSIONS)
        versions = metafunc.config.getoption("blender") or usual
        metafunc.parametrize("blender", versions, indirect=True, scope="session")


@pytest.fixture(scope="session")
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
