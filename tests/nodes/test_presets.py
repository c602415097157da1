"""The presets run: on the built-in model, and on files like those that users have."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bridge.builtin import all_presets, demo_frame_file, expand, expand_preset, load_preset, model_folder
from bridge.diffusion import free, networks
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.errors import WorkflowError
from bridge.graph import parse_workflow, validate
from bridge.imaging import decode_plane, load_frame, to_plane
from bridge.models import Catalogue
from bridge.nodes import load
from bridge.protocol import Frame, Plane, Result

SMALL = {"width": 64, "height": 64, "steps": 2}
WANTED = {
    "checkpoint": "v1-5-pruned-emaonly-fp16.safetensors",
    "controlnet": [
        "control_v11f1p_sd15_depth_fp16.safetensors",
        "control_v11p_sd15_canny_fp16.safetensors",
        "control_v11p_sd15_normalbae_fp16.safetensors",
    ],
}


class Anything(tuple[str, ...]):
    """The names of models, whatever is asked for."""

    def __contains__(self, name: object) -> bool:
        return True


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


@pytest.mark.parametrize(
    "name",
    ["sketch", "relight", "outpaint", "sketch-sd15", "relight-sd15", "outpaint-sd15", "sheet-sd15"],
)
async def test_the_other_presets_run(library: NodeLibrary, job: Job, name: str) -> None:
    _, picture = await run(library, job, expand_preset(name, SMALL))
    assert picture.shape == (64, 64, 3)
    assert len(set(bytes(picture.data))) > 16, "a picture, not a colour"


async def test_outpainting_keeps_what_the_mask_leaves_out(library: NodeLibrary, job: Job) -> None:
    assert job.frame
    color = np.zeros((64, 64, 3), np.uint8)
    color[..., 0] = 200
    mask = np.zeros((64, 64), np.float32)
    mask[:, :16] = 1
    planes = {
        "color": to_plane("color", color),
        "depth": Plane("depth", (64, 64), "f32", np.full((64, 64), 3, np.float32).tobytes()),
        "mask": Plane("mask", (64, 64), "f32", mask.tobytes()),
    }
    seen = replace(job, frame=Frame(planes))
    _, picture = await run(library, seen, expand_preset("outpaint", SMALL | {"width": 64, "height": 64}))
    pixels = decode_plane(picture)
    assert (pixels[:, 16:] == color[:, 16:]).all()
    assert (pixels[:, :16] != color[:, :16]).any()


def test_every_preset_is_a_sound_workflow_of_our_nodes(library: NodeLibrary) -> None:
    for preset in all_presets()[0].values():
        workflow = parse_workflow(expand(preset, {}))
        found = validate(workflow, library.registry.definitions, lambda folder: Anything())
        assert not found.problems, preset.name
        assert not found.warnings, preset.name
        assert len(found.outputs) == 1, preset.name


def test_every_model_that_a_preset_names_is_a_control_or_comes_along(library: NodeLibrary) -> None:
    ours = {"framebridge-demo", "framebridge-demo-depth", "framebridge-demo-canny", "RealESRGAN_x4plus"}
    for preset in all_presets()[0].values():
        controls = {target for control in preset.controls for target in control.targets}
        for node_id, node in preset.workflow.items():
            for entry in library.registry.definitions[node["class_type"]].inputs:
                name = node["inputs"].get(entry.name)
                if entry.choices_from and name not in ours:
                    assert (node_id, entry.name) in controls, (preset.name, node_id, name)


async def test_controlnets_of_bypassed_units_need_not_be_installed(library: NodeLibrary, job: Job) -> None:
    absent = {"normal_model": "nowhere.safetensors", "normal_weight": 0}
    await run(library, job, expand_preset("stylize-sd15", SMALL | absent))
    with pytest.raises(WorkflowError) as caught:
        await run(library, job, expand_preset("stylize-sd15", SMALL | absent | {"normal_weight": 0.1}))
    [problem] = caught.value.problems
    assert problem.node_id == "19"
    assert "nowhere.safetensors" in problem.message
