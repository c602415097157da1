"""A control: one value of a workflow that a panel shows, and what it may be."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bridge.errors import Problem

TYPES = ("text", "integer", "number", "choice", "boolean", "model")
"""What a value may be."""

MAX_TEXT = 100_000
"""Characters of a prompt."""

ModelNames = Callable[[str], Sequence[str]]
"""From a kind of model (``checkpoints`` …) to the names there are."""


@dataclass(frozen=True, slots=True)
class Control:
    """One value of a workflow that a panel shows.

    Args:
        name: In ``values``.
        label: For people.
        node: Id of the node it sets.
        input: Name of the input of that node.
        type: One of ``TYPES``.
        default: What a panel shows first.
        minimum: Least number.
        maximum: Greatest number.
        step: What a spin button adds.
        choices: Of a ``choice``; of a ``text``, words that a panel offers to put in.
        folder: Of a ``model``: the kind that may be chosen, as the catalogue names it.
        also: More inputs that get the same value: node id and name.
        advanced: Whether a panel keeps it in a closed box.
        help: One or two sentences for a tooltip.
    """

    name: str
    label: str
    node: str
    input: str
    type: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    folder: str | None = None
    also: tuple[tuple[str, str], ...] = ()
    advanced: bool = False
    help: str = ""

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The inputs that get its value: node id and name."""
        return (self.node, self.input), *self.also

    def to_json(self, models: ModelNames) -> dict[str, Any]:
        """Return what a panel needs to show it, as JSON data.

        Args:
            models: Lists what a ``model`` may be now.
        """
        entries = {key: value for key, value in asdict(self).items() if value not in (None, ())}
        return entries | {"choices": list(models(self.folder))} if self.folder else entries


def read_control(entry: Mapping[str, Any]) -> Control:
    """Read a control from a preset's JSON.

    Raises:
        TypeError: If a field is missing or unknown.
        ValueError: If the type is.
    """
    if entry.get("type") not in TYPES:
        raise ValueError(f"control {entry.get('name')!r} has no type of {', '.join(TYPES)}")
    if (entry["type"] == "model") != ("folder" in entry):
        raise ValueError(f"control {entry.get('name')!r} must have a folder if it is a model, and only then")
    also = tuple((node, name) for node, name in entry.get("also", ()))
    return Control(**{**entry, "choices": tuple(entry.get("choices", ())), "also": also})


def find_fault(control: Control, value: Any) -> Problem | None:
    """Say what is wrong with a value; ``None`` if nothing is."""

    def problem(code: str, text: str, hint: str = "") -> Problem:
        return Problem(code, f"{control.label} {text}", hint, input_name=control.name)

    if control.type == "choice":
        if value not in control.choices:
            return problem(
                "not_in_list", f"has no choice {value!r:.80}", f"Valid: {', '.join(control.choices)}."
            )
    elif control.type in ("text", "model"):
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            return problem("bad_value", f"needs a text of at most {MAX_TEXT} characters")
    elif control.type == "boolean":
        if not isinstance(value, bool):
            return problem("bad_value", f"needs true or false, got {value!r:.80}")
    elif not _is_number(value, control.type == "integer"):
        kind = "a whole number" if control.type == "integer" else "a number"
        is_bounded = control.minimum is not None or control.maximum is not None
        hint = f"Give {_bounds(control)}." if is_bounded else ""
        return problem("bad_value", f"needs {kind}, got {value!r:.80}", hint)
    elif not _least(control) <= value <= _greatest(control):
        return problem("out_of_range", f"must be {_bounds(control)}, got {value}")
    return None


def _is_number(value: Any, is_whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or (math.isfinite(value) and (not is_whole or value.is_integer()))


def _bounds(control: Control) -> str:
    if control.minimum is None:
        return f"at most {control.maximum}"
    if control.maximum is None:
        return f"at least {control.minimum}"
    return f"{control.minimum}…{control.maximum}"


def _least(control: Control) -> float:
    return -math.inf if control.minimum is None else control.minimum


def _greatest(control: Control) -> float:
    return math.inf if control.maximum is None else control.maximum
