"""The plugin as it ships, and the engines' API that it is held against.

Where an engine's stub cannot be fetched, what needs it is skipped with the reason, which fails in CI.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .checking import stage
from .editing import plugged
from .facts import Contract, Stub
from .fake import contract
from .stubs import NEWEST, Unavailable, ensure_stub
from .world import World


def stub_or_skip(engine: str) -> Stub:
    """Return what an engine has, or skip the test."""
    try:
        return Stub(ensure_stub(engine), engine)
    except Unavailable as reason:
        pytest.skip(f"no contract of Unreal {engine}: {reason}")


@pytest.fixture(scope="session")
def newest_stub() -> Stub:
    """The newest engine's API."""
    return stub_or_skip(NEWEST)


@pytest.fixture(scope="session")
def known() -> Contract:
    """The newest engine's API, or what is written down of it."""
    return contract()


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's package, with what it vendors."""
    return stage(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def plugin(staged: Path, world: World) -> Iterator[Any]:
    """What imports a module of the plugin, in the module's scripted editor ``world``."""
    with plugged(staged, world) as imported:
        yield imported


@pytest.fixture
def eye(plugin: Any, tmp_path: Path) -> Any:
    """What captures in that editor."""
    return plugin("host.eye").UnrealEye(tmp_path / "Capture")
