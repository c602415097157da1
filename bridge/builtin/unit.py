"""A control unit: a ControlNet of a preset, as one row of a panel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.builtin.control import Control
from bridge.builtin.links import SIDES

MAPS = ("depth", "canny", "normal", "edges")
"""What a unit's ControlNet looks at: a picture that is made of the viewport."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A ControlNet whose weight, start and end are controls of the preset.

    Args:
        name: What programs call it.
        label: For people.
        map: One of ``MAPS``.
        weight: The control that sets the strength of the apply node; at 0 the unit is bypassed.
        start: The control that sets the share of the sampling at which it begins.
        end: The control that sets the share at which it ends.
        help: One or two sentences for a tooltip.
    """

    name: str
    label: str
    map: str
    weight: str
    start: str
    end: str
    help: str = ""


def check_unit(unit: Unit, controls: Mapping[str, Control], workflow: Mapping[str, Any]) -> None:
    """Refuse a unit that does not fit its preset.

    Raises:
        ValueError: Saying what does not.
    """
    if unit.map not in MAPS:
        raise ValueError(f"unit {unit.name!r} has no map of {', '.join(MAPS)}")
    for name in (unit.weight, unit.start, unit.end):
        if name not in controls or controls[name].type != "number":
            raise ValueError(f"unit {unit.name!r} names {name!r}, which is no control for a number")
    apply_node = controls[unit.weight].node
    if any(controls[name].node != apply_node for name in (unit.start, unit.end)):
        raise ValueError(f"the controls of unit {unit.name!r} set different nodes")
    if not all(isinstance(workflow[apply_node]["inputs"].get(side), list) for side in SIDES):
        raise ValueError(f"unit {unit.name!r} sets node {apply_node}, which is fed no {' and '.join(SIDES)}")
