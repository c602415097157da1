"""``framebridge run --prompts``: one picture for each prompt of a file or list."""

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.cli.asked import Asked, make_places, read_asked, settings_of
from bridge.cli.console import Console
from bridge.cli.request import Prompts, Request
from bridge.cli.series import (
    Item,
    Series,
    exit_code_of,
    frame_of,
    report_failures,
    shortened,
    summary,
    to_json,
)
from bridge.daemon import wildcard_folder
from bridge.errors import BridgeError, InputError, Problem
from bridge.prompts import (
    MAX_PROMPTS,
    Line,
    Wildcards,
    combinations,
    is_dynamic,
    read_prompts,
    resolve,
    seed_of,
    slug,
)


def run_prompts(request: Request, prompts: Prompts) -> int:
    """Make one picture a prompt; returns the exit code.

    Raises:
        BridgeError: Why there can be none.
    """
    texts = [Line(number, text) for number, text in enumerate(prompts.texts, start=1)]
    lines = [*(read_prompts(prompts.file) if prompts.file else []), *texts]
    found, settings = read_asked(request.workflow, request.preset), settings_of(request)
    make_places(found, settings)
    series = Series(settings, found, frame_of(found, request, settings), is_quiet=request.as_json)
    is_whole = series.run(lambda asked: plan(asked, lines, prompts, request.values))
    if request.as_json:
        print(to_json(series, is_whole))
    else:
        Console(stderr=True, highlight=False).print(summary(series, is_whole), markup=False)
    report_failures(series.outcomes)
    return exit_code_of(series, is_whole)


def plan(asked: Asked, lines: Sequence[Line], prompts: Prompts, values: Sequence[str]) -> list[Item]:
    """Return one item a text; a prompt that makes no sense is one that fails.

    Raises:
        BridgeError: What is wrong with all of them: the input, the values, their number.
    """
    base = asked.read(values)
    names = tuple(prompts.inputs) or asked.prompt_names()
    seed = seed_of(asked.workflow({**base, **dict.fromkeys(names, "")}))
    wildcards = Wildcards([*prompts.wildcards, wildcard_folder()])
    texts: list[tuple[Line, str | Problem]] = []
    for line in lines:
        texts += [(line, text) for text in _texts_of(line.text, prompts, seed + len(texts), wildcards)]
        if len(texts) > MAX_PROMPTS:
            raise InputError(
                f"these prompts are more than {MAX_PROMPTS} texts",
                code="prompts_too_large",
                hint="Draw fewer variants, or split the file.",
            )
    digits = max(2, len(str(len(texts))))
    word = "line" if prompts.file and not prompts.texts else "prompt"
    return [
        _item(f"{number:0{digits}}", word, line, text, base, names)
        for number, (line, text) in enumerate(texts, start=1)
    ]


def _texts_of(template: str, prompts: Prompts, seed: int, wildcards: Wildcards) -> list[str | Problem]:
    """Return what becomes of a prompt: itself, the texts that are drawn, or why there are none."""
    count = prompts.variants if is_dynamic(template) else 1
    try:
        if prompts.takes_all:
            return [*combinations(template, wildcards)]
        return [resolve(template, seed + number, wildcards) for number in range(count)]
    except BridgeError as error:
        return [error.problem]


def _item(
    number: str, word: str, line: Line, text: str | Problem, base: Mapping[str, Any], names: Sequence[str]
) -> Item:
    said = line.text if isinstance(text, Problem) else text
    title = f'{word} {line.number} "{shortened(said)}"'
    name = f"{number}-{slug(said)}"
    if isinstance(text, Problem):
        return Item(name, title, problem=text)
    templates = dict.fromkeys(names, line.text) if text != line.text else {}
    return Item(name, title, {**base, **dict.fromkeys(names, text)}, templates)
