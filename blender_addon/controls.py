# SPDX-License-Identifier: GPL-3.0-or-later
"""A preset's controls as Blender properties: native sliders and menus, undo, keyframes, saved with the file.

Each preset has a property group of its own, made when the daemon tells the preset, under the one pointer
that the add-on adds to a scene. Blender keeps the values in the file while a group is not there.
"""

from __future__ import annotations

import functools
import re
import zlib
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ._bridge.errors import BridgeError
from ._bridge.host.preset import FROM_CAPTURE, FROM_SCENE, FROM_SHOT, Control, Preset, Unit
from ._bridge.host.prompt_words import suggestions
from ._bridge.host.recipe import LARGEST_SEED as LARGEST
from ._bridge.host.recipe import PROMPT
from .model_words import known
from .properties import Settings

LONGEST_NAME = 24
"""Of a preset or control within an attribute's name: Blender takes 63 letters, prefixes included."""

_registered: dict[str, tuple[Preset, type]] = {}
"""By the name of the attribute of ``Settings``."""


def offer(presets: tuple[Preset, ...]) -> None:
    """Make the presets' controls properties of every scene; those of older presets go.

    Raises:
        BridgeError: ``bad_preset`` if Blender takes one of them for none; the others can be used.
    """
    wanted = {attribute_of(preset.name): preset for preset in presets}
    for attribute in list(_registered):
        if wanted.get(attribute) != _registered[attribute][0]:
            _withdraw(attribute)
    refused = []
    for attribute, preset in wanted.items():
        if attribute not in _registered:
            try:
                _registered[attribute] = preset, _register(attribute, preset)
            except (TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
                refused.append(f'"{preset.title}" ({error})')
    if refused:
        raise BridgeError(
            f"a preset of the daemon cannot be shown: {'; '.join(refused)}",
            code="bad_preset",
            hint="The others can be used. Mend its controls, or take its file away.",
        )


def withdraw_all() -> None:
    """Take all presets' properties away; the values stay in the file."""
    for attribute in list(_registered):
        _withdraw(attribute)


def presets() -> tuple[Preset, ...]:
    """Return the presets that are offered."""
    return tuple(preset for preset, _ in _registered.values())


def preset_named(name: str) -> Preset | None:
    """Return the preset of that name, if the daemon has it."""
    entry = _registered.get(attribute_of(name))
    return entry[0] if entry is not None else None


def preset_of(settings: Settings) -> Preset:
    """Return the preset that a scene has chosen.

    Raises:
        BridgeError: ``not_connected`` while no presets are known, ``unknown_preset`` if it is none of them.
    """
    if not _registered:
        raise BridgeError(
            "the daemon has not told its presets yet",
            code="not_connected",
            hint="Connect to the daemon first.",
        )
    preset = preset_named(settings.preset)
    if preset is None:
        raise BridgeError(
            f'the daemon has no preset "{settings.preset}"',
            code="unknown_preset",
            hint=f"Choose another: {', '.join(preset.title for preset in presets())}.",
        )
    return preset


def known_preset(settings: Settings) -> Preset | None:
    """Return the preset that a scene has chosen, if the daemon has told it."""
    try:
        return preset_of(settings)
    except BridgeError:
        return None


def values_of(settings: Settings, preset: Preset) -> Any:
    """Return the property group that holds a preset's values in this scene."""
    return getattr(settings, attribute_of(preset.name))


@functools.cache
def attribute_of(name: str) -> str:
    """Return what a preset or control is called as a Python attribute; different for different names."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:LONGEST_NAME]
    return f"p_{plain}" if plain == name else f"p_{plain}_{zlib.crc32(name.encode()):08x}"


def models_of(group: Any, preset: Preset) -> list[tuple[str, str]]:
    """Return kind and name of the models that a preset's values name."""
    chosen = (control for control in preset.controls if control.type == "model" and _is_shown(control))
    return [(control.folder, getattr(group, attribute_of(control.name))) for control in chosen]


def words_of(group: Any, preset: Preset) -> list[str]:
    """Return the words that the prompt's model knows: those of the preset, and what calls each model."""
    prompt = preset.find(PROMPT)
    choices = prompt.choices if prompt is not None else ()
    return list(dict.fromkeys((*known.words(models_of(group, preset)), *choices)))


def use_attribute_of(unit: Unit) -> str:
    """Return the attribute that says whether a unit is used."""
    return f"use_{attribute_of(unit.name)}"


def picture_attribute_of(name: str) -> str:
    """Return the attribute that holds a picture that the artist chose."""
    return f"picture_{attribute_of(name)}"


def read_values(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return the values of a preset's controls as the daemon takes them; a unit not used weighs nothing."""
    group = values_of(settings, preset)
    values = {
        control.name: _plain(getattr(group, attribute_of(control.name)))
        for control in preset.controls
        if _is_shown(control)
    }
    for unit in preset.units:
        if not getattr(group, use_attribute_of(unit)):
            values[unit.weight] = 0.0
    return values


def write_values(settings: Settings, preset: Preset, values: dict[str, Any]) -> list[str]:
    """Set the values of a preset's controls.

    Returns:
        The names of the values that it cannot hold any more.
    """
    group = values_of(settings, preset)
    weights = {unit.weight: unit for unit in preset.units}
    refused = []
    for name, value in values.items():
        control = preset.find(name)
        if name in weights and value == 0:
            setattr(group, use_attribute_of(weights[name]), False)
            continue
        if name in weights:
            setattr(group, use_attribute_of(weights[name]), True)
        try:
            if control and _is_shown(control):
                setattr(group, attribute_of(name), value)
            elif control is None:
                refused.append(name)
        except (TypeError, ValueError, OverflowError):
            refused.append(name)
    return refused


def _register(attribute: str, preset: Preset) -> type:
    body = {"__annotations__": _properties(preset), "__doc__": preset.description}
    group = type(f"FRAMEBRIDGE_PG_{attribute}", (bpy.types.PropertyGroup,), body)
    bpy.utils.register_class(group)
    setattr(Settings, attribute, PointerProperty(type=group))
    return group


def _plain(value: Any) -> Any:
    """Return a value as it was typed: Blender keeps 0.6 as 0.60000002."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _withdraw(attribute: str) -> None:
    _, group = _registered.pop(attribute)
    delattr(Settings, attribute)
    bpy.utils.unregister_class(group)


def _is_shown(control: Control) -> bool:
    return control.name not in FROM_CAPTURE | FROM_SCENE | FROM_SHOT


def _properties(preset: Preset) -> dict[str, Any]:
    weights = {unit.weight for unit in preset.units}
    found = {
        attribute_of(control.name): _property(preset, control, control.name in weights)
        for control in preset.controls
        if _is_shown(control)
    }
    for unit in preset.units:
        weight = preset.find(unit.weight)
        found[use_attribute_of(unit)] = BoolProperty(
            name=unit.label,
            description=f"Steer the picture by it. {unit.help}".strip(),
            default=bool(weight and weight.default),
        )
    for picture in preset.pictures:
        found[picture_attribute_of(picture.name)] = PointerProperty(
            type=bpy.types.Image, name=picture.label, description=picture.help
        )
    return found


def _property(preset: Preset, control: Control, is_weight: bool) -> Any:
    about = {"name": control.label, "description": control.help}
    if control.type == "text":
        offered = _search(preset, control) if control.choices or control.name == PROMPT else {}
        return StringProperty(**about, default=control.default, **offered)
    if control.type == "boolean":
        return BoolProperty(**about, default=control.default)
    if control.type == "integer":
        low, high = _whole(control.minimum, -LARGEST), _whole(control.maximum, LARGEST)
        default = min(max(int(control.default), low), high)
        return IntProperty(**about, default=default, min=low, max=high)
    if control.type == "number":
        default = float(control.default)
        if is_weight and not default:  # a unit is off by its switch, not by its weight
            default = 1.0
        low = -3.0e38 if control.minimum is None else control.minimum
        high = 3.0e38 if control.maximum is None else control.maximum
        step = int(min(max(100 * (control.step or 0.1), 1), LARGEST))
        precision = 3 if step < 5 else 2
        return FloatProperty(**about, default=default, min=low, max=high, step=step, precision=precision)
    choices = control.choices
    if not choices:  # a model of which none is installed
        return StringProperty(**about, default=control.default)
    default = control.default if control.default in choices else choices[0]
    return EnumProperty(**about, items=_items(choices), default=default)


def _search(preset: Preset, control: Control) -> dict[str, Any]:
    """Return the arguments that offer a model's words while a text is typed; any other text stands, too."""

    def search(group: bpy.types.PropertyGroup, context: bpy.types.Context, typed: str) -> list[str]:
        is_prompt = control.name == PROMPT
        return suggestions(typed, words_of(group, preset) if is_prompt else control.choices)

    return {"search": search, "search_options": {"SUGGESTION"}}


def _items(choices: tuple[str, ...]) -> list[tuple[str, str, str, int]]:
    """Return a menu's entries. Blender saves the number: it must be the choice's own, not its place."""
    numbers: dict[int, str] = {}
    for choice in choices:
        number = zlib.crc32(choice.encode()) & LARGEST
        while numbers.get(number, choice) != choice:
            number = (number + 1) & LARGEST
        numbers[number] = choice
    return [(choice, choice, "", number) for number, choice in numbers.items()]


def _whole(bound: float | None, otherwise: int) -> int:
    return otherwise if bound is None else int(min(max(bound, -LARGEST), LARGEST))
