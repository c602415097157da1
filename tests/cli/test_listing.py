import json
from pathlib import Path

from .conftest import Command


def test_nodes_lists_what_runs(framebridge: Command) -> None:
    listed = json.loads(framebridge("nodes", "--json").stdout)
    assert {"KSampler", "CheckpointLoaderSimple", "ViewportFrame", "SendToHost"} <= set(listed)


def test_one_node_is_shown_with_its_inputs(framebridge: Command) -> None:
    done = framebridge("nodes", "KSampler")
    assert "sampler_name" in done.stdout
    assert "dpmpp_2m" in done.stdout


def test_an_unknown_node_has_a_nearest_name(framebridge: Command) -> None:
    done = framebridge("nodes", "KSamplr")
    assert done.returncode == 2
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
