# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe: what was asked for, as it is sent, kept with its picture, and used again."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import bpy

from ._bridge.errors import BridgeError
from .controls import LARGEST, attribute_of, preset_of, read_values, values_of, write_values
from .preset import FROM_CAPTURE, Preset
from .properties import Settings

SEED = "seed"
"""The control whose value the seed mode changes."""

CARRIED = frozenset({"prompt", "negative_prompt", "seed"})
"""Controls whose values mean the same in every preset; strength and steps do not."""


@dataclass(frozen=True)
class Recipe:
    """What to do with a capture.

    Args:
        preset: Its name.
        values: Control name → value.
        digest: Of the preset, as it was.
    """

    preset: str
    values: Mapping[str, Any]
    digest: str = ""

    def with_values(self, **values: Any) -> Recipe:
        """Return a copy with some values changed."""
        return replace(self, values={**self.values, **values})

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(
            {"preset": self.preset, "values": dict(self.values), "digest": self.digest},
            ensure_ascii=False,
            sort_keys=True,
        )


def recipe_from_json(text: str) -> Recipe:
    """Read what ``to_json`` wrote.

    Raises:
        BridgeError: ``bad_recipe``.
    """
    try:
        data = json.loads(text)
        values = {str(name): value for name, value in data["values"].items()}
        json.dumps(values, ensure_ascii=False).encode(
            "utf-8"
        )  # no half characters, which Blender cannot show
        return Recipe(str(data["preset"]), values, str(data.get("digest", "")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BridgeError(
            "what this picture was made with cannot be read", code="bad_recipe", hint="Generate a new one."
        ) from error


def current_recipe(scene: bpy.types.Scene) -> Recipe:
    """Return what the panel asks for now.

    Raises:
        BridgeError: See ``preset_of``.
    """
    preset = preset_of(scene.framebridge)
    return Recipe(preset.name, read_values(scene.framebridge, preset), preset.digest)


def sized(recipe: Recipe, preset: Preset, width: int, height: int) -> Recipe:
    """Return a recipe for a picture of a captured size, where the preset has a say in it."""
    size = {"width": width, "height": height}
    return recipe.with_values(**{name: size[name] for name in FROM_CAPTURE if preset.find(name)})


def choose_preset(scene: bpy.types.Scene, name: str) -> None:
    """Use a preset; what it has in common with the one before, such as the prompt, is taken along.

    Raises:
        BridgeError: ``unknown_preset``; nothing was changed.
    """
    settings = scene.framebridge
    try:
        common = read_values(settings, preset_of(settings))
    except BridgeError:  # the one before is not known any more
        common = {}
    preset = _set_preset(settings, name)
    texts = {name: value for name, value in common.items() if name in CARRIED and preset.find(name)}
    write_values(settings, preset, texts)


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


def use_again(scene: bpy.types.Scene, recipe: Recipe) -> list[str]:
    """Set the panel to a recipe.

    Returns:
        The names of the values that the preset does not know any more.

    Raises:
        BridgeError: See ``preset_of``.
    """
    preset = _set_preset(scene.framebridge, recipe.preset)
    scene.framebridge.seed_mode = "FIXED"
    return write_values(scene.framebridge, preset, dict(recipe.values))


def draw_seed(scene: bpy.types.Scene) -> None:
    """Draw another seed if that is the mode; to be called before a picture is made."""
    preset = preset_of(scene.framebridge)
    if scene.framebridge.seed_mode == "RANDOM" and preset.find(SEED):
        # Blender may be started with a seed of its own: no reproducible numbers wanted here.
        seed = random.SystemRandom().randrange(LARGEST)
        setattr(values_of(scene.framebridge, preset), attribute_of(SEED), seed)


def advance_seed(scene: bpy.types.Scene) -> None:
    """Count the seed up if that is the mode; to be called after a picture was asked for."""
    preset = preset_of(scene.framebridge)
    if scene.framebridge.seed_mode == "INCREMENT" and preset.find(SEED):
        group = values_of(scene.framebridge, preset)
        seed = getattr(group, attribute_of(SEED))
        setattr(group, attribute_of(SEED), 0 if seed >= LARGEST else seed + 1)


def _set_preset(settings: Settings, name: str) -> Preset:
    before = settings.preset
    settings.preset = name
    try:
        preset = preset_of(settings)
    except BridgeError:
        settings.preset = before
        raise
    settings.preset_digest = preset.digest
    return preset


def _place_of(words: list[str], parts: list[str]) -> int | None:
    plain = [word.strip(",").lower() for word in words]
    wanted = [part.lower() for part in parts]
    places = range(len(plain) - len(wanted) + 1)
    return next((place for place in places if plain[place : place + len(wanted)] == wanted), None)
