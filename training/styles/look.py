"""What a prompt can ask for: a style, and words that modify it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_WORDS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "words.json").read_text("utf-8"))

STYLES: tuple[str, ...] = tuple(_WORDS["styles"])
LORA_STYLES: tuple[str, ...] = tuple(_WORDS["lora_styles"])
"""Styles that the base model is not taught; a LoRA is."""

MOODS: tuple[str, ...] = tuple(_WORDS["moods"])
MATERIALS: tuple[str, ...] = tuple(_WORDS["materials"])
COLOURS: dict[str, tuple[float, float, float]] = {name: tuple(rgb) for name, rgb in _WORDS["colours"].items()}
WORDS: dict[str, dict[str, list[str]]] = {
    "styles": _WORDS["styles"],
    "moods": _WORDS["moods"],
    "colours": {name: [name] for name in COLOURS},
    "materials": _WORDS["materials"],
}
"""What the base model knows: kind, word, and the words that mean the same."""

SYNONYMS: dict[str, list[str]] = {
    **_WORDS["styles"],
    **_WORDS["lora_styles"],
    **_WORDS["moods"],
    **_WORDS["materials"],
    **{name: [name] for name in COLOURS},
}
"""Every known word, and the words that mean the same."""


@dataclass(frozen=True)
class Look:
    """A style and its modifiers; an empty modifier changes nothing.

    ``own_colours`` says whether surfaces keep the scene's colours (a viewport can be seen through the
    noise) or take the style's own (only the prompt is known).
    """

    style: str
    mood: str = ""
    colour: str = ""
    material: str = ""
    own_colours: bool = True


def random_look(rng: np.random.Generator, style: str, own_colours: bool) -> Look:
    """Draw modifiers: none in half of the cases, else mostly one."""
    chosen = {"mood": "", "colour": "", "material": ""}
    kinds = {"mood": MOODS, "colour": tuple(COLOURS), "material": MATERIALS}
    if rng.random() < 0.55:
        for kind in rng.permutation(list(kinds))[: 1 if rng.random() < 0.75 else 2]:
            chosen[str(kind)] = str(rng.choice(kinds[str(kind)]))
    return Look(style, own_colours=own_colours, **chosen)
