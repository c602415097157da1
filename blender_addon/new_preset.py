# SPDX-License-Identifier: GPL-3.0-or-later
"""A preset of the artist's own from a workflow file: the properties, the buttons and the panel."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, PointerProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ._bridge.host.new_preset import PLANES, Choice, NewPreset
from ._bridge.host.settings import ACTIONS
from .report import reported
from .studio import studio

CATEGORY = "Framebridge"

_shown: list[Choice] = []

KEPT = "KEPT"
"""In the place of no plane: Blender's lists have no empty names."""


class ShownInput(bpy.types.PropertyGroup):
    """An input of the workflow."""

    place: StringProperty()
    label: StringProperty(name="Label", description="What the panel calls it")
    is_shown: BoolProperty(name="Show", description="Show it in the panel")


class LoadedPicture(bpy.types.PropertyGroup):
    """A picture that the workflow loads."""

    node: StringProperty()
    title: StringProperty()
    plane: EnumProperty(
        name="Is",
        description="What takes this picture's place",
        items=[(value or KEPT, label, text) for value, label, text in PLANES],
    )


class Draft(bpy.types.PropertyGroup):
    """The preset that is being made."""

    title: StringProperty(name="Title", description="What the list of presets calls it")
    inputs: CollectionProperty(type=ShownInput)
    pictures: CollectionProperty(type=LoadedPicture)


def show_once(made: NewPreset) -> None:
    """Write a workflow that has just been opened into the properties, where it can be changed."""
    global _shown  # which workflow the properties hold; they belong to this process as well
    if _shown is not made.choices:
        _shown = made.choices
        _show(made)


def _show(made: NewPreset) -> None:
    draft = bpy.context.window_manager.framebridge_draft
    draft.title = made.title
    draft.inputs.clear()
    for choice in made.choices:
        entry = draft.inputs.add()
        entry.place, entry.label, entry.is_shown = choice.place, choice.label, choice.is_shown
    draft.pictures.clear()
    for feed in made.feeds:
        picture = draft.pictures.add()
        picture.node, picture.title, picture.plane = feed.node, feed.title, feed.plane or KEPT


def take_back(made: NewPreset) -> None:
    """Read what the artist has chosen."""
    draft = bpy.context.window_manager.framebridge_draft
    made.title = draft.title
    for choice, entry in zip(made.choices, draft.inputs, strict=True):
        choice.label, choice.is_shown = entry.label, entry.is_shown
    for feed, picture in zip(made.feeds, draft.pictures, strict=True):
        feed.plane = "" if picture.plane == KEPT else picture.plane


class OpenWorkflow(bpy.types.Operator, ImportHelper):
    """Open a workflow, or a picture that holds one, to make a preset of it"""

    bl_idname = "framebridge.open_workflow"
    bl_label, bl_description = ACTIONS["open_workflow"]

    filter_glob: StringProperty(default="*.json;*.png", options={"HIDDEN"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the daemon what of it could be shown; in the background, wait."""
        made = studio().new_preset
        made.open(Path(bpy.path.abspath(self.filepath)))
        return _waited(made)


class SavePreset(bpy.types.Operator):
    """Keep the preset; every program that uses this daemon has it"""

    bl_idname = "framebridge.save_preset"
    bl_label, bl_description = ACTIONS["save_preset"]

    replaces: BoolProperty(name="Replace", description="Replace your preset of this title")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send it; in the background, wait."""
        made = studio().new_preset
        take_back(made)
        made.save(self.replaces)
        return _waited(made)


class DiscardPreset(bpy.types.Operator):
    """Make no preset of this workflow"""

    bl_idname = "framebridge.discard_preset"
    bl_label, bl_description = ACTIONS["discard_preset"]
    bl_options = {"INTERNAL"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget it."""
        studio().new_preset.discard()
        return {"FINISHED"}


def _waited(made: NewPreset) -> set[str]:
    if bpy.app.background:
        studio().wait(lambda: not made.is_waiting)
        show_once(made)
        return {"CANCELLED"} if made.problem is not None else {"FINISHED"}
    return {"FINISHED"}


class NewPresetPanel(bpy.types.Panel):
    """Make a preset of a workflow"""

    bl_idname = "FRAMEBRIDGE_PT_new_preset"
    bl_label = "New Preset"
    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", CATEGORY
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the button, or what can be chosen of the workflow that is open."""
        layout, made = self.layout, studio().new_preset
        if not made.is_open:
            layout.operator("framebridge.open_workflow", icon="FILEBROWSER")
            return
        draft = context.window_manager.framebridge_draft
        layout.prop(draft, "title")
        for picture in draft.pictures:
            layout.label(text=f"{picture.title}:")
            layout.prop(picture, "plane", text="")
        column = layout.column(align=True)
        for entry in draft.inputs:
            row = column.row(align=True)
            row.prop(entry, "is_shown", text="")
            row.prop(entry, "label", text="")
        problem = made.problem
        row = layout.row(align=True)
        if problem is not None and problem.code == "preset_exists":
            row.operator("framebridge.save_preset", text="Replace").replaces = True
        row.operator("framebridge.save_preset", icon="CHECKMARK").replaces = False
        row.operator("framebridge.discard_preset", text="", icon="X")


CLASSES = (ShownInput, LoadedPicture, Draft, OpenWorkflow, SavePreset, DiscardPreset, NewPresetPanel)


def register() -> None:
    """Add what is kept while the artist chooses; it belongs to no file."""
    bpy.types.WindowManager.framebridge_draft = PointerProperty(type=Draft)


def unregister() -> None:
    """Take it away."""
    del bpy.types.WindowManager.framebridge_draft
