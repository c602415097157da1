"""A grid of pictures over the values of one or two controls of a preset, in any host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .axis import Axis, cells, read_axis
from .preset import FROM_CAPTURE, FROM_SCENE, FROM_SHOT, Control, Preset

MOST_SUGGESTED = 3
"""Values that are written into an empty field."""


@dataclass(frozen=True)
class Grid:
    """What is compared.

    Args:
        over: Headings of the columns.
        before: Headings of the rows; empty texts where there is a single row.
        values: Control name → value, for each cell, row by row.
    """

    over: tuple[str, ...]
    before: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]

    @property
    def words(self) -> str:
        """Its size, for people."""
        count = len(self.values)
        return f"{len(self.over)} × {len(self.before)}: {count} picture{'s' if count > 1 else ''}"


def axis_controls(preset: Preset) -> tuple[Control, ...]:
    """Return the controls that can be compared: those that a panel shows."""
    elsewhere = FROM_CAPTURE | FROM_SCENE | FROM_SHOT
    return tuple(control for control in preset.controls if control.name not in elsewhere)


def suggested_values(control: Control, current: Any) -> str:
    """Return values to begin with, as a user would type them: the one of now, and others that there are."""
    if control.type == "boolean":
        return "no, yes"
    if control.name == "seed":
        return f"{current}..{current + MOST_SUGGESTED}"
    others = [choice for choice in control.choices if choice != current]
    return ", ".join(_quoted(str(value)) for value in [current, *others][:MOST_SUGGESTED])


def plan_grid(preset: Preset, x: tuple[str, str], y: tuple[str, str] = ("", "")) -> Grid:
    """Return what is to be made.

    Args:
        preset: What is run.
        x: Along the rows: name of a control, and its values as typed; ``0.3, 0.6`` or ``1..4``.
        y: Down the columns, likewise; no name for a single row.

    Raises:
        InputError: ``bad_axis``.
    """
    across = _axis(preset, x)
    down = _axis(preset, y) if y[0] else None
    places = cells(across, down)
    columns = _values(preset, across)
    rows = _values(preset, down) if down else [{}]
    return Grid(
        _headings(preset, across),
        _headings(preset, down) if down else ("",),
        tuple({**columns[column], **rows[row]} for column, row in places),
    )


def _axis(preset: Preset, typed: tuple[str, str]) -> Axis:
    name, values = typed
    if not any(control.name == name for control in axis_controls(preset)):
        raise _bad(f'the preset "{preset.title}" has no input "{name}" to compare', "Choose another.")
    if not values.strip():
        hint = "Type values with commas between them: 0.3, 0.6, 1. Whole numbers may be 1..4."
        raise _bad(f'"{_control(preset, name).label}" has no values', hint)
    return read_axis(f"{name}={values}", of_preset=True)


def _values(preset: Preset, axis: Axis) -> list[dict[str, Any]]:
    control = _control(preset, axis.name)
    return [{axis.name: _value(control, text)} for text in axis.values]


def _headings(preset: Preset, axis: Axis) -> tuple[str, ...]:
    label = _control(preset, axis.name).label
    return tuple(f"{label}: {value or 'empty'}" for value in axis.values)


def _control(preset: Preset, name: str) -> Control:
    return next(control for control in preset.controls if control.name == name)


def _value(control: Control, text: str) -> Any:
    """Return a value as the control takes it."""
    if control.type == "boolean":
        return _yes_or_no(control, text)
    if control.type in ("integer", "number"):
        return _number(control, text)
    if control.type == "choice" and text not in control.choices:
        raise _bad(f'"{control.label}" has no choice "{text}"', f"Choose from {', '.join(control.choices)}.")
    return text


def _yes_or_no(control: Control, text: str) -> bool:
    known = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.lower() not in known:
        raise _bad(f'"{control.label}" is on or off, not "{text}"', "Type: no, yes")
    return known[text.lower()]


def _number(control: Control, text: str) -> int | float:
    read: Callable[[str], int | float] = int if control.type == "integer" else float
    try:
        value = read(text)
    except ValueError as error:
        what = "whole number" if control.type == "integer" else "number"
        raise _bad(f'"{control.label}" takes no "{text}"', f"Type a {what}.") from error
    low = control.minimum if control.minimum is not None else value
    high = control.maximum if control.maximum is not None else value
    if not low <= value <= high:
        raise _bad(f'"{control.label}" takes no {text}', f"Type a number from {low:g} to {high:g}.")
    return value


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if any(sign in text for sign in ',"') else text


def _bad(message: str, hint: str) -> InputError:
    return InputError(message, code="bad_axis", hint=hint)
