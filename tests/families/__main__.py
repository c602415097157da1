"""Write the page docs/families.md: ``python -m tests.families > docs/families.md``; it takes minutes."""

import asyncio

from bridge.engine import NodeLibrary
from bridge.errors import BridgeError
from bridge.nodes import load
from tests.families import table, transformer_table, transformer_workflows, transformers
from tests.families.page import REFUSED, RUNS, write_page
from tests.families.published import MODELS
from tests.families.workflows import MODES, OTHER, PARTS, Mode, is_refused

Errors = dict[tuple[str, Mode], float | str]
Refusals = list[tuple[str, str, str]]


async def cell(bench: table.Bench, mode: Mode) -> float | str:
    """Return a cell's relative error, or what it says instead."""
    if is_refused(bench.model, mode):
        return REFUSED
    made = await bench.run(mode)
    expected = bench.pipeline_latents(mode, made)
    return RUNS if expected is None else made.error(expected)


async def refusal(bench: table.Bench, mode: Mode) -> str:
    """Return what is said of a part of another family."""
    try:
        await bench.run(mode, OTHER)
    except BridgeError as error:
        return error.message
    raise AssertionError(f"{bench.model.name} takes a {mode} of another family")


async def first_table(library: NodeLibrary) -> tuple[Errors, Refusals]:
    """Return the cells of Stable Diffusion, and what it refuses."""
    errors: Errors = {}
    refusals: Refusals = []
    for model in MODELS:
        with table.bench(model, library) as each:
            errors |= {(model.name, mode): await cell(each, mode) for mode in MODES}
            if model.in_channels == 4 and not model.steps:
                refusals += [(model.name, mode, await refusal(each, mode)) for mode in PARTS]
    return errors, refusals


async def second_table(library: NodeLibrary) -> tuple[Errors, Refusals]:
    """Return the cells of SD3, Flux and PixArt, and what they refuse."""
    errors: Errors = {}
    refusals: Refusals = []
    with transformer_table.bench(library) as bench:
        for model in transformers.MODELS:
            for mode in MODES:
                errors[model.name, mode] = await transformer_cell(bench, model, mode)
        first_of_family = {model.family: model for model in reversed(transformers.MODELS)}
        for model in reversed(first_of_family.values()):
            for mode in PARTS:
                refusals.append((model.name, mode, await transformer_refusal(bench, model, mode)))
    return errors, refusals


async def transformer_cell(
    bench: transformer_table.Bench, model: transformers.Transformer, mode: Mode
) -> float | str:
    """Return a cell's relative error, or what it says instead."""
    if transformer_workflows.is_refused(model, mode):
        return REFUSED
    made = await bench.run(model, mode)
    expected = bench.pipelines.latents(model, mode, made)
    return RUNS if expected is None else made.error(expected)


async def transformer_refusal(
    bench: transformer_table.Bench, model: transformers.Transformer, mode: Mode
) -> str:
    """Return what is said of a part of another family."""
    try:
        await bench.run(model, mode, OTHER)
    except BridgeError as error:
        return error.message
    raise AssertionError(f"{model.name} takes a {mode} of another family")


async def main() -> None:
    library = load({"device": "cpu", "dtype": "float32"})
    print(write_page(*await first_table(library), *await second_table(library)), end="")


if __name__ == "__main__":
    asyncio.run(main())
