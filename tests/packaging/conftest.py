from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.packaging import fetch_wheels, stage_blender, write_archive

Edit = Callable[[Path], None]
Pack = Callable[[Edit], Path]


@pytest.fixture(scope="session")
def addon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on's folder with its wheels; not to be changed."""
    return stage_blender(tmp_path_factory.mktemp("addon"), fetch_wheels())


@pytest.fixture(scope="session")
def archive(addon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on as it ships."""
    return write_archive(addon, tmp_path_factory.mktemp("archive") / "framebridge-0.1.0.zip")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Pack the add-on after a change to its folder."""

    def pack(change: Edit) -> Path:
        addon = stage_blender(tmp_path / "changed", fetch_wheels())
        change(addon)
        return write_archive(addon, tmp_path / "framebridge.zip")

    return pack
