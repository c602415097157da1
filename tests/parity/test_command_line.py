"""``framebridge run`` gives ComfyUI's numbers too, in files that ComfyUI reads."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

HERE = Path(__file__).parent
WORKFLOWS: Mapping[str, Mapping[str, Any]] = json.loads((HERE / "workflows.json").read_text())
TOLERANCE = 1e-3  # as in test_parity


def side_by_side() -> dict[str, Any]:
    """Put all workflows into one, as starting the command takes far longer than running it."""
    nodes: dict[str, Any] = {}
    for workflow, own in WORKFLOWS.items():
        for node_id, node in own.items():
            inputs = {
                name: [f"{workflow}-{value[0]}", value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            if node["class_type"] == "SaveLatent":
                inputs["filename_prefix"] = f"parity/{workflow}"
            nodes[f"{workflow}-{node_id}"] = {**node, "inputs": inputs}
    return nodes


@pytest.fixture(scope="module")
def out(parity_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command filled."""
    folder = tmp_path_factory.mktemp("command")
    file, out = folder / "workflow.json", folder / "out"
    file.write_text(json.dumps(side_by_side()))
    options = ["--models", parity_models, "--device", "cpu", "--dtype", "float32", "--out", out]
    command = [sys.executable, "-m", "bridge", "run", file, *options, "--json"]
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(folder / "home")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    files = {str(out / "parity" / f"{name}_00001_.latent") for name in WORKFLOWS}
    assert set(json.loads(done.stdout)["files"]) == files
    return out


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_run_by_command_saves_the_latents_of_comfyui(name: str, out: Path) -> None:
    with safe_open(out / "parity" / f"{name}_00001_.latent", "numpy") as saved:
        assert set(saved.keys()) == {"latent_tensor", "latent_format_version_0"}
        assert json.loads(saved.metadata()["prompt"]) == side_by_side()
        latents = saved.get_tensor("latent_tensor")
        assert saved.get_tensor("latent_format_version_0").size == 0
    reference = np.load(HERE / "reference_latents.npz")[name]
    assert latents.shape == reference.shape
    assert np.linalg.norm(latents - reference) / np.linalg.norm(reference) < TOLERANCE
