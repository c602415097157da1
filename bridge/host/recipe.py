"""A recipe: what was asked for, as it is sent, kept with its picture, and used again."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import BridgeError
from .preset import FROM_CAPTURE, Preset

SEED = "seed"
"""The control whose value the seed mode changes."""

LARGEST_SEED = 2**31 - 1
"""The greatest integer that every host's properties hold."""

CARRIED = frozenset({"prompt", "negative_prompt", SEED})
"""Controls whose values mean the same in every preset; strength and steps do not."""

PROMPT, NEGATIVE = "prompt", "negative_prompt"
"""Controls that hold texts for what is wanted, and for what is not."""

DYNAMIC = (PROMPT, NEGATIVE)
"""Controls that may hold dynamic prompts."""

RECIPE_TEXT = "framebridge"
"""The PNG text that holds a recipe."""


@dataclass(frozen=True)
class Recipe:
    """What to do with a capture.

    Args:
        preset: Its name.
        values: Control name → value.
        digest: Of the preset, as it was.
        dynamic: Names of values that are dynamic prompts; the daemon draws texts from them.
        templates: Name → the dynamic prompt that a value was drawn from.
    """

    preset: str
    values: Mapping[str, Any]
    digest: str = ""
    dynamic: tuple[str, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, **values: Any) -> Recipe:
        """Return a copy with some values changed."""
        return replace(self, values={**self.values, **values})

    def with_dynamic(self) -> Recipe:
        """Return a copy whose prompts are dynamic where they look like it: with ``{`` or ``__``."""
        texts = ((name, self.values.get(name)) for name in DYNAMIC)
        found = (name for name, text in texts if isinstance(text, str) and ("{" in text or "__" in text))
        return replace(self, dynamic=tuple(found))

    def drawn(self, texts: Mapping[str, Any]) -> Recipe:
        """Return a copy with what the daemon says that dynamic prompts have become."""
        if not self.dynamic:
            return self
        templates = {name: str(self.values[name]) for name in texts if name in self.dynamic}
        values = {**self.values, **{name: str(texts[name]) for name in templates}}
        return replace(self, values=values, dynamic=(), templates=templates)

    def to_json(self) -> str:
        """Return it as text."""
        data = {"preset": self.preset, "values": dict(self.values), "digest": self.digest}
        extras = {"dynamic": list(self.dynamic), "templates": dict(self.templates)}
        known = {name: value for name, value in extras.items() if value}
        return json.dumps({**data, **known}, ensure_ascii=False, sort_keys=True)


def recipe_from_json(text: str) -> Recipe:
    """Read what ``to_json`` wrote.

    Raises:
        BridgeError: ``bad_recipe``.
    """
    try:
        data = json.loads(text)
        values = {str(name): value for name, value in data["values"].items()}
        json.dumps(values, ensure_ascii=False).encode("utf-8")  # no half characters, which no host can show
        dynamic = tuple(str(name) for name in data.get("dynamic", ()))
        templates = {str(name): str(text) for name, text in data.get("templates", {}).items()}
        return Recipe(str(data["preset"]), values, str(data.get("digest", "")), dynamic, templates)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BridgeError(
            "what this picture was made with cannot be read", code="bad_recipe", hint="Generate a new one."
        ) from error


def sized(recipe: Recipe, preset: Preset, width: int, height: int) -> Recipe:
    """Return a recipe for a picture of a captured size, where the preset has a say in it."""
    size = {"width": width, "height": height}
    return recipe.with_values(**{name: size[name] for name in FROM_CAPTURE if preset.find(name)})


def random_seed() -> int:
    """Return any seed; hosts may have seeded ``random`` itself, and no reproducible one is wanted here."""
    return random.SystemRandom().randrange(LARGEST_SEED)


def next_seed(seed: int) -> int:
    """Return the seed of the next picture where seeds count up."""
    return 0 if seed >= LARGEST_SEED else seed + 1


def has_word(prompt: str, word: str) -> bool:
    """Tell whether a prompt holds a word, which may be of several parts."""
    return _place_of(prompt.split(), word.split()) is not None


def with_word(prompt: str, word: str) -> str:
    """Return a prompt with a word added, or without it if it was there."""
    words, parts = prompt.split(), word.split()
    place = _place_of(words, parts)
    if place is None:
        return f"{prompt.rstrip()} {word}".strip()
    return " ".join(words[:place] + words[place + len(parts) :])


def _place_of(words: list[str], parts: list[str]) -> int | None:
    plain = [word.strip(",").lower() for word in words]
    wanted = [part.lower() for part in parts]
    places = range(len(plain) - len(wanted) + 1)
    return next((place for place in places if plain[place : place + len(wanted)] == wanted), None)
