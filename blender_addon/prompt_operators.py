# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons and menus for prompts do."""

import bpy
from bpy.props import StringProperty

from ._bridge.host.recipe import NEGATIVE, PROMPT
from ._bridge.host.settings import ACTIONS
from .controls import attribute_of, preset_of, values_of
from .operators import finished
from .prompts import book
from .report import reported
from .studio import studio


class UsePrompt(bpy.types.Operator):
    """Put this prompt back"""

    bl_idname = "framebridge.use_prompt"
    bl_label = "Use Prompt"
    bl_options = {"UNDO", "INTERNAL"}

    prompt: StringProperty(name="Prompt")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """Return the whole prompt."""
        return properties.prompt

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the prompt."""
        _set(context, PROMPT, self.prompt)
        return {"FINISHED"}


class ClearPrompts(bpy.types.Operator):
    """Forget the last prompts, in all files; results keep theirs"""

    bl_idname = "framebridge.clear_prompts"
    bl_label, bl_description = ACTIONS["clear_prompts"]
    bl_options = {"INTERNAL"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Empty the history."""
        book.forget_prompts()
        return {"FINISHED"}


class UseNegative(bpy.types.Operator):
    """Use this negative prompt in place of the one that is there"""

    bl_idname = "framebridge.use_negative"
    bl_label = "Use Negative Preset"
    bl_options = {"UNDO", "INTERNAL"}

    text: StringProperty(name="Text")
    about: StringProperty(name="About")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """Return what it is for, and its words."""
        return "\n".join(filter(None, (properties.about, properties.text)))

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the negative prompt."""
        _set(context, NEGATIVE, self.text)
        return {"FINISHED"}


class SaveNegative(bpy.types.Operator):
    """Keep the negative prompt as a preset of your own, for all files"""

    bl_idname = "framebridge.save_negative"
    bl_label, bl_description = ACTIONS["save_negative"]
    bl_options = {"INTERNAL"}

    title: StringProperty(name="Name", description="What it is called in the menu")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for a name."""
        return context.window_manager.invoke_props_dialog(self)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keep it."""
        settings = context.scene.framebridge
        group = values_of(settings, preset_of(settings))
        book.keep_negative(self.title, getattr(group, attribute_of(NEGATIVE), ""))
        self.report({"INFO"}, f"Saved as {self.title.strip()}")
        return {"FINISHED"}


class DeleteNegative(bpy.types.Operator):
    """Delete this preset; the negative prompt stays as it is"""

    bl_idname = "framebridge.delete_negative"
    bl_label = "Delete Negative Preset"
    bl_options = {"INTERNAL"}

    title: StringProperty(name="Name")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it."""
        book.drop_negative(self.title)
        return {"FINISHED"}


class GeneratePrompts(bpy.types.Operator):
    """Make one picture for each line of a text"""

    bl_idname = "framebridge.generate_prompts"
    bl_label, bl_description = ACTIONS["generate_prompts"]
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow one at a time."""
        return studio().may_generate

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for the pictures; in the background, wait for them."""
        studio().ask_for_prompts(context)
        return finished(self, lambda: not studio().is_generating)


def _set(context: bpy.types.Context, name: str, text: str) -> None:
    settings = context.scene.framebridge
    preset = preset_of(settings)
    if preset.find(name) is not None:
        setattr(values_of(settings, preset), attribute_of(name), text)


CLASSES = (UsePrompt, ClearPrompts, UseNegative, SaveNegative, DeleteNegative, GeneratePrompts)
