# SPDX-License-Identifier: GPL-3.0-or-later
"""Menus and boxes for prompts: the last ones, negative presets, many at once."""

from __future__ import annotations

import bpy

from .prompts import book
from .properties import Settings
from .studio import studio

LETTERS = 70
"""Of a prompt in a menu."""


def draw_batch(layout: bpy.types.UILayout, settings: Settings) -> None:
    """Draw where many prompts come from, and the button."""
    layout.prop(settings, "is_dynamic")
    column = layout.column(align=True)
    column.label(text="One picture for each line of")
    column.row(align=True).prop(settings, "batch_from", expand=True)
    if settings.batch_from == "FILE":
        column.prop(settings, "batch_file", text="")
    else:
        column.prop_search(settings, "batch_text", bpy.data, "texts", text="")
    if studio().is_generating:  # a button under the pointer would stay grey afterwards
        layout.label(text="Under way…", icon="TIME")
    else:
        layout.operator("framebridge.generate_prompts", icon="LINENUMBERS_ON")


class PromptHistory(bpy.types.Menu):
    """The last prompts, in all files"""

    bl_idname = "FRAMEBRIDGE_MT_prompt_history"
    bl_label = "Last Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw one line a prompt, newest first."""
        prompts = book.prompts
        for prompt in prompts:
            text = prompt if len(prompt) <= LETTERS else f"{prompt[: LETTERS - 1]}…"
            self.layout.operator("framebridge.use_prompt", text=text, translate=False).prompt = prompt
        if not prompts:
            self.layout.label(text="No prompts yet", icon="INFO")
            return
        self.layout.separator()
        self.layout.operator("framebridge.clear_prompts", icon="TRASH")


class NegativePresets(bpy.types.Menu):
    """Negative prompts to choose from"""

    bl_idname = "FRAMEBRIDGE_MT_negatives"
    bl_label = "Negative Presets"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the artist's own, then those of the daemon by family of models."""
        own = book.negatives
        for title in own:
            self._entry(title, own[title])
        family = None
        for negative in studio().negatives.found:
            if negative.family != family:
                family = negative.family
                self.layout.separator()
                self.layout.label(text=family or "Any Model", translate=False)
            self._entry(negative.title, negative.text, negative.help)
        self.layout.separator()
        self.layout.operator("framebridge.save_negative", icon="ADD")
        if own:
            self.layout.menu("FRAMEBRIDGE_MT_own_negatives", icon="TRASH")

    def _entry(self, title: str, text: str, about: str = "") -> None:
        button = self.layout.operator("framebridge.use_negative", text=title, translate=False)
        button.text, button.about = text, about


class OwnNegatives(bpy.types.Menu):
    """Negative presets of your own, to delete"""

    bl_idname = "FRAMEBRIDGE_MT_own_negatives"
    bl_label = "Delete"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw one line a preset."""
        for title in book.negatives:
            self.layout.operator("framebridge.delete_negative", text=title, translate=False).title = title


CLASSES = (PromptHistory, NegativePresets, OwnNegatives)
