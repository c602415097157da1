"""Write the page docs/families.md: ``python -m tests.families > docs/families.md``; it takes two minutes."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.errors import BridgeError
from bridge.nodes import load
from tests.families.page import REFUSED, RUNS, write_page
from tests.families.published import MODELS
from tests.families.table import Bench, bench
from tests.families.transformers import CELLS, relative_error, write_row
from tests.families.workflows import MODES, OTHER, PARTS, Mode, is_refused


async def cell(bench: Bench, mode: Mode) -> float | str:
    """Return a cell's relative error, or what it says instead."""
    if is_refused(bench.model, mode):
        return REFUSED
    made = await bench.run(mode)
    expected = bench.pipeline_latents(mode, made)
    return RUNS if expected is None else made.error(expected)


async def refusal(bench: Bench, mode: Mode) -> str:
    """Return what is said of a part of another family."""
    try:
        await bench.run(mode, OTHER)
    except BridgeError as error:
        return error.message
    raise AssertionError(f"{bench.model.name} takes a {mode} of another family")


async def transformer_errors() -> dict[tuple[str, str], float]:
    """Return the relative error of each cell of SD3, Flux and PixArt."""
    errors: dict[tuple[str, str], float] = {}
    with TemporaryDirectory() as root:
        rows = {name: write_row(name, Path(root)) for name, _ in CELLS}
        for name, mode in CELLS:
            errors[name, mode] = await relative_error(rows[name], mode, Path(root))
    return errors


async def main() -> None:
    library = load({"device": "cpu", "dtype": "float32"})
    errors, refusals = {}, []
    for model in MODELS:
        with bench(model, library) as each:
            errors |= {(model.name, mode): await cell(each, mode) for mode in MODES}
            if model.in_channels == 4 and not model.steps:
                refusals += [(model.name, mode, await refusal(each, mode)) for mode in PARTS]
    print(write_page(errors, refusals, await transformer_errors()), end="")


if __name__ == "__main__":
    asyncio.run(main())
