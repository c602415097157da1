"""Reading the values that a workflow holds itself, as ComfyUI reads them: convert first, then judge.

1. INT is ``int(value)`` (3.7 becomes 3, "42" becomes 42), FLOAT is ``float(value)``, STRING is
   ``str(value)``, BOOLEAN is ``bool(value)``; a COMBO value is compared as it stands.
2. Stricter than ComfyUI: a BOOLEAN given as a text must read ``true`` or ``false`` (``bool("false")``
   would be true), a STRING is not made of a list, an object or null, and no number is NaN or infinite.
3. Bounds include both ends. ``step`` is for spin buttons; a value between two steps is legal.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from bridge.errors import InputError
from bridge.graph.definition import InputDefinition
from bridge.graph.nearest import Suggestions
from bridge.graph.place import Place, listing, quote
from bridge.graph.reader import MAX_NUMBER_BITS
from bridge.paths import split_beginning

PICKLES = (".pth", ".pt", ".ckpt")
"""How names of models end that are not loaded, as opening them can run code."""

ChoicesOf = Callable[[str], Sequence[str]]
"""Lists the values of a folder: ``checkpoints``, ``loras``, ``input`` …"""

ELSEWHERE = {"xlabs_ipadapters": "xlabs/ipadapters"}
"""Kinds of models that do not lie in a folder of their name."""

TINY_VAES = ("taesd", "taesdxl", "taesd3", "taef1")
"""VAEs that are two files in ``vae_approx``, one for each direction."""

PICTURE_FOLDERS = ("input", "output", "temp")
"""Folders of pictures; all others hold models."""


class WidgetReader:
    """Converts and judges literal values; each folder is listed at most once.

    Args:
        choices: Lists a folder.
        suggestions: Finds what was meant.
    """

    def __init__(self, choices: ChoicesOf, suggestions: Suggestions) -> None:
        self._choices = choices
        self._suggestions = suggestions
        self._folders: dict[str, Sequence[str]] = {}

    def read(self, place: Place, entry: InputDefinition, value: Any) -> Any:
        """Return the value in the type that the input declares.

        Raises:
            WorkflowError: ``bad_value``, ``bad_number``, ``bad_link``, ``bad_path``, ``out_of_range``,
                ``not_in_list`` or ``model_not_found``.
        """
        if isinstance(value, list):
            hint = 'A link is [node id, slot number]; a list as a value is {"__value__": [...]}.'
            raise place.error("bad_link", f"needs a value or a link, got the list {quote(value)}", hint)
        if entry.type == "COMBO":
            return self._chosen(place, entry, value)
        try:
            value = _CONVERSIONS[entry.type](value)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise place.error("bad_value", f"needs {_NAMES[entry.type]}, got {quote(value)}") from None
        if isinstance(value, int | float):
            _check_number(place, entry, value)
        elif entry.begins_file and value:
            _check_prefix(place, value)
        return value

    def _chosen(self, place: Place, entry: InputDefinition, value: Any) -> Any:
        if entry.choices_from:
            return self._file(place, entry.choices_from, value)
        if entry.choices is None or value in entry.choices:
            return value
        texts = [choice for choice in entry.choices if isinstance(choice, str)]
        nearest = self._suggestions.did_you_mean(str(value), texts)
        valid = listing([quote(choice, marks=False) for choice in entry.choices])
        hint = f"{nearest} Valid: {valid}.".strip() if valid else "There is nothing to choose from."
        raise place.error("not_in_list", f"has no choice {quote(value)}", hint)

    def _file(self, place: Place, folder: str, value: Any) -> Any:
        if folder not in self._folders:
            self._folders[folder] = self._choices(folder)  # may find one name without listing all
        names = self._folders[folder]
        if isinstance(value, str) and value in names:
            return value
        near = self._suggestions.nearest_files(str(value), names)
        known = listing([quote(name) for name in near or names])
        nearest = f"{'Nearest' if near else 'Available'}: {known}. " if known else ""
        lies = ELSEWHERE.get(folder, folder)
        text = f"asks for {quote(value)}, which is not in {lies}/"
        if folder in PICTURE_FOLDERS:
            raise place.error("not_in_list", text, f"{nearest}Put the file there, or upload it.")
        advice = f"put the file in {lies}/, or run: framebridge models pull --for WORKFLOW (or PRESET)"
        if folder == "vae" and value in TINY_VAES:
            text = f"asks for {quote(value)}, which is not in vae_approx/"
            advice = f"put {value}_encoder.safetensors and {value}_decoder.safetensors in vae_approx/."
        if isinstance(value, str) and value.lower().endswith(PICKLES):
            advice = "make a safetensors file of it: python -m bridge.diffusion.unpickling FILE"
        raise place.error(
            "model_not_found", text, f"{nearest}Else {advice}" if known else advice[0].upper() + advice[1:]
        )


def _check_number(place: Place, entry: InputDefinition, value: float) -> None:
    """Judge a number that already has the declared type."""
    is_finite = value.bit_length() <= MAX_NUMBER_BITS if isinstance(value, int) else math.isfinite(value)
    if not is_finite:
        raise place.error("bad_number", "needs a finite number", _bounds(entry))
    low, high = entry.minimum, entry.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        default = "" if entry.default is None else f"Its default is {quote(entry.default)}."
        raise place.error("out_of_range", f"must be {_bounds(entry)}, got {quote(value)}", default)


def _check_prefix(place: Place, value: str) -> None:
    try:
        split_beginning(value)
    except InputError as error:
        raise place.error(
            "bad_path", f"cannot begin the name of a file: {error.message}", error.hint
        ) from error


def _bounds(entry: InputDefinition) -> str:
    low, high = entry.minimum, entry.maximum
    if low is None:
        return "" if high is None else f"at most {quote(high)}"
    return f"at least {quote(low)}" if high is None else f"{quote(low)}…{quote(high)}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict):
        raise TypeError
    return str(value)


def _boolean(value: Any) -> bool:
    return {"true": True, "false": False}[value.strip().casefold()] if isinstance(value, str) else bool(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": _text,
    "BOOLEAN": _boolean,
}
_NAMES = {"INT": "a whole number", "FLOAT": "a number", "STRING": "a text", "BOOLEAN": "true or false"}
