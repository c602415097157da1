"""SD3, Flux and PixArt in every mode: as diffusers' pipeline has it, or as well as it runs, or refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.diffusion import choose_placement, set_placement
from bridge.errors import BridgeError, ModelError
from bridge.nodes import load
from tests.families.page import REFUSED, RUNS, read_transformers
from tests.families.pictures import SIDE, picture
from tests.families.transformer_pipelines import pipeline_name
from tests.families.transformer_table import Bench, bench
from tests.families.transformer_workflows import is_refused, task_of, workflow
from tests.families.transformers import MODELS, Transformer
from tests.families.workflows import MODES, OTHER, PARTS, Mode

pytestmark = [  # diffusers' own
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning"),  # of two LoRAs
]

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
TOLERANCE = 1e-4  # float32, the same kernels in another order; measured: 1e-7 to 6e-6
CUT_OFF = (-0.01, 1.01)
"""What a picture, 0..255, loses when it is saved in 8 bits, as ComfyUI saves it."""


@pytest.fixture(scope="module")
def table() -> Iterator[Bench]:
    with bench(load({"device": "cpu", "dtype": "float32"})) as made:
        yield made
    set_placement(choose_placement("cpu"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_a_cell_equals_diffusers_or_runs_or_is_refused(
    table: Bench, model: Transformer, mode: Mode
) -> None:
    if is_refused(model, mode):
        with pytest.raises(BridgeError) as caught:
            await table.run(model, mode)
        assert model.family.value in caught.value.message
        return
    made = await table.run(model, mode)
    expected = table.pipelines.latents(model, mode, made)
    if expected is None:
        await assert_runs(table, model, mode)
        return
    assert made.error(expected) < TOLERANCE
    lost = table.pipelines.decoded(model, expected) - made.picture
    assert CUT_OFF[0] < lost.min()
    assert lost.max() < CUT_OFF[1]


async def assert_runs(table: Bench, model: Transformer, mode: Mode) -> None:
    """Without a pipeline to compare with: what a cell adds has an effect, and what it is to keep stays."""
    made = await table.run(model, mode)
    assert made.latents.isfinite().all()
    if mode == "upscale":
        assert made.latents.shape == (1, model.channels, SIDE // 4, SIDE // 4)
    elif mode != "txt2img":
        without = await table.run(model, task_of(model, mode) if mode in PARTS else "txt2img")
        assert made.error(without.latents) > 0.01
    if mode == "inpaint":
        kept = picture("mask")[:, :1, ::8, ::8] == 0
        before = table.pipelines.encoded(model, picture("picture"))
        assert ((made.latents - before) * kept).norm() < TOLERANCE * before.norm()


@pytest.mark.parametrize("mode", PARTS)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_parts_of_another_family_are_refused_with_both_named(
    table: Bench, model: Transformer, mode: Mode
) -> None:
    with pytest.raises(ModelError) as caught:
        await table.run(model, mode, OTHER)
    assert caught.value.code == "model_mismatch"
    assert all(name in caught.value.message for name in (OTHER, "Stable Diffusion 1.x", model.family.value))


async def test_fill_keeps_all_that_is_not_masked(table: Bench) -> None:
    """As in the tutorials: its noise mask is followed softly."""
    fill = next(model for model in MODELS if model.sees == "mask")
    graph = workflow(fill, "inpaint")
    [seen] = (name for name, node in graph.items() if node["class_type"] == "InpaintModelConditioning")
    [sampler] = (node["inputs"] for node in graph.values() if node["class_type"] == "KSampler")
    graph[seen]["inputs"]["noise_mask"] = True
    sampler["model"] = graph.add("DifferentialDiffusion", model=sampler["model"])
    sampler["latent_image"] = [seen, 2]
    made = await table.run_workflow(graph)
    kept = picture("mask")[:, :1, ::8, ::8] == 0
    before = table.pipelines.encoded(fill, picture("picture"))
    assert ((made.latents - before) * kept).norm() < TOLERANCE * before.norm()
    assert ((made.latents - before) * ~kept).norm() > 0.1 * before.norm()


def test_the_page_shows_every_cell() -> None:
    shown = read_transformers(PAGE.read_text(encoding="utf-8"))
    for model in MODELS:
        for mode in MODES:
            cell = shown.pop((model.name, mode))
            if is_refused(model, mode):
                assert cell == REFUSED
            elif pipeline_name(model, mode) is None:
                assert cell == RUNS
            else:
                assert float(cell.removeprefix("< ")) <= TOLERANCE
    assert not shown
