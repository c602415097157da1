"""The workflow of ComfyUI's documentation runs as it stands, but for the checkpoint's name."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bridge.builtin import model_folder
from bridge.diffusion import free
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.graph import parse_workflow, set_values, validate
from bridge.models import Catalogue
from bridge.nodes import load

WORKFLOW = json.loads((Path(__file__).parents[1] / "graph" / "tutorial.json").read_text())


@pytest.fixture(scope="module")
def library() -> Iterator[NodeLibrary]:
    yield load({"device": "cpu"})
    free()


async def run(library: NodeLibrary, cache: Cache, job: Job, **values: Any) -> Any:
    named = {"4.ckpt_name": "framebridge-demo", "5.width": 64, "5.height": 64, "3.steps": 2}
    workflow = set_values(
        parse_workflow(WORKFLOW), named | {key.replace("_", ".", 1): v for key, v in values.items()}
    )
    checked = validate(workflow, library.registry.definitions, Catalogue([], model_folder()).names)
    assert not checked.problems
    job = replace(job, workflow=workflow.to_json())
    return await execute(checked.workflow, checked.outputs, library.registry, cache, job)


async def test_it_saves_a_picture(library: NodeLibrary, tmp_path: Path) -> None:
    sent: list[Any] = []
    job = Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path), emit=sent.append)
    outcome = await run(library, Cache(2**30), job)
    [saved] = outcome.shown["9"]["images"]
    with Image.open(tmp_path / saved["subfolder"] / saved["filename"]) as picture:
        assert picture.size == (64, 64)
    steps = [(message.node, message.value) for message in sent if message.node == "3"]
    assert steps == [("3", 1), ("3", 2)]
    assert {message.node for message in sent} == {"4", "3"}  # the checkpoint's weights are read


async def test_another_seed_runs_only_what_depends_on_it(library: NodeLibrary, tmp_path: Path) -> None:
    cache, job = Cache(2**30), Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path))
    await run(library, cache, job)
    outcome = await run(library, cache, job, **{"3_seed": 1})
    assert set(outcome.seconds) == {"KSampler", "VAEDecode", "SaveImage"}
