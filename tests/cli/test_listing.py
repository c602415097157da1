import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bridge.cli import app, listing
from bridge.jobs.definitions import read_definitions

from .conftest import Command


@pytest.fixture(scope="module")
def listed(framebridge: Command) -> dict[str, Any]:
    """What the command tells of all nodes, once, as a worker starts for it."""
    return json.loads(framebridge("nodes", "--json").stdout)  # type: ignore[no-any-return]


@pytest.fixture
def nodes(listed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``framebridge nodes`` in this process, on what a worker has told."""

    async def definitions() -> Any:
        return read_definitions(listed)

    monkeypatch.setattr(listing, "node_definitions", definitions)
    return lambda *arguments: CliRunner().invoke(app, ["nodes", *arguments])


def test_nodes_lists_what_runs(listed: dict[str, Any]) -> None:
    assert {"KSampler", "CheckpointLoaderSimple", "ViewportFrame", "SendToHost"} <= set(listed)


def test_one_node_is_shown_with_its_inputs(nodes: Callable[..., Result]) -> None:
    done = nodes("KSampler")
    assert "sampler_name" in done.stdout
    assert "dpmpp_2m" in done.stdout


def test_an_unknown_node_has_a_nearest_name(nodes: Callable[..., Result]) -> None:
    done = nodes("KSamplr")
    assert done.exit_code == 2
    assert '"KSampler"' in done.stderr


def test_models_are_listed_with_those_of_a_given_folder(framebridge: Command, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(b"")
    listed = json.loads(framebridge("models", "--models", tmp_path, "--json").stdout)
    assert {"framebridge-demo", "mine.safetensors"} <= set(listed["models"]["checkpoints"])
    assert "oil painting" in listed["words"]["styles"]
    shown = framebridge("models", "--models", tmp_path).stdout
    assert "mine.safetensors" in shown
    assert "oil painting" in shown
