"""The table of SD3, Flux and PixArt × mode: what runs, beside diffusers' pipelines."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.diffusion import free
from bridge.engine import Cache, Folders, NodeLibrary
from bridge.models import Family
from tests.families import published
from tests.families.pictures import write_pictures
from tests.families.table import Made, run
from tests.families.transformer_pipelines import Pipelines
from tests.families.transformer_workflows import is_refused, workflow
from tests.families.transformers import Transformer, write_models
from tests.families.workflows import OTHER, OWN, PARTS, Graph, Mode


class Bench:
    """A model folder with all models and parts for them, for our engine and diffusers' pipelines."""

    def __init__(self, library: NodeLibrary, root: Path) -> None:
        self._library = library
        models = root / "models"
        self._folders = Folders(root / "input", root / "output", root, root, (models,))
        self._cache = Cache(2**30)  # shared by the cells, so that networks load and prompts are read once
        self._last: Transformer | None = None
        write_models(models)
        published.save(models / "clip_vision" / OWN, published.clip_vision())
        others = {
            "controlnet": published.controlnet,
            "loras": published.lora,
            "ipadapter": published.ip_adapter,
        }
        for folder, part in others.items():
            published.save(models / folder / OTHER, part(Family.SD1))
        write_pictures(self._folders.input)
        self.pipelines = Pipelines(models)

    async def run(self, model: Transformer, mode: Mode, part: str | None = None) -> Made:
        """Run a cell's workflow; where there is no part for the model, with one for another.

        Raises:
            BridgeError: If the cell is refused.
        """
        if model is not self._last:
            free()  # the engine counts all that it holds, again and again
            self._last = model
        if mode in PARTS and is_refused(model, mode):
            part = OTHER
        return await self.run_workflow(workflow(model, mode, part))

    async def run_workflow(self, graph: Graph) -> Made:
        """Run a workflow."""
        return await run(graph, self._library, self._folders, self._cache)


@contextmanager
def bench(library: NodeLibrary) -> Iterator[Bench]:
    """Write all models, and delete everything in the end; they take 0.5 GB."""
    with TemporaryDirectory() as root:
        yield Bench(library, Path(root))
        free()
