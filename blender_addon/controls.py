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
from .preset import FROM_CAPTURE, FROM_SHOT, Control, Preset, Unit
from .properties import Settings

LARGEST = 2**31 - 1
"""The greatest integer a Blender property holds."""

_registered: dict[str, tuple[Preset, type]] = {}
"""By the name of the attribute of ``Settings``."""


def offer(presets: tuple[Preset, ...]) -> None:
    """Make the presets' controls properties of every scene; those of older presets go."""
    wanted = {attribute_of(preset.name): preset for preset in presets}
    for attribute in list(_registered):
        if wanted.get(attribute) != _registered[attribute][0]:
            _withdraw(attribute)
    for attribute, preset in wanted.items():
        if attribute not in _registered:
            group = type(
                f"FRAMEBRIDGE_PG_{attribute}",
                (bpy.types.PropertyGroup,),
                {"__annotations__": _properties(preset), "__doc__": preset.description},
            )
            bpy.utils.register_class(group)
            setattr(Settings, attribute, PointerProperty(type=group))
            _registered[attribute] = preset, group


def withdraw_all() -> None:
    """Take all presets' properties away; the values stay in the file."""
    for attribute in list(_registered):
        _withdraw(attribute)


def presets() -> tuple[Preset, ...]:
    """Return the presets that are offered."""
    return tuple(preset for preset, _ in _registered.values())


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
    entry = _registered.get(attribute_of(settings.preset))
    if entry is None:
        raise BridgeError(
            f'the daemon has no preset "{settings.preset}"',
            code="unknown_preset",
            hint=f"Choose another: {', '.join(preset.title for preset in presets())}.",
        )
    return entry[0]


def values_of(settings: Settings, preset: Preset) -> Any:
    """Return the property group that holds a preset's values in this scene."""
    return getattr(settings, attribute_of(preset.name))


@functools.cache
def attribute_of(name: str) -> str:
    """Return what a preset or control is called as a Python attribute; different for different names."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"p_{plain}" if plain == name else f"p_{plain}_{zlib.crc32(name.encode()):08x}"


def use_attribute_of(unit: Unit) -> str:
    """Return the attribute that says whether a unit is used."""
    return f"use_{attribute_of(unit.name)}"


def read_values(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return the values of a preset's controls as the daemon takes them; a unit not used weighs nothing."""
    group = values_of(settings, preset)
    values = {
        control.name: getattr(group, attribute_of(control.name))
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


def _withdraw(attribute: str) -> None:
    _, group = _registered.pop(attribute)
    delattr(Settings, attribute)
    bpy.utils.unregister_class(group)


def _is_shown(control: Control) -> bool:
    return control.name not in FROM_CAPTURE | FROM_SHOT


def _properties(preset: Preset) -> dict[str, Any]:
    weights = {unit.weight for unit in preset.units}
    found = {
        attribute_of(control.name): _property(control, control.name in weights)
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
    return found


def _property(control: Control, is_weight: bool) -> Any:
    about = {"name": control.label, "description": control.help}
    if control.type == "text":
        return StringProperty(**about, default=control.default)
    if control.type == "boolean":
        return BoolProperty(**about, default=control.default)
    if control.type == "integer":
        low, high = _whole(control.minimum, -LARGEST), _whole(control.maximum, LARGEST)
        default = min(max(int(control.default), low), high)
        return IntProperty(**about, default=default, min=low, max=high)
    if control.type == "number":
        default = (
            1.0 if is_weight and not control.default else float(control.default)
        )  # off is its switch's word
        low = -3.0e38 if control.minimum is None else control.minimum
        high = 3.0e38 if control.maximum is None else control.maximum
        step = 100 * (control.step or 0.1)
        return FloatProperty(**about, default=default, min=low, max=high, step=max(1, int(step)), precision=2)
    choices = control.choices
    if not choices:  # a model of which none is installed
        return StringProperty(**about, default=control.default)
    default = control.default if control.default in choices else choices[0]
    # Blender saves the number, so it must be the choice's own, not its place in the list.
    items = [(choice, choice, "", zlib.crc32(choice.encode()) & LARGEST) for choice in choices]
    return EnumProperty(**about, items=items, default=default)


def _whole(bound: float | None, otherwise: int) -> int:
    return otherwise if bound is None else int(min(max(bound, -LARGEST), LARGEST))
