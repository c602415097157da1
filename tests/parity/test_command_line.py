"""``framebridge run`` gives ComfyUI's numbers too, in files that ComfyUI reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

HERE = Path(__file__).parent
WORKFLOWS = json.loads((HERE / "workflows.json").read_text())
TOLERANCE = 1e-3  # as in test_parity


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_run_by_command_saves_the_latents_of_comfyui(
    name: str, parity_models: Path, tmp_path: Path
) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(WORKFLOWS[name]))
    options = ["--models", parity_models, "--device", "cpu", "--dtype", "float32", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "bridge", "run", file, *options, "--json"]
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr

    report = json.loads(done.stdout)
    assert report["files"] == [str(tmp_path / "out" / "parity" / "p_00001_.latent")]
    with safe_open(report["files"][0], "numpy") as saved:
        assert set(saved.keys()) == {"latent_tensor", "latent_format_version_0"}
        assert json.loads(saved.metadata()["prompt"]) == WORKFLOWS[name]
        latents = saved.get_tensor("latent_tensor")
        assert saved.get_tensor("latent_format_version_0").size == 0
    reference = np.load(HERE / "reference_latents.npz")[name]
    assert latents.shape == reference.shape
    assert np.linalg.norm(latents - reference) / np.linalg.norm(reference) < TOLERANCE
