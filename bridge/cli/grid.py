"""``framebridge grid``: one workflow over the values of one or two inputs, as a contact sheet."""

import json
from collections.abc import Mapping, Sequence

from bridge.cli.asked import Asked, make_places, read_asked, settings_of
from bridge.cli.console import Console
from bridge.cli.request import Request
from bridge.cli.series import (
    Item,
    Outcome,
    Series,
    exit_code_of,
    frame_of,
    report_failures,
    shortened,
    summary,
    to_json,
)
from bridge.errors import BridgeError
from bridge.imaging import Cell, encode_png, grid_sheet, read_picture, save_numbered, to_bytes, writing_to
from bridge.prompts import Axis, cells, read_axis, slug


def grid(request: Request, x: str, y: str) -> int:
    """Make the pictures and the sheet; returns the exit code.

    Args:
        request: What is run.
        x: The input along the rows, and its values.
        y: The input down the columns; empty for a single row.

    Raises:
        BridgeError: Why there can be none.
    """
    of_preset = bool(request.preset)
    across, down = read_axis(x, of_preset), read_axis(y, of_preset) if y else None
    cells(across, down)
    found, settings = read_asked(request.workflow, request.preset), settings_of(request)
    folder = settings.folders["output"]
    make_places(found, settings)
    comparison = Comparison(across, down, request.values)
    series = Series(settings, found, frame_of(found, request, settings), is_quiet=request.as_json)
    is_whole = series.run(comparison.plan)
    sheet = None
    if any(outcome.files for outcome in series.outcomes):
        with writing_to(folder):
            sheet = save_numbered(folder, "grid", comparison.sheet(series.outcomes), ".png")
    if request.as_json:
        print(to_json(series, is_whole, sheet=str(sheet) if sheet else None))
    else:
        seen = f"; look at {sheet}" if sheet else ""
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(summary(series, is_whole) + seen, markup=False)
    report_failures(series.outcomes)
    return exit_code_of(series, is_whole)


class Comparison:
    """The cells of a grid, and the sheet that they make.

    Args:
        across: Along the rows.
        down: Down the columns, if there is a second axis.
        settings: ``name=value`` texts that hold in all cells.
    """

    def __init__(self, across: Axis, down: Axis | None, settings: Sequence[str]) -> None:
        self._across, self._down, self._settings = across, down, settings
        self._base: Mapping[str, object] = {}
        self._workflow: Mapping[str, object] = {}
        self._over: list[str] = []
        self._before: list[str] = []

    def plan(self, asked: Asked) -> list[Item]:
        """Return one item a cell, row by row; a value that makes no sense is a cell that fails.

        Raises:
            BridgeError: If a name leads nowhere.
        """
        base = asked.read(self._settings)
        self._workflow = asked.workflow(base)
        self._over = _headings(asked, self._across)
        self._before = _headings(asked, self._down) if self._down else [""]
        places = cells(self._across, self._down)
        digits = max(2, len(str(len(places))))
        return [
            self._item(asked, f"{number:0{digits}}", column, row, base)
            for number, (column, row) in enumerate(places, start=1)
        ]

    def _item(self, asked: Asked, number: str, column: int, row: int, base: Mapping[str, object]) -> Item:
        settings = [self._across.settings[column], *([self._down.settings[row]] if self._down else [])]
        values = {**base, **asked.read(settings)}
        title = ", ".join(filter(None, (self._over[column], self._before[row])))
        return Item(f"grid-{number}-{slug(title)}", shortened(title), values)

    def sheet(self, outcomes: Sequence[Outcome]) -> bytes:
        """Return the sheet as PNG, with what it was made from; cells that are not made are told apart."""
        made = [_cell(outcome) for outcome in outcomes]
        missing = len(self._over) * len(self._before) - len(made)
        every = [*made, *[Cell(None, "not made")] * missing]
        width = len(self._over)
        rows = [every[start : start + width] for start in range(0, len(every), width)]
        axes = {axis.name: axis.values for axis in (self._across, self._down) if axis}
        texts = {"prompt": json.dumps(self._workflow), "grid": json.dumps(axes)}
        return encode_png(grid_sheet(rows, self._over, self._before), texts)


def _headings(asked: Asked, axis: Axis) -> list[str]:
    label = asked.label(axis.name)
    return [f"{label}: {value or 'empty'}" for value in axis.values]


def _cell(outcome: Outcome) -> Cell:
    """Return the first picture of a cell, or what is written in its place."""
    if outcome.state == "failed":
        return Cell(None, f"failed: {outcome.problems[0].message}", has_failed=True)
    picture = next((file for file in outcome.files if file.suffix == ".png"), None)
    if picture is None:
        return Cell(None, "no picture", has_failed=True)
    try:
        return Cell(to_bytes(read_picture(picture).image))
    except BridgeError as error:
        return Cell(None, error.message, has_failed=True)
