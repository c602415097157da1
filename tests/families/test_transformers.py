"""SD3, Flux and PixArt in each mode, as diffusers' pipelines have it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bridge.diffusion import choose_placement, set_placement
from tests.families.page import read_transformers
from tests.families.transformers import CELLS, Mode, Row, relative_error, write_row

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
TOLERANCE = 1e-4  # float32, the same kernels in another order; measured: 1e-7 to 1e-6


@pytest.fixture(scope="module")
def make_row(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Row]:
    torch.set_grad_enabled(False)
    set_placement(choose_placement("cpu"))
    made: dict[str, Row] = {}

    def make(name: str) -> Row:
        if name not in made:
            made[name] = write_row(name, tmp_path_factory.mktemp("models"))
        return made[name]

    return make


@pytest.mark.parametrize(("name", "mode"), CELLS)
async def test_a_cell_equals_diffusers(
    make_row: Callable[[str], Row], tmp_path: Path, name: str, mode: Mode
) -> None:
    assert await relative_error(make_row(name), mode, tmp_path) < TOLERANCE


def test_the_page_shows_every_cell() -> None:
    shown = read_transformers(PAGE.read_text(encoding="utf-8"))
    assert shown.keys() == set(CELLS)
    assert all(float(cell.removeprefix("< ")) <= TOLERANCE for cell in shown.values())
