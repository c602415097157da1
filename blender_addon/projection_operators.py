# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons for projection painting: from the result that is looked at, onto what its view shows."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from . import display, projection
from ._bridge.errors import BridgeError, Problem
from ._bridge.host.words import counted
from .report import reported, say
from .source import viewport_of
from .studio import studio

SIZES = tuple((str(size), f"{size} px", f"{size} × {size} pixels") for size in (512, 1024, 2048, 4096))

SEEN_IN = "Seen in Material Preview and Rendered shading, and in Solid shading with Color set to Texture"


class Project(bpy.types.Operator):
    """Paint this result onto the meshes, from the view that it was made from; other views blend with it"""

    bl_idname = "framebridge.project"
    bl_label = "Project Onto Meshes"
    bl_options = {"REGISTER", "UNDO"}

    image: StringProperty(name="Image", description="Name of a result; empty for the one that is looked at")
    only_selected: BoolProperty(name="Only Selected", description="Paint the selected objects only")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a result, and objects that may be changed."""
        return bool(display.results()) and context.mode == "OBJECT"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Capture the depth of the result's view again, and add the view."""
        image = display.chosen_result(context.scene, self.image)
        viewport = viewport_of(context)
        capture = studio().capturer.capture(viewport, display.view_of(image), with_surfaces=True)
        chosen = context.selected_objects if self.only_selected else None
        done = projection.project(display.picture_rows(image)[..., :3], capture, chosen)
        studio().overlay.clear()  # it would hide what was painted
        _say_all(self, done.warnings)
        self.report({"INFO"}, f"Painted {counted(len(done.objects), 'object')}. {SEEN_IN}")
        return {"FINISHED"}


class Bake(bpy.types.Operator):
    """Bake the views of the selected objects to a texture each; of all painted objects if none is selected"""

    bl_idname = "framebridge.bake"
    bl_label = "Bake"
    bl_options = {"REGISTER", "UNDO"}

    size: EnumProperty(name="Size", items=SIZES, default="1024")
    uv_map: EnumProperty(
        name="UV Map",
        items=(
            (
                "AUTO",
                "Automatic",
                "The active UV map if each face has a place of its own there, else a new one",
            ),
            ("ACTIVE", "Active", "The active UV map, as it is"),
            ("NEW", "New", "A new UV map, made for the texture"),
        ),
    )
    is_lit: BoolProperty(
        name="Lit",
        description="Let the scene light the texture; else it shines and looks as the picture does",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a view."""
        return bool(projection.all_views()) and context.mode == "OBJECT"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake."""
        options = projection.BakeOptions(int(self.size), self.uv_map, self.is_lit)
        done = projection.bake(_painted(context), options)
        _say_all(self, done.warnings)
        self.report({"INFO"}, f"Baked {counted(len(done.objects), 'object')}")
        return {"FINISHED"}


class KeepBake(bpy.types.Operator):
    """Make baked textures the objects' own for good; the views they were made of are forgotten"""

    bl_idname = "framebridge.keep_bake"
    bl_label = "Keep for Good"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a view."""
        return bool(projection.all_views()) and context.mode == "OBJECT"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget the views of what is baked."""
        projection.keep_bake(_painted(context))
        return {"FINISHED"}


class ViewStrength(bpy.types.Operator):
    """Let this view paint more or less"""

    bl_idname = "framebridge.view_strength"
    bl_label = "View Strength"
    bl_options = {"REGISTER", "UNDO"}

    view: StringProperty(name="View", options={"HIDDEN"})
    strength: FloatProperty(
        name="Strength", description="0 turns the view off", default=1.0, min=0.0, max=1.0, subtype="FACTOR"
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the strength, beginning with that of now."""
        view = _find_view(self.view)
        self.strength = 1.0 if view is None else projection.strength_of(view)
        return context.window_manager.invoke_props_dialog(self)

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set it."""
        projection.set_strength(_view(self.view), self.strength)
        return {"FINISHED"}


class RemoveProjection(bpy.types.Operator):
    """Give the selected objects their own materials back; all objects if none is selected"""

    bl_idname = "framebridge.remove_projection"
    bl_label = "Remove Projection"
    bl_options = {"REGISTER", "UNDO"}

    view: StringProperty(name="View", description="Name of the view to take off; empty for all views")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a view."""
        return bool(projection.all_views()) and context.mode == "OBJECT"

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take one view off all objects, or all views off some."""
        if not self.view:
            projection.remove_projection(_painted(context))
            return {"FINISHED"}
        projection.remove_view(_view(self.view))
        return {"FINISHED"}


def _view(name: str) -> bpy.types.NodeTree:
    view = _find_view(name)
    if view is None:
        raise BridgeError(
            f'there is no view "{name}"', code="no_view", hint="Choose one that the panel lists."
        )
    return view


def _find_view(name: str) -> bpy.types.NodeTree | None:
    return next((view for view in projection.all_views() if view.name == name), None)


def _painted(context: bpy.types.Context) -> list[bpy.types.Object]:
    """Return the painted objects among the selected ones, else all of them."""
    everything = [item for item in bpy.data.objects if projection.is_painted(item)]
    selected = [item for item in everything if item in context.selected_objects]
    return selected or everything


def _say_all(operator: bpy.types.Operator, warnings: tuple[Problem, ...]) -> None:
    for warning in warnings:
        say(operator, Problem(warning.code, warning.message, warning.hint, is_warning=True))


CLASSES = (Project, Bake, KeepBake, ViewStrength, RemoveProjection)
