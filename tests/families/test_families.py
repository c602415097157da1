"""Every family in every mode: as diffusers' pipeline has it, or as well as it runs, or refused by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.diffusion import choose_placement, set_placement
from bridge.engine import NodeLibrary
from bridge.errors import ModelError, UnsupportedModel
from bridge.nodes import load
from tests.families.page import REFUSED, RUNS, read_page
from tests.families.pictures import SIDE, picture
from tests.families.pipelines import pipeline_name
from tests.families.published import MODELS
from tests.families.table import OTHER_FAMILY, Bench, Made, bench
from tests.families.workflows import MODES, OTHER, PARTS, Mode, is_refused, task_of, workflow

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
TOLERANCE = 1e-4  # float32, the same kernels in another order; measured: 4e-7 to 5e-6
NODES = {"ControlNet": "ControlNetApplyAdvanced", "LoRA": "LoraLoader", "IP-Adapter": "IPAdapterAdvanced"}
CUT_OFF = (-0.01, 1.01)
"""What a picture, 0..255, loses when it is saved in 8 bits, as ComfyUI saves it."""


@pytest.fixture(scope="module")
def library() -> Iterator[NodeLibrary]:
    yield load({"device": "cpu", "dtype": "float32"})
    set_placement(choose_placement("cpu"))


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.name)
def table(request: pytest.FixtureRequest, library: NodeLibrary) -> Iterator[Bench]:
    with bench(request.param, library) as row:
        yield row


@pytest.mark.parametrize("mode", MODES)
async def test_a_cell_equals_diffusers_or_runs_or_is_refused(table: Bench, mode: Mode) -> None:
    if is_refused(table.model, mode):
        await assert_refused(table, mode)
        return
    made = await table.run(mode)
    expected = table.pipeline_latents(mode, made)
    if expected is None:
        await assert_runs(table, mode, made)
        return
    assert made.error(expected) < TOLERANCE
    lost = table.pipelines.decoded(expected) - made.picture
    assert CUT_OFF[0] < lost.min()
    assert lost.max() < CUT_OFF[1]


async def assert_refused(table: Bench, mode: Mode) -> None:
    with pytest.raises(UnsupportedModel, match="picture to edit") as caught:
        await table.run(mode)
    assert f"({table.model.family.value})" in caught.value.message
    assert "InstructPix2Pix checkpoint" in caught.value.hint
    assert "Sampler" in workflow(table.model, mode)[caught.value.node_id]["class_type"]


async def assert_runs(table: Bench, mode: Mode, made: Made) -> None:
    """Without a pipeline to compare with: what a cell adds has an effect, and what it is to keep stays."""
    assert made.latents.isfinite().all()
    if mode == "upscale":
        assert made.latents.shape == (1, 4, SIDE // 4, SIDE // 4)
        return
    without = await table.run(task_of(table.model, mode) if mode in PARTS else "txt2img")
    assert made.error(without.latents) > 0.01
    if mode == "inpaint":
        kept = picture("mask")[:, :1, ::8, ::8] == 0
        before = table.pipelines.encoded(picture("picture"))
        assert ((made.latents - before) * kept).norm() < TOLERANCE * before.norm()


@pytest.mark.parametrize("mode", PARTS)
async def test_parts_of_another_family_are_refused_with_both_named(table: Bench, mode: Mode) -> None:
    with pytest.raises(ModelError) as caught:
        await table.run(mode, OTHER)
    family = table.model.family
    assert caught.value.code == "model_mismatch"
    assert all(name in caught.value.message for name in (OTHER, OTHER_FAMILY[family].value, family.value))
    assert "of the same family" in caught.value.hint
    loaders = {
        "ControlNet": "ControlNetApplyAdvanced",
        "LoRA": "LoraLoader",
        "IP-Adapter": "IPAdapterAdvanced",
    }
    assert workflow(table.model, mode)[caught.value.node_id]["class_type"] == loaders[mode]


def test_the_page_shows_every_cell() -> None:
    shown = read_page(PAGE.read_text(encoding="utf-8"))
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
