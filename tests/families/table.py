"""The table of model × mode: what runs, and how far its latents are from those of diffusers' pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from bridge.diffusion import free
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.graph import parse_workflow, validate
from bridge.models import Catalogue, Family
from tests.families.pictures import write_pictures
from tests.families.pipelines import Pipelines
from tests.families.published import (
    Published,
    clip_vision,
    controlnet,
    ip_adapter,
    lora,
    save,
    write_model,
)
from tests.families.workflows import OTHER, OWN, Graph, Mode, workflow

OTHER_FAMILY = {
    Family.SD1: Family.SDXL,
    Family.SD2: Family.SD1,
    Family.SDXL: Family.SD1,
    Family.SDXL_REFINER: Family.SDXL,
}
"""Family → the one whose ControlNet, LoRA and IP-Adapter are tried on it in vain."""

_PARTS = {"controlnet": controlnet, "loras": lora, "ipadapter": ip_adapter}


@dataclass(frozen=True, slots=True)
class Made:
    """What a cell's workflow made.

    Args:
        latents: Shape (1, C, h, w).
        picture: Shape (H, W, 3), 0..255.
        enlarged: The latents that the second pass of upscaling started from.
        hint: The edge map that was shown, like ``picture``.
    """

    latents: Tensor
    picture: Any
    enlarged: Tensor | None
    hint: Any = None

    def error(self, expected: Tensor) -> float:
        """Return the relative error of the latents."""
        return float((self.latents - expected).norm() / expected.norm())


class Bench:
    """A model folder with a published model and parts for it, for our engine and diffusers' pipelines."""

    def __init__(self, model: Published, library: NodeLibrary, root: Path) -> None:
        self.model = model
        self._library = library
        models = root / "models"
        self._folders = Folders(root / "input", root / "output", root, root, (models,))
        self._cache = Cache(2**30)  # shared by the cells, so that networks load once
        write_model(model, models)
        save(models / "clip_vision" / OWN, clip_vision())
        for folder, part in _PARTS.items():
            save(models / folder / OWN, part(model.family))
            save(models / folder / OTHER, part(OTHER_FAMILY[model.family]))
        write_pictures(self._folders.input)
        self.pipelines = Pipelines(model, models)

    async def run(self, mode: Mode, part: str = OWN) -> Made:
        """Run a cell's workflow.

        Raises:
            BridgeError: If the cell is refused.
        """
        return await run(workflow(self.model, mode, part), self._library, self._folders, self._cache)

    def pipeline_latents(self, mode: Mode, made: Made) -> Tensor | None:
        """Return what diffusers' pipeline makes; ``None`` where there is none."""
        return self.pipelines.latents(mode, made.enlarged)


async def run(graph: Graph, library: NodeLibrary, folders: Folders, cache: Cache) -> Made:
    """Run a workflow.

    Raises:
        BridgeError: If it is refused.
    """
    catalogue = Catalogue(folders.models)
    pictures = [file.name for file in folders.input.iterdir()]
    checked = validate(
        parse_workflow(graph),
        library.registry.definitions,
        lambda folder: pictures if folder == "input" else catalogue.names(folder),
    )
    assert not checked.problems, checked.problems
    job = Job("families", folders)
    outcome = await execute(checked.workflow, checked.outputs, library.registry, cache, job)
    saved: dict[str, Any] = {}
    for node, shown in outcome.shown.items():
        [[named]] = shown.values()
        file = folders.output / named["subfolder"] / named["filename"]
        is_picture = file.suffix == ".png"
        saved[graph[node]["inputs"]["filename_prefix"]] = (
            np.asarray(Image.open(file), np.float32) if is_picture else load_file(file)["latent_tensor"]
        )
    return Made(saved["latents"], saved["picture"], saved.get("enlarged"), saved.get("hint"))


@contextmanager
def bench(model: Published, library: NodeLibrary) -> Iterator[Bench]:
    """Write a model, and delete everything in the end; a checkpoint takes up to 0.3 GB."""
    with TemporaryDirectory() as root:
        yield Bench(model, library, Path(root))
        free()
