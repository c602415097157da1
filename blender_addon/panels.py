# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D viewport and of the Image Editor: the same panels in both."""

import bpy

from . import display, projection
from ._bridge.host import maps
from ._bridge.host.objects import wants_objects
from ._bridge.host.preset import (
    AROUND,
    CAMERAS,
    FROM_CAPTURE,
    FROM_SCENE,
    FROM_SHOT,
    RESULT,
    Control,
    Preset,
)
from ._bridge.host.words import counted
from .controls import (
    attribute_of,
    known_preset,
    models_of,
    picture_attribute_of,
    presets,
    use_attribute_of,
    values_of,
    words_of,
)
from .drawing import draw_progress as _draw_progress
from .drawing import draw_text as _draw_text
from .grid_menus import draw_grid
from .model_words import known
from .objects import Bound
from .prompt_menus import draw_batch
from .prompts import drawn_text
from .properties import Settings
from .studio import studio
from .trouble import draw_state, draw_trouble

CATEGORY = "Framebridge"

WORKED_ON = {
    AROUND: "This preset paints on around the result that is looked at.",
    CAMERAS: "This preset captures every camera that is not hidden, side by side.",
    RESULT: "This preset works on the result that is looked at; without one, on what is captured:",
}
"""What a preset captures, by its wish."""


def summary() -> str:
    """Return what the panels would say about the state: they are redrawn when it changes."""
    here = studio()
    steps = [(step.state, step.words) for step in here.diagnosis.steps] if here.diagnosis is not None else []
    live = here.live.words if here.live is not None else ""
    frames = here.animation.words if here.animation is not None else ""
    known = tuple(preset.digest for preset in presets())
    shown = here.link.words, here.trouble, here.notice, live, frames, here.progress, here.is_generating
    return repr((*shown, steps, known, here.thumbnails.serial, here.shelf.serial))


class _Panel:
    """What all our panels have in common, once for each editor."""

    bl_region_type = "UI"
    bl_category = CATEGORY


class _Recipe(_Panel):
    """A panel of what pictures are made of."""

    def draw(self, context: bpy.types.Context) -> None:
        """Draw it, grey while frames are made of what it holds: they would not fit those before them."""
        self.layout.enabled = studio().animation is None
        self.draw_settings(context)


class _Main(_Panel):
    bl_label = "Framebridge"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the connection, the preset, its prompt, and Generate."""
        layout, settings = self.layout, context.scene.framebridge
        studio().is_looked_at = True
        draw_state(layout)
        preset = known_preset(settings)
        if preset is not None:
            column = layout.column()
            column.enabled = studio().animation is None
            _draw_preset(column, context, settings, preset)
        _draw_generate(layout, context)
        drawn = drawn_text(settings, preset, context.scene) if preset is not None else ""
        if drawn:
            _draw_text(layout, context, f"Drawn: {drawn}", "FILE_TEXT")
        preview = studio().thumbnails.icon("preview")
        if preview and not _shows_overlay(context):
            layout.template_icon(preview, scale=8.0)
        draw_trouble(layout, context)  # below what is clicked, which must not move away from the pointer


class _Controls(_Recipe):
    bl_label = "Controls"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a preset."""
        return known_preset(context.scene.framebridge) is not None

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw seed and plain controls."""
        layout, settings = self.layout, context.scene.framebridge
        layout.use_property_split = True
        layout.use_property_decorate = False
        preset = known_preset(settings)
        group = values_of(settings, preset)
        for control in _listed_controls(preset, is_advanced=False):
            if control.name == "seed":
                row = layout.row(align=True)
                row.prop(group, attribute_of("seed"))
                row.prop(settings, "seed_mode", text="")
            else:
                layout.prop(group, attribute_of(control.name))


class _Prompts(_Recipe):
    bl_label = "Prompts"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a preset with a prompt."""
        preset = known_preset(context.scene.framebridge)
        return preset is not None and preset.find("prompt") is not None

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw what is done with many prompts, and with dynamic ones."""
        draw_batch(self.layout, context.scene.framebridge)


class _Grid(_Recipe):
    bl_label = "Grid"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a preset."""
        return known_preset(context.scene.framebridge) is not None

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw what is compared over which values."""
        draw_grid(self.layout, context, known_preset(context.scene.framebridge))


class _Units(_Recipe):
    bl_label = "Control Units"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a preset with ControlNets."""
        preset = known_preset(context.scene.framebridge)
        return preset is not None and bool(preset.units)

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw a box a unit: on or off, weight, start and end, and what its ControlNet looks at."""
        layout, settings = self.layout, context.scene.framebridge
        preset = known_preset(settings)
        group = values_of(settings, preset)
        for unit in preset.units:
            box = layout.box()
            row = box.row()
            row.prop(group, use_attribute_of(unit))
            is_used = getattr(group, use_attribute_of(unit))
            if not is_used:
                continue
            row.prop(group, attribute_of(unit.weight), text="", slider=True)
            column = box.column(align=True)
            for name, title in ((unit.start, "Start"), (unit.end, "End")):
                if name:
                    column.prop(group, attribute_of(name), text=title, slider=True)
            _draw_map(box, unit.map)
        used = {unit.map for unit in preset.units}
        for name in maps.MAPS:
            if name not in used and studio().thumbnails.icon(name):
                box = layout.box()
                box.label(text=f"{maps.TITLES[name]}: this preset has no ControlNet for it")
                _draw_map(box, name)
        layout.operator("framebridge.show_maps", icon="IMAGE_DATA")


class _Objects(_Recipe):
    bl_label = "Objects"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a preset that takes prompts of single objects."""
        preset = known_preset(context.scene.framebridge)
        return preset is not None and wants_objects(preset)

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw the list, the line that is looked at, and what the list covers."""
        layout, settings = self.layout, context.scene.framebridge
        row = layout.row()
        row.template_list(
            "FRAMEBRIDGE_UL_objects", "", settings, "objects", settings, "objects_index", rows=4
        )
        column = row.column(align=True)
        column.operator("framebridge.add_object", text="", icon="ADD")
        column.operator("framebridge.remove_object", text="", icon="REMOVE")
        column.separator()
        for direction, icon in (("UP", "TRIA_UP"), ("DOWN", "TRIA_DOWN")):
            column.operator("framebridge.move_object", text="", icon=icon).direction = direction
        if settings.objects:
            place = min(settings.objects_index, len(settings.objects) - 1)
            _draw_bound(layout.column(), context, settings.objects[place])
        else:
            _draw_text(
                layout, context, "Select objects and press + to give them prompts of their own.", "INFO"
            )
        layout.operator("framebridge.show_objects", icon="MOD_MASK")
        _draw_map(layout, "objects")


class _Capture(_Recipe):
    bl_label = "Capture"

    def draw_settings(self, context: bpy.types.Context) -> None:
        """Draw what is captured, and how large."""
        layout, settings = self.layout, context.scene.framebridge
        layout.use_property_split = True
        layout.use_property_decorate = False
        preset = known_preset(settings)
        source = preset.source if preset is not None else ""
        if source:
            _draw_text(layout, context, WORKED_ON[source], "INFO")
        if source == AROUND:
            layout.prop(settings, "margin", slider=True)
            return
        if source != CAMERAS:
            layout.prop(settings, "source")
        if settings.has_own_size:
            column = layout.column(align=True)
            column.prop(settings, "width")
            column.prop(settings, "height")
        else:
            layout.prop(settings, "longest_side")
        layout.prop(settings, "has_own_size")


class _Results(_Panel):
    bl_label = "Results"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw where results go, and the history."""
        layout, settings = self.layout, context.scene.framebridge
        column = layout.column(align=True)
        for name in ("to_overlay", "to_image_editor", "to_camera", "to_folder"):
            column.prop(settings, name)
        if settings.to_folder:
            layout.prop(settings, "folder", text="")
        if settings.to_overlay:
            column = layout.column(align=True)
            column.prop(settings, "overlay_opacity", slider=True)
            column.prop(settings, "overlay_split", slider=True)
            column.operator("framebridge.clear_overlay", icon="HIDE_ON")
        found = display.results()
        if not found:
            layout.label(text="No results yet", icon="INFO")
            return
        layout.template_list(
            "FRAMEBRIDGE_UL_history", "", bpy.data, "images", settings, "history_index", rows=4
        )
        image = display.looked_at(context.scene)
        if image is not None:
            _draw_result(layout, context, image)


class _Projection(_Panel):
    bl_label = "Projection"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the views that are projected, and what can be done with them."""
        layout = self.layout
        row = layout.row(align=True)
        row.operator("framebridge.project", icon="MOD_UVPROJECT").only_selected = False
        row.operator("framebridge.project", text="", icon="RESTRICT_SELECT_OFF").only_selected = True
        views = projection.all_views()
        if not views:
            _draw_text(
                layout, context, "Paints the result that is looked at onto what its view shows.", "INFO"
            )
            return
        column = layout.column(align=True)
        for view in views:
            row = column.row(align=True)
            text = f"{view.name}, {projection.strength_of(view):.0%}"
            row.operator("framebridge.view_strength", text=text).view = view.name
            row.operator("framebridge.remove_projection", text="", icon="X").view = view.name
        layout.operator_menu_enum("framebridge.bake", "size", icon="TEXTURE")
        row = layout.row(align=True)
        row.operator("framebridge.keep_bake")
        row.operator("framebridge.remove_projection", text="Remove").view = ""


class _Animation(_Panel):
    bl_label = "Animation"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw where frames go, and the progress."""
        layout, settings, scene = self.layout, context.scene.framebridge, context.scene
        layout.prop(settings, "frames_folder", text="")
        layout.prop(settings, "freezes_depth")
        frames = f"Frames {scene.frame_start} to {scene.frame_end}"
        layout.label(text=frames if scene.frame_step == 1 else f"{frames}, every {scene.frame_step}.")
        running = studio().animation
        if running is not None:
            row = layout.row()
            row.scale_y = 1.5
            _draw_progress(row, running.done / max(1, len(running.frames)), running.words)
            layout.operator("framebridge.cancel", text="Stop", icon="X")
            return
        row = layout.row(align=True)
        row.operator("framebridge.render_animation", icon="RENDER_ANIMATION")
        row.operator("framebridge.render_animation", text="", icon="FILE_REFRESH").starts_over = True
        layout.operator_menu_enum("framebridge.load_animation", "kind")


class _Advanced(_Panel):
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what few need: the rest of the controls, the connection, Diagnose."""
        layout, settings = self.layout, context.scene.framebridge
        preset = known_preset(settings)
        if preset is not None:
            column = layout.column()
            column.enabled = studio().animation is None
            column.use_property_split = True
            column.use_property_decorate = False
            group = values_of(settings, preset)
            for control in _listed_controls(preset, is_advanced=True):
                column.prop(group, attribute_of(control.name))
        row = layout.row(align=True)
        if studio().link.session is None:
            row.operator("framebridge.connect", icon="LINKED")
        else:
            row.operator("framebridge.disconnect", icon="UNLINKED")
        row.operator("framebridge.free_memory", text="Free Memory")
        layout.operator("framebridge.diagnose", icon="VIEWZOOM")
        if studio().diagnosis is not None:
            _draw_diagnosis(layout.box(), context)


def _draw_preset(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: Settings, preset: Preset
) -> None:
    layout.menu("FRAMEBRIDGE_MT_presets", text=preset.title, icon="PRESET")
    if settings.preset_digest and settings.preset_digest != preset.digest:
        _draw_text(layout, context, "This preset has changed since its values were set: check them.", "INFO")
    if preset.lacks:
        names = ", ".join(name for _, name in preset.lacks)
        _draw_text(layout, context, f"Needs {counted(len(preset.lacks), 'more model')}: {names}", "ERROR")
        layout.operator("framebridge.find_lacking", text="Get Them…", icon="IMPORT")
    _draw_prompts(layout, settings, preset)
    group = values_of(settings, preset)
    for picture in preset.pictures:
        layout.label(text=f"{picture.label}:")
        layout.template_ID(group, picture_attribute_of(picture.name), open="image.open")


def _draw_prompts(layout: bpy.types.UILayout, settings: Settings, preset: Preset) -> None:
    group = values_of(settings, preset)
    if studio().link.is_ready:
        known.want(studio().link.session, models_of(group, preset))
    column = layout.column(align=True)
    for name, icon in (("prompt", "OUTLINER_OB_FONT"), ("negative_prompt", "REMOVE")):
        control = preset.find(name)
        if control is None:
            continue
        row = column.row(align=True)
        row.prop(group, attribute_of(name), text="", icon=icon)
        if name == "prompt":
            row.menu("FRAMEBRIDGE_MT_prompt_history", text="", icon="TIME")
        else:
            row.menu("FRAMEBRIDGE_MT_negatives", text="", icon="PRESET")
        if name == "prompt" and words_of(group, preset):
            row.menu("FRAMEBRIDGE_MT_words", text="", icon="DOWNARROW_HLT")
    if preset.find("strength") is not None:
        layout.prop(group, attribute_of("strength"), slider=True)


def _draw_generate(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.5
    if studio().is_generating:
        fraction, words = studio().progress
        _draw_progress(row, fraction, words)
        row.operator("framebridge.cancel", text="", icon="X")
    else:
        row.operator("framebridge.generate", icon="RENDER_STILL")
    live = studio().live
    row = layout.row(align=True)
    row.operator("framebridge.live", icon="REC" if live else "PLAY", depress=live is not None)
    if live is not None:
        row.operator("framebridge.keep_live", icon="FILE_TICK")
        _draw_text(layout, context, live.words)


def _shows_overlay(context: bpy.types.Context) -> bool:
    """Tell whether the artist sees the steps of a picture in the viewport, where they belong."""
    settings, space = context.scene.framebridge, context.space_data
    is_wanted = settings.to_overlay and settings.source == "VIEWPORT"
    return is_wanted and space.type == "VIEW_3D" and space.overlay.show_overlays


def _draw_bound(layout: bpy.types.UILayout, context: bpy.types.Context, bound: Bound) -> None:
    layout.row(align=True).prop(bound, "kind", expand=True)
    layout.prop(bound, bound.kind, text="")
    if bound.label and bound.item is None:
        row = layout.column()
        row.alert = True
        _draw_text(row, context, f'"{bound.label}" is not in this file any more: choose another.', "ERROR")
    layout.prop(bound, "prompt", text="", icon="OUTLINER_OB_FONT")
    layout.prop(bound, "control", slider=True)
    layout.row(align=True).prop(bound, "paint", expand=True)


def _draw_map(layout: bpy.types.UILayout, name: str) -> None:
    icon = studio().thumbnails.icon(name)
    if icon:
        layout.template_icon(icon, scale=6.0)


def _draw_result(layout: bpy.types.UILayout, context: bpy.types.Context, image: bpy.types.Image) -> None:
    layout.template_icon(image.preview_ensure().icon_id, scale=8.0)
    _draw_text(layout, context, display.describe(image))
    name, took = studio().spent
    if took and name == image.name:
        _draw_text(layout, context, f"Took {took}", "TIME")
    layout.operator("framebridge.use_again", icon="LOOP_BACK")
    row = layout.row(align=True)
    row.operator("framebridge.show_result", icon="HIDE_OFF")
    row.operator("framebridge.save_result", text="Save…", icon="FILE_TICK")
    row.operator("framebridge.delete_result", text="", icon="TRASH")


def _draw_diagnosis(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    icons = {"waiting": "RADIOBUT_OFF", "running": "TIME", "good": "CHECKMARK", "broken": "ERROR"}
    for step in studio().diagnosis.steps:
        _draw_text(layout, context, step.line, icons[step.state])


def _listed_controls(preset: Preset, is_advanced: bool) -> list[Control]:
    """Return the controls that have no place of their own in the panel."""
    elsewhere = (
        FROM_CAPTURE
        | FROM_SCENE
        | FROM_SHOT
        | preset.unit_controls
        | {"prompt", "negative_prompt", "strength"}
    )
    return [
        control
        for control in preset.controls
        if control.name not in elsewhere and control.advanced == is_advanced
    ]


def _in_both_editors() -> tuple[type, ...]:
    """Return a panel class for each of ours and each editor; sub-panels name their parent's."""
    classes = []
    for space, short in (("VIEW_3D", "view"), ("IMAGE_EDITOR", "image")):
        for base in (
            _Main,
            _Controls,
            _Prompts,
            _Grid,
            _Units,
            _Objects,
            _Capture,
            _Results,
            _Projection,
            _Animation,
            _Advanced,
        ):
            name = f"FRAMEBRIDGE_PT_{short}{base.__name__.lower()}"
            body = {"bl_space_type": space, "bl_idname": name}
            if base is not _Main:
                body["bl_parent_id"] = f"FRAMEBRIDGE_PT_{short}_main"
            classes.append(type(name, (base, bpy.types.Panel), body))
    return tuple(classes)


CLASSES = _in_both_editors()
