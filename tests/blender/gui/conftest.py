"""A Blender with a window, and a daemon for it; both once a module."""

import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .window import Window, window

PROGRAMS = ("blender", "Xvfb", "xdotool")
START_TEST_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.blender)
            item.add_marker(pytest.mark.timeout(START_TEST_S))


@pytest.fixture(scope="session")
def programs() -> None:
    """What a window needs; in CI it must be there."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"a Blender with a window needs {', '.join(missing)}")


@pytest.fixture(scope="module")
def user_folder(addon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``BLENDER_USER_RESOURCES`` with the add-on as a legacy one, and the ``websockets`` it is to find."""
    user = tmp_path_factory.mktemp("user")
    addons = user / "scripts" / "addons"
    shutil.copytree(addon, addons / "framebridge")
    packed = importlib.metadata.files("websockets") or []
    for file in packed:
        if file.parts[0] == "websockets" and file.suffix == ".py":
            target = addons / "modules" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)
    return user


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``FRAMEBRIDGE_HOME`` without a daemon."""
    return tmp_path_factory.mktemp("no-daemon")


@pytest.fixture(scope="module")
def lone_window(
    programs: None, user_folder: Path, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Window]:
    """A Blender with the add-on, and no daemon to find."""
    with window(tmp_path_factory.mktemp("window"), user_folder, _home(empty_home), "framebridge") as opened:
        yield opened


@pytest.fixture(scope="module")
def connected_window(
    programs: None, user_folder: Path, daemon_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Window]:
    """A Blender with the add-on, and a daemon that runs."""
    with window(tmp_path_factory.mktemp("window"), user_folder, _home(daemon_home), "framebridge") as opened:
        yield opened


def _home(folder: Path) -> dict[str, str]:
    return {"FRAMEBRIDGE_HOME": str(folder)}
