"""Prompts bound to actors, as lines of a preset's control: what can be named, and one more line."""

from __future__ import annotations

from collections.abc import Sequence

from .._bridge.errors import BridgeError
from .._bridge.host.objects import name_in_lines, with_line
from .._bridge.host.preset import OBJECTS
from .._bridge.protocol import names_of
from .choices import Choices
from .editor import Eye


def names_in_lines(eye: Eye) -> list[str]:
    """Return what a line may begin with: actors, folders of the outliner and materials, by the alphabet."""
    names = eye.names()
    kinds = ("object", "collection", "material")
    return [
        name_in_lines(kind, name)
        for kind in kinds
        for name in sorted(names_of(names, kind), key=str.casefold)
    ]


def bind(choices: Choices, names: Sequence[str]) -> None:
    """Add a line for each name, with the prompt of now.

    Raises:
        BridgeError: See ``Choices.preset``.
    """
    preset = choices.preset
    prompt = str(choices.value(preset, "prompt")) if preset.find("prompt") else ""
    text = str(choices.value(preset, OBJECTS))
    for name in names:
        text = with_line(text, name, prompt)
    choices.set_value(OBJECTS, text)


def bind_selected(choices: Choices, eye: Eye) -> None:
    """Add a line for each selected actor.

    Raises:
        BridgeError: ``no_selection``.
    """
    labels = eye.selected()
    if not labels:
        raise BridgeError(
            "no actor is selected", code="no_selection", hint="Select actors that prompts are to be bound to."
        )
    bind(choices, [name_in_lines("object", label) for label in labels])
