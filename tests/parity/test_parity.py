"""The same workflow gives the same latents, or pictures, as in ComfyUI."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from bridge.diffusion import Image, free
from bridge.engine import Cache, Folders, Job, NodeLibrary, current_job, execute
from bridge.graph import Registry, node, parse_workflow, validate
from bridge.models import Catalogue
from bridge.nodes import load

HERE = Path(__file__).parent
WORKFLOWS: dict[tuple[str, str], Any] = {
    (file.stem.removesuffix("workflows"), name): workflow
    for file in sorted(HERE.glob("*workflows.json"))
    for name, workflow in json.loads(file.read_text()).items()
}
"""Topic and name → workflow; the results of each topic are in a file beside it."""

TOLERANCE = 1e-3  # float32 on other kernels; measured: 1e-6 to 1e-5, and 2e-4 for pictures kept as float16


@node("PreviewImage", category="image", is_output=True)
def keep_pictures(images: Image) -> None:
    """Keep pictures as they are; a file of eight bits is too coarse to compare."""
    np.save(current_job().folders.output / "pictures.npy", images.numpy())


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def library(request: pytest.FixtureRequest) -> Iterator[NodeLibrary]:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    loaded = load({"device": request.param, "dtype": "float32"})
    others = (function for name, function in loaded.registry.items() if name != "PreviewImage")
    yield replace(loaded, registry=Registry([*others, keep_pictures.node]))
    load({"device": "cpu"})
    free()


@pytest.fixture(scope="module")
def cache(library: NodeLibrary) -> Cache:
    """Shared by the workflows, so that models load once for each device."""
    return Cache(2**30)


@pytest.mark.parametrize(("topic", "name"), WORKFLOWS, ids=lambda part: part.strip("_"))
async def test_results_equal_comfyui(
    topic: str, name: str, library: NodeLibrary, cache: Cache, parity_models: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue([parity_models])
    checked = validate(parse_workflow(WORKFLOWS[topic, name]), library.registry.definitions, catalogue.names)
    assert not checked.problems
    job = Job("parity", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (parity_models,)))

    outcome = await execute(checked.workflow, checked.outputs, library.registry, cache, job)

    if shown := outcome.shown.get("9"):
        [saved] = shown["latents"]
        result = load_file(tmp_path / saved["subfolder"] / saved["filename"])["latent_tensor"]
    else:
        result = np.load(tmp_path / "pictures.npy")
    reference = np.load(HERE / f"{topic or 'reference_'}latents.npz")[name].astype(np.float32)
    assert result.shape == reference.shape
    assert np.linalg.norm(result - reference) / np.linalg.norm(reference) < TOLERANCE
