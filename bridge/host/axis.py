"""The axes of a grid: an input's name and the values it takes along a row or a column."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from ..errors import InputError

MAX_VALUES = 50
"""Along one axis."""

MAX_CELLS = 400
"""Pictures of one grid."""

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")

_OF_WORKFLOW = (
    'Write the input and its values: "3.cfg=4,7,10", "3.seed=1..4" or \'6.text="a cat, sitting",a dog\'.'
)
_OF_PRESET = (
    'Write a control and its values: "steps=2,4,8", "seed=1..4" or \'prompt="a cat, sitting",a dog\'.'
)


@dataclass(frozen=True, slots=True)
class Axis:
    """An input and its values, as texts.

    Args:
        name: ``node.input`` of a workflow, or a control of a preset.
        values: One to ``MAX_VALUES``.
    """

    name: str
    values: tuple[str, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """Each value as ``name=value``."""
        return tuple(f"{self.name}={value}" for value in self.values)


def read_axis(text: str, of_preset: bool = False) -> Axis:
    """Read ``name=value,value``; ``1..4`` counts up, ``0.2..1:0.4`` by steps, quotes keep a comma.

    Args:
        text: What was typed.
        of_preset: Whether the names are those of a preset's controls.

    Raises:
        InputError: ``bad_axis``.
    """
    example = _OF_PRESET if of_preset else _OF_WORKFLOW
    name, equals, listed = text.partition("=")
    if not equals or not name.strip() or not listed.strip():
        raise _bad(f'"{text[:80]}" is no axis', example)
    try:
        [items] = csv.reader([listed], skipinitialspace=True, strict=True)
    except (ValueError, csv.Error) as error:
        raise _bad(f'the values of "{name[:80]}" cannot be read: {error}', example) from error
    values = [value for item in items for value in _expand(name, item.strip())]
    if len(values) > MAX_VALUES:
        raise _bad(f'"{name[:80]}" has {len(values)} values; {MAX_VALUES} is the most', "Leave some out.")
    return Axis(name.strip(), tuple(dict.fromkeys(values)))


def cells(x: Axis, y: Axis | None) -> list[tuple[int, int]]:
    """Return column and row of every cell, row by row.

    Raises:
        InputError: ``bad_axis`` if there are too many, or both axes are the same input.
    """
    if y is not None and y.name == x.name:
        raise _bad(f'both axes are "{x.name[:80]}"', "Choose another input for one of them.")
    rows = len(y.values) if y else 1
    if len(x.values) * rows > MAX_CELLS:
        raise _bad(
            f"{len(x.values)} × {rows} pictures are too many; {MAX_CELLS} is the most", "Leave values out."
        )
    return [(column, row) for row, column in product(range(rows), range(len(x.values)))]


def _expand(name: str, item: str) -> list[str]:
    """Return the values of ``1..4``; of anything else, itself."""
    found = _RANGE.fullmatch(item)
    if not found:
        return [item]
    first, last = Decimal(found[1]), Decimal(found[2])
    step = Decimal(found[3] or 1)
    if step == 0 or abs(last - first) / step >= MAX_VALUES:
        raise _bad(f'"{item}" of "{name[:80]}" is more than {MAX_VALUES} values', "Choose a larger step.")
    count = int(abs(last - first) / step) + 1
    direction = 1 if last >= first else -1
    return [str(first + direction * step * number) for number in range(count)]


def _bad(message: str, hint: str) -> InputError:
    return InputError(message, code="bad_axis", hint=hint)
