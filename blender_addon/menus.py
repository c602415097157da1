# SPDX-License-Identifier: GPL-3.0-or-later
"""The menus and lists of the panels: presets, words, objects with prompts of their own, results."""

import bpy

from . import display
from ._bridge.host.recipe import has_word
from .controls import attribute_of, known_preset, presets, values_of, words_of
from .studio import studio

KIND_ICONS = {"object": "OBJECT_DATA", "collection": "OUTLINER_COLLECTION", "material": "MATERIAL"}
"""Of what a prompt is bound to."""

MOST_WORDS = 160
"""Of a model, in a menu."""

WORDS_PER_COLUMN = 16


class Presets(bpy.types.Menu):
    """Presets of the daemon"""

    bl_idname = "FRAMEBRIDGE_MT_presets"
    bl_label = "Presets"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw one line a preset, with a picture; those that do the same with other models stand together."""
        base = ""
        for preset in presets():
            if base and preset.base != base:
                self.layout.separator()
            base = preset.base
            icon = studio().preset_icon(preset)
            row = self.layout.operator("framebridge.choose_preset", text=preset.title, icon_value=icon)
            row.preset = preset.name


class Objects(bpy.types.UIList):
    """Objects with prompts of their own"""

    bl_idname = "FRAMEBRIDGE_UL_objects"

    def draw_item(
        self, context, layout, data, item, icon, active_data, active_property, index=0, flag=0
    ) -> None:
        """Draw what is bound, and its prompt; what is missing is red."""
        row = layout.row(align=True)
        row.active = item.is_used
        row.prop(item, "is_used", text="")
        name = row.row(align=True)
        name.alert = bool(item.label) and item.item is None
        name.label(text=item.title or "Choose one below", icon=KIND_ICONS[item.kind])
        row.prop(item, "prompt", text="", emboss=False)


class Words(bpy.types.Menu):
    """Words that the model knows"""

    bl_idname = "FRAMEBRIDGE_MT_words"
    bl_label = "Words"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the words; those of the prompt have a tick."""
        settings = context.scene.framebridge
        preset = known_preset(settings)
        control = preset.find("prompt") if preset is not None else None
        if control is None:
            return
        group = values_of(settings, preset)
        prompt, words = getattr(group, attribute_of("prompt")), words_of(group, preset)
        flow = self.layout.grid_flow(columns=1 + len(words) // WORDS_PER_COLUMN, even_columns=True)
        for word in words[:MOST_WORDS]:
            icon = "CHECKMARK" if has_word(prompt, word) else "BLANK1"
            flow.operator("framebridge.add_word", text=word, icon=icon).word = word


class History(bpy.types.UIList):
    """The results of this file, newest first"""

    bl_idname = "FRAMEBRIDGE_UL_history"

    def draw_item(
        self, context, layout, data, item, icon, active_data, active_property, index=0, flag=0
    ) -> None:
        """Draw a result with its picture."""
        thumbnail = item.preview_ensure().icon_id
        name = item.name.removeprefix("Framebridge ")  # a sidebar is narrow, and the prompt says more
        layout.label(text=f"{name}  {display.prompt_of(item)}", icon_value=thumbnail or icon)

    def filter_items(self, context, data, name) -> tuple[list[int], list[int]]:
        """Show our results only, newest first."""
        images = list(getattr(data, name))
        wanted = self.filter_name.lower()
        newest = display.results()
        flags = [
            self.bitflag_filter_item
            if image in newest and wanted in f"{image.name} {display.prompt_of(image)}".lower()
            else 0
            for image in images
        ]
        place = {image.name: index for index, image in enumerate(newest)}
        ranked = sorted(range(len(images)), key=lambda index: place.get(images[index].name, len(images)))
        order = [0] * len(images)
        for rank, index in enumerate(ranked):
            order[index] = rank
        return flags, order


CLASSES = (Presets, Objects, Words, History)
