# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids in the panel: what is compared over which values, the menus of inputs, and the button."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, StringProperty

from ._bridge.errors import BridgeError
from ._bridge.host.grid import axis_controls, suggested_values
from ._bridge.host.preset import Preset
from ._bridge.host.settings import ACTIONS
from .controls import attribute_of, known_preset, preset_of, values_of
from .drawing import draw_text
from .grid import planned_grid
from .operators import finished
from .report import reported
from .studio import studio

AXES = {"x": "Across", "y": "Down"}
"""Axis → what a user calls it."""


def draw_grid(layout: bpy.types.UILayout, context: bpy.types.Context, preset: Preset) -> None:
    """Draw both axes, what they make, and the button."""
    settings = context.scene.framebridge
    for axis, title in AXES.items():
        control = preset.find(getattr(settings, f"grid_{axis}"))
        column = layout.column(align=True)
        chosen = control.label if control is not None else "nothing"
        column.menu(f"FRAMEBRIDGE_MT_grid_{axis}", text=f"{title}: {chosen}")
        if control is not None:
            column.prop(settings, f"grid_{axis}_values", text="")
    if preset.find(settings.grid_x) is None:
        draw_text(layout, context, "Choose inputs to compare pictures over their values.", "INFO")
        return
    if studio().is_generating:  # a button under the pointer would stay grey afterwards
        layout.label(text="Under way…", icon="TIME")
        return
    try:
        layout.label(text=planned_grid(settings).words, icon="MESH_GRID")
    except BridgeError as error:
        draw_text(layout, context, f"{error.message}. {error.hint}", "ERROR")
    layout.operator("framebridge.generate_grid", icon="IMAGE_DATA")


class ChooseAxis(bpy.types.Operator):
    """Compare pictures over the values of this input"""

    bl_idname = "framebridge.choose_axis"
    bl_label = "Choose Input"
    bl_options = {"UNDO", "INTERNAL"}

    axis: EnumProperty(name="Axis", items=[(axis, title, "") for axis, title in AXES.items()])
    control: StringProperty(name="Input", description="Empty for none")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set it, with values to begin with."""
        settings = context.scene.framebridge
        if getattr(settings, f"grid_{self.axis}") == self.control:
            return {"CANCELLED"}
        setattr(settings, f"grid_{self.axis}", self.control)
        setattr(settings, f"grid_{self.axis}_values", _first_values(settings, self.control))
        return {"FINISHED"}


class GenerateGrid(bpy.types.Operator):
    """Make pictures over the values of one or two inputs, as one image"""

    bl_idname = "framebridge.generate_grid"
    bl_label, bl_description = ACTIONS["generate_grid"]
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow one at a time."""
        return studio().may_generate

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for the pictures; in the background, wait for them."""
        studio().ask_for_grid(context)
        return finished(self, lambda: not studio().is_generating)


def _first_values(settings: bpy.types.PropertyGroup, name: str) -> str:
    preset = preset_of(settings)
    control = preset.find(name)
    if control is None:
        return ""
    return suggested_values(control, getattr(values_of(settings, preset), attribute_of(name)))


class _AxisMenu:
    bl_label = "Input"
    axis: str

    def draw(self, context: bpy.types.Context) -> None:
        """Draw one line an input; the ones of control units and models below."""
        settings = context.scene.framebridge
        preset = known_preset(settings)
        if preset is None:
            return
        self._entry("", "Nothing")
        self.layout.separator()
        for control in axis_controls(preset):
            self._entry(control.name, control.label)

    def _entry(self, name: str, label: str) -> None:
        button = self.layout.operator("framebridge.choose_axis", text=label, translate=False)
        button.axis, button.control = self.axis, name


def _menus() -> tuple[type, ...]:
    return tuple(
        type(
            f"FRAMEBRIDGE_MT_grid_{axis}",
            (_AxisMenu, bpy.types.Menu),
            {"bl_idname": f"FRAMEBRIDGE_MT_grid_{axis}", "axis": axis},
        )
        for axis in AXES
    )


CLASSES = (ChooseAxis, GenerateGrid, *_menus())
