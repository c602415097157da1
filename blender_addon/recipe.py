# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for, as a recipe, and back."""

from __future__ import annotations

import bpy

from ._bridge.errors import BridgeError
from ._bridge.host.objects import with_objects
from ._bridge.host.preset import OBJECTS, SELECTION, Preset
from ._bridge.host.recipe import CARRIED, SEED, Recipe, next_seed, random_seed
from .controls import attribute_of, preset_of, read_values, values_of, write_values
from .objects import bindings_in, restore, selected_in
from .properties import Settings


def current_recipe(scene: bpy.types.Scene) -> Recipe:
    """Return what the panel asks for now.

    Raises:
        BridgeError: See ``preset_of`` and ``with_objects``.
    """
    preset = preset_of(scene.framebridge)
    recipe = Recipe(preset.name, read_values(scene.framebridge, preset), preset.digest)
    recipe = recipe.with_dynamic() if scene.framebridge.is_dynamic else recipe
    selection = selected_in(scene) if preset.find(SELECTION) else []
    return with_objects(recipe, preset, bindings_in(scene), selection)


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


def use_again(scene: bpy.types.Scene, recipe: Recipe) -> list[str]:
    """Set the panel to a recipe.

    Returns:
        The names of the values that the preset does not know any more.

    Raises:
        BridgeError: See ``preset_of``.
    """
    preset = _set_preset(scene.framebridge, recipe.preset)
    scene.framebridge.seed_mode = "FIXED"
    if recipe.with_dynamic().dynamic:  # the texts look like dynamic prompts, whether they were or not
        scene.framebridge.is_dynamic = bool(recipe.dynamic)
    if OBJECTS in recipe.values:
        restore(scene, recipe)
    return write_values(scene.framebridge, preset, dict(recipe.values))


def draw_seed(scene: bpy.types.Scene) -> None:
    """Draw another seed if that is the mode; to be called before a picture is made."""
    preset = preset_of(scene.framebridge)
    if scene.framebridge.seed_mode == "RANDOM" and preset.find(SEED):
        setattr(values_of(scene.framebridge, preset), attribute_of(SEED), random_seed())


def advance_seed(scene: bpy.types.Scene) -> None:
    """Count the seed up if that is the mode; to be called after a picture was asked for."""
    preset = preset_of(scene.framebridge)
    if scene.framebridge.seed_mode == "INCREMENT" and preset.find(SEED):
        group = values_of(scene.framebridge, preset)
        setattr(group, attribute_of(SEED), next_seed(getattr(group, attribute_of(SEED))))


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
