# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the Objects panel do."""

import bpy
from bpy.props import EnumProperty

from ._bridge.errors import BridgeError
from ._bridge.host.settings import ACTIONS
from .objects import SHOWN, add, bindings_in, tinted
from .report import reported
from .source import viewport_of, wanted_view
from .studio import studio


class AddObject(bpy.types.Operator):
    """Give prompts of their own to the selected objects; without any, add an empty line"""

    bl_idname = "framebridge.add_object"
    bl_label, bl_description = ACTIONS["add_object"]
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add a line for each selected object that has none."""
        scene, layer = context.scene, context.view_layer
        known = [bound.object for bound in scene.framebridge.objects if bound.kind == "object"]
        chosen = [item for item in layer.objects.selected if item.type in SHOWN and item not in known]
        for item in chosen:
            add(scene, item)
        if not chosen:
            add(scene, None)
        return {"FINISHED"}


class RemoveObject(bpy.types.Operator):
    """Take this line out of the list; the object stays"""

    bl_idname = "framebridge.remove_object"
    bl_label, bl_description = ACTIONS["remove_object"]
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a line."""
        return bool(context.scene.framebridge.objects)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the line that is looked at."""
        settings = context.scene.framebridge
        settings.objects.remove(settings.objects_index)
        settings.objects_index = min(settings.objects_index, max(len(settings.objects) - 1, 0))
        return {"FINISHED"}


class MoveObject(bpy.types.Operator):
    """Move this line: where two lines are about one pixel, the upper one counts"""

    bl_idname = "framebridge.move_object"
    bl_label, bl_description = ACTIONS["move_object"]
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(items=(("UP", "Up", ""), ("DOWN", "Down", "")))

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need two lines."""
        return len(context.scene.framebridge.objects) > 1

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Swap the line with its neighbour."""
        settings = context.scene.framebridge
        place = settings.objects_index + (-1 if self.direction == "UP" else 1)
        if 0 <= place < len(settings.objects):
            settings.objects.move(settings.objects_index, place)
            settings.objects_index = place
        return {"FINISHED"}


class ShowObjects(bpy.types.Operator):
    """See over the viewport which pixels each line is about"""

    bl_idname = "framebridge.show_objects"
    bl_label, bl_description = ACTIONS["show_objects"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a line, and no live view, which would cover it."""
        return bool(context.scene.framebridge.objects) and studio().live is None

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw the masks from where the settings look, in a colour a line."""
        bindings = bindings_in(context.scene)
        if not bindings:
            raise BridgeError(
                "no line of the list names an object",
                code="no_objects",
                hint="Choose an object in it, or add the selected ones.",
            )
        viewport = viewport_of(context)
        view = wanted_view(viewport, context.scene.framebridge)
        capture = studio().capturer.capture(viewport, view, named=frozenset({"object", "material"}))
        rows = tinted(capture.identity, bindings)
        studio().overlay.show(rows, capture.seen)
        studio().thumbnails.set("objects", rows)
        return {"FINISHED"}


CLASSES = (AddObject, RemoveObject, MoveObject, ShowObjects)
