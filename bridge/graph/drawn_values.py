"""Which widget each of a drawn node's values belongs to; the drawing has no more than a list."""

from collections.abc import Sequence
from typing import Any

from bridge.graph.definition import InputDefinition

CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})
"""What the editor does with a seed after each run; it stands behind the seed in the list of values."""

UPLOAD = "image"
"""The value of a button behind the name of a file."""

SEEDS = frozenset({"seed", "noise_seed"})


def has_widget(entry: InputDefinition) -> bool:
    """Whether the editor shows an input as a widget."""
    return entry.is_widget and not entry.options.get("forceInput")


def is_seed(entry: InputDefinition) -> bool:
    """Whether the editor asks what to do with an input after each run."""
    return entry.name in SEEDS or bool(entry.options.get("control_after_generate"))


def pair(
    widgets: Sequence[InputDefinition], values: Sequence[Any]
) -> tuple[list[tuple[InputDefinition, Any]], list[Any]]:
    """Return the widgets with their values as far as these go, and what remains of the values.

    What the editor adds for itself is passed over: what it does with a seed, and, where more values are left
    than widgets, a filter of choices and an upload button.
    """
    pairs: list[tuple[InputDefinition, Any]] = []
    place = 0
    for number, entry in enumerate(widgets, 1):
        if place == len(values):
            break
        pairs.append((entry, values[place]))
        place += 1
        following = widgets[number] if number < len(widgets) else None
        if place < len(values) and _is_control(entry, values[place], following):
            place += 1
            if entry.type == "COMBO" and len(values) - place > len(widgets) - number:
                place += 1
        elif entry.options.get("image_upload") and len(values) - place > len(widgets) - number:
            place += values[place] == UPLOAD
    return pairs, list(values[place:])


def _is_control(entry: InputDefinition, value: Any, following: InputDefinition | None) -> bool:
    """Whether a value is what the editor does with the seed before it."""
    if not isinstance(value, str) or value not in CONTROLS:
        return False
    return is_seed(entry) or following is None or following.type not in ("STRING", "COMBO")
