# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel of models: what the daemon has, what a preset lacks, and getting more by pasting an address."""

from __future__ import annotations

import os
import tempfile

import bpy
import bpy.utils.previews
from bpy.props import CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from ._bridge.errors import Problem
from ._bridge.host.model_cards import KINDS, ModelCard, size_words
from ._bridge.host.shelf import Shelf
from ._bridge.host.words import counted, sentence
from .drawing import draw_progress, draw_text
from .panels import CATEGORY
from .studio import studio

MOST_TRIGGERS = 12
"""Of a model, as buttons."""

MOST_LACKING = 12

ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}
"""How a picture begins → how its file is to be called."""


class ModelName(bpy.types.PropertyGroup):
    """A line of the list of models; what is known of the model, the shelf says"""

    name: StringProperty(name="Name", description="Of the model, as workflows name it")


def _shelf() -> Shelf:
    return studio().shelf


def _choose_kind(state: ModelsState, context: bpy.types.Context) -> None:
    _shelf().choose(state.kind)
    state.index = -1


def _look_at(state: ModelsState, context: bpy.types.Context) -> None:
    if 0 <= state.index < len(state.names):
        _shelf().look_at(state.names[state.index].name)


class ModelsState(bpy.types.PropertyGroup):
    """What the panel of models shows; of this Blender, not of a file."""

    kind: EnumProperty(
        name="Kind",
        description="Which models are listed",
        items=[(kind, title, f"Show the installed {title}") for kind, title in KINDS.items()],
        update=_choose_kind,
    )
    source: StringProperty(
        name="Address",
        description="Of a model on Hugging Face or Civitai, or a name of the curated list, as sd15: "
        "what it holds, its size and its licence are shown before anything is got",
    )
    names: CollectionProperty(type=ModelName)
    index: IntProperty(name="Model", description="The model that is looked at", default=-1, update=_look_at)


class ModelList(bpy.types.UIList):
    """The installed models of a kind"""

    bl_idname = "FRAMEBRIDGE_UL_models"

    def draw_item(
        self, context, layout, data, item, icon, active_data, active_property, index=0, flag=0
    ) -> None:
        """Draw a model with its family; a sidebar is narrow, and the box below says the rest."""
        card = next((card for card in _shelf().cards if card.name == item.name), None)
        row = layout.split(factor=0.76)
        row.label(text=item.name.removesuffix(".safetensors"), icon=_icon_of(card))
        row.label(text=card.short_family if card is not None else "")

    def filter_items(self, context, data, name) -> tuple[list[int], list[int]]:
        """Show what holds the words that are looked for, in name, title, family or trigger words."""
        wanted = self.filter_name.lower()
        cards = {card.name: card for card in _shelf().cards}
        flags = [
            self.bitflag_filter_item if wanted in _searched(item.name, cards.get(item.name)) else 0
            for item in getattr(data, name)
        ]
        return flags, []


class _Models:
    bl_label = "Models"
    bl_region_type = "UI"
    bl_category = CATEGORY
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what is pulled, what can be, and the installed models."""
        layout, state, shelf = self.layout, context.window_manager.framebridge_models, _shelf()
        shelf.is_looked_at = True
        if not studio().link.is_connected:
            draw_text(layout, context, "Connect to see the daemon's models.", "INFO")
            return
        _draw_trouble(layout, context, shelf.problem)
        _draw_source(layout, state, shelf)
        _draw_plan(layout, context, shelf)
        for pull in shelf.pulls:
            row = layout.row(align=True)
            draw_progress(row, *shelf.progress_of(pull))
            row.operator("framebridge.cancel_pull", text="", icon="X").pull = pull.pull
        _draw_lacking(layout, context, shelf)
        row = layout.row(align=True)
        row.prop(state, "kind", text="")
        row.operator("framebridge.refresh_models", text="", icon="FILE_REFRESH")
        layout.template_list("FRAMEBRIDGE_UL_models", "", state, "names", state, "index", rows=5)
        if shelf.card is not None:
            _draw_card(layout.box(), context, shelf.card)
        _draw_found(layout, context, shelf)


def _draw_trouble(layout: bpy.types.UILayout, context: bpy.types.Context, problem: Problem | None) -> None:
    if problem is None:
        return
    box = layout.box()
    box.alert = True
    draw_text(box, context, sentence(Problem(problem.code, problem.message)), "ERROR")
    if problem.hint:
        draw_text(box, context, problem.hint)
    box.operator("framebridge.decline_pull", text="Dismiss", icon="X")


def _draw_source(layout: bpy.types.UILayout, state: ModelsState, shelf: Shelf) -> None:
    row = layout.row(align=True)
    row.prop(state, "source", text="", icon="URL")
    row.operator("framebridge.plan_pull", text="", icon="VIEWZOOM").source = ""
    if shelf.is_planning:
        layout.label(text="Asking its source…", icon="TIME")


def _draw_plan(layout: bpy.types.UILayout, context: bpy.types.Context, shelf: Shelf) -> None:
    if shelf.plan is None:
        return
    box = layout.box()
    if shelf.plan.title:
        box.label(text=shelf.plan.title, icon="IMPORT")
    for label, text in shelf.plan.lines:
        draw_text(box, context, f"{label}: {text}")
    row = box.row(align=True)
    row.operator("framebridge.agree_to_pull", icon="CHECKMARK")
    row.operator("framebridge.decline_pull", text="", icon="X")


def _draw_lacking(layout: bpy.types.UILayout, context: bpy.types.Context, shelf: Shelf) -> None:
    layout.operator("framebridge.find_lacking", icon="QUESTION")
    if shelf.lacking == ():
        layout.label(text="It lacks nothing", icon="CHECKMARK")
    for model in (shelf.lacking or ())[:MOST_LACKING]:
        row = layout.row(align=True)
        row.label(text=model.title or f"{model.folder}/{model.name}", icon="LIBRARY_DATA_BROKEN")
        if model.source:
            text = f"Get, {size_words(model.bytes)}" if model.bytes else "Get"
            button = row.operator("framebridge.plan_pull", text=text, icon="IMPORT")
            button.source, button.folder, button.file = model.source, model.folder, model.name
        else:
            row.label(text="no source is known")


def _draw_card(layout: bpy.types.UILayout, context: bpy.types.Context, card: ModelCard) -> None:
    layout.label(text=card.title or card.name)
    icon = preview_icon()
    if icon:
        layout.template_icon(icon, scale=6.0)
    for label, text in card.lines:
        draw_text(layout, context, f"{label}: {text}")
    if card.fault:
        draw_text(layout, context, f"Cannot be used: {card.fault}", "ERROR")
    if card.triggers:
        layout.label(text="Trigger words:")
        flow = layout.grid_flow(columns=2, even_columns=True, align=True)
        for word in card.triggers[:MOST_TRIGGERS]:
            flow.operator("framebridge.add_word", text=word).word = word


def _draw_found(layout: bpy.types.UILayout, context: bpy.types.Context, shelf: Shelf) -> None:
    for folder in shelf.found:
        box = layout.box()
        draw_text(
            box, context, f"{folder.program} at {folder.path}: {counted(folder.models, 'model')}", "INFO"
        )
        box.operator("framebridge.add_model_folder", icon="FILE_FOLDER").path = folder.path


def _icon_of(card: ModelCard | None) -> str:
    return "ERROR" if card is not None and card.fault else "NONE"


def _searched(name: str, card: ModelCard | None) -> str:
    said = (card.title, card.family, *card.triggers) if card is not None else ()
    return " ".join((name, *said)).lower()


# ---- in step with the shelf ----------------------------------------------------------------------


_shown = -1
"""The shelf's serial when the list was filled."""

_previews: bpy.utils.previews.ImagePreviewCollection | None = None
_preview = b""
"""The picture that is in the collection."""


def follow() -> None:
    """Fill the list with the names of the shelf's models; to be called outside of drawing, which must not."""
    global _shown
    shelf = _shelf()
    if bpy.context.window_manager is None:
        return
    state = bpy.context.window_manager.framebridge_models
    if shelf.serial == _shown and len(state.names) == len(shelf.cards):  # another file has an empty list
        return
    _shown = shelf.serial
    names = [card.name for card in shelf.cards]
    if [item.name for item in state.names] != names:
        state.names.clear()
        for name in names:
            state.names.add().name = name
    chosen = shelf.card.name if shelf.card is not None else ""
    index = names.index(chosen) if chosen in names else -1
    for name, value in (("kind", shelf.kind), ("index", index)):
        if getattr(state, name) != value:
            setattr(state, name, value)  # which the shelf knows already, so that nothing is asked again
    _load_preview(shelf.thumbnail)


def preview_icon() -> int:
    """Return the number of the icon of the preview of the model that is looked at; 0 if there is none."""
    return _previews["model"].icon_id if _previews is not None and "model" in _previews else 0


def _load_preview(picture: bytes) -> None:
    global _previews, _preview
    if picture == _preview:
        return
    _preview = picture
    forget()
    ending = next((ending for start, ending in ENDINGS.items() if picture.startswith(start)), "")
    if not ending:
        return
    handle, path = tempfile.mkstemp(ending, "framebridge-", bpy.app.tempdir or None)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(picture)
        _previews = bpy.utils.previews.new()
        if not any(_previews.load("model", path, "IMAGE").image_size):  # which has the file read, now
            forget()
    except (OSError, KeyError, RuntimeError):
        forget()
    finally:
        os.unlink(path)


def forget() -> None:
    """Let the preview go, as must be done before Blender quits."""
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
    _previews = None


def register() -> None:
    """Add what the panel keeps to every window manager."""
    bpy.types.WindowManager.framebridge_models = PointerProperty(type=ModelsState)


def unregister() -> None:
    """Take it away."""
    forget()
    del bpy.types.WindowManager.framebridge_models


def _in_both_editors() -> tuple[type, ...]:
    classes = []
    for space, short in (("VIEW_3D", "view"), ("IMAGE_EDITOR", "image")):
        body = {
            "bl_space_type": space,
            "bl_idname": f"FRAMEBRIDGE_PT_{short}_models",
            "bl_parent_id": f"FRAMEBRIDGE_PT_{short}_main",
        }
        classes.append(type(f"FRAMEBRIDGE_PT_{short}_models", (_Models, bpy.types.Panel), body))
    return tuple(classes)


CLASSES = (ModelName, ModelsState, ModelList, *_in_both_editors())
