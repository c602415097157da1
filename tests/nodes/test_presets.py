"""The presets run: on the built-in model, and on files like those that users have."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bridge.builtin import demo_frame_file, expand_preset, load_preset, model_folder
from bridge.diffusion import free, networks
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.errors import WorkflowError
from bridge.graph import parse_workflow, validate
from bridge.imaging import load_frame
from bridge.models import Catalogue
from bridge.nodes import load
from bridge.protocol import Result

SMALL = {"width": 64, "height": 64, "steps": 2}
WANTED = {
    "checkpoint": "v1-5-pruned-emaonly.safetensors",
    "controlnet": [
        "control_v11f1p_sd15_depth_fp16.safetensors",
        "control_v11p_sd15_canny_fp16.safetensors",
        "control_v11p_sd15_normalbae_fp16.safetensors",
    ],
}


@pytest.fixture(scope="module")
def library() -> Iterator[NodeLibrary]:
    yield load({"device": "cpu"})
    free()


@pytest.fixture(scope="module")
def ldm() -> Any:
    """Writes single files in the original naming style."""
    place = Path(__file__).parents[1] / "diffusion" / "ldm.py"
    spec = importlib.util.spec_from_file_location("ldm", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any, ldm: Any) -> Path:
    """A model folder with tiny models under the names that the preset looks for."""
    root: Path = tmp_path_factory.mktemp("models")
    for folder in ("checkpoints", "controlnet"):
        (root / folder).mkdir()
    unet = with_weights(networks.empty_unet({**ldm.UNET, "layers_per_block": 1}))
    vae = with_weights(networks.empty_autoencoder(ldm.AUTOENCODER))
    text = with_weights(networks.empty_text_tower(ldm.TEXT))
    ldm.write_checkpoint(root / "checkpoints" / WANTED["checkpoint"], unet, vae, text)
    for name in WANTED["controlnet"]:
        control = with_weights(networks.empty_controlnet({**ldm.CONTROLNET, "layers_per_block": 1}))
        tensors = {f"control_model.{key}": tensor for key, tensor in ldm.unet_state(control, 1).items()}
        save_file(tensors, root / "controlnet" / name)
    return root


def with_weights(module: Any) -> Any:
    torch.manual_seed(0)
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape) / max(parameter[0].numel(), 4) ** 0.5
    return module


@pytest.fixture
def job(tmp_path: Path, models: Path) -> Job:
    folders = Folders(tmp_path, tmp_path, tmp_path, tmp_path, (models,))
    return Job("job", folders, frame=load_frame(demo_frame_file()))


async def run(library: NodeLibrary, job: Job, workflow: Any) -> Any:
    """Run a preset's workflow; returns the nodes that took time, and the picture."""
    catalogue = Catalogue(job.folders.models, model_folder())
    checked = validate(parse_workflow(workflow), library.registry.definitions, catalogue.names)
    checked.raise_if_nothing_runs()
    assert not checked.warnings
    sent: list[Any] = []
    job = replace(job, emit=sent.append, workflow=workflow)
    outcome = await execute(checked.workflow, checked.outputs, library.registry, Cache(2**30), job)
    [result] = [message for message in sent if isinstance(message, Result)]
    return set(outcome.seconds), result.planes[0]


@pytest.mark.parametrize("name", ["stylize", "stylize-sd15", "objects", "inpaint"])
async def test_a_preset_runs_with_all_of_its_units_and_with_none(
    library: NodeLibrary, job: Job, name: str
) -> None:
    weights = [unit.weight for unit in load_preset(name).units]
    ran, every = await run(library, job, expand_preset(name, SMALL | dict.fromkeys(weights, 0.9)))
    assert {"ControlNetLoader", "ControlNetApplyAdvanced", "ViewportEdges"} <= ran
    ran, none = await run(library, job, expand_preset(name, SMALL | dict.fromkeys(weights, 0)))
    assert not {"ControlNetLoader", "ControlNetApplyAdvanced", "ViewportEdges"} & ran
    assert every.shape == none.shape == (64, 64, 3)
    assert every.data != none.data


async def test_controlnets_of_bypassed_units_need_not_be_installed(library: NodeLibrary, job: Job) -> None:
    absent = {"normal_model": "nowhere.safetensors", "normal_weight": 0}
    await run(library, job, expand_preset("stylize-sd15", SMALL | absent))
    with pytest.raises(WorkflowError) as caught:
        await run(library, job, expand_preset("stylize-sd15", SMALL | absent | {"normal_weight": 0.1}))
    [problem] = caught.value.problems
    assert problem.node_id == "19"
    assert "nowhere.safetensors" in problem.message
