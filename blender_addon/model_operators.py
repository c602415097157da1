# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the panel of models do; in the background they wait."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from ._bridge.client import error_from
from ._bridge.errors import BridgeError
from ._bridge.host.shelf import MODEL_ACTIONS
from .controls import preset_of
from .preferences import may_go_online
from .recipe import current_recipe
from .report import reported
from .studio import studio


class _WithDaemon:
    """An operator that needs the daemon."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a connection."""
        return studio().link.is_connected


class RefreshModels(_WithDaemon, bpy.types.Operator):
    """Look into the folders of models again"""

    bl_idname = "framebridge.refresh_models"
    bl_label, bl_description = MODEL_ACTIONS["refresh"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for the list."""
        studio().shelf.refresh()
        return {"FINISHED"}


class PlanPull(_WithDaemon, bpy.types.Operator):
    """Ask what would be got from this address"""

    bl_idname = "framebridge.plan_pull"
    bl_label, bl_description = MODEL_ACTIONS["plan"]

    source: StringProperty(name="Address", description="Empty for the one in the panel")
    folder: StringProperty(name="Kind", description="Of the model; empty to judge it by its content")
    file: StringProperty(name="Name", description="Of the file; empty for the one it has there")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask; the plan comes by itself. In the background, wait for it."""
        if not may_go_online():
            raise BridgeError(
                "models come from the internet, and Online Access is off",
                code="offline",
                hint="Allow Online Access in Preferences > System.",
            )
        shelf = studio().shelf
        source = self.source or context.window_manager.framebridge_models.source
        shelf.ask_for_plan(source, self.folder, self.file)
        return _finished(lambda: not shelf.is_planning)


class AgreeToPull(_WithDaemon, bpy.types.Operator):
    """Get this model, under its licence"""

    bl_idname = "framebridge.agree_to_pull"
    bl_label, bl_description = MODEL_ACTIONS["agree"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a plan."""
        return super().poll(context) and studio().shelf.plan is not None

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Say yes to the plan as it is shown; in the background, wait until the model is there."""
        shelf = studio().shelf
        wanted = shelf.plan
        shelf.agree()
        context.window_manager.framebridge_models.source = ""
        return _finished(lambda: shelf.problem is not None or shelf.has_ended(wanted.plan))


class DeclinePull(bpy.types.Operator):
    """Do not get it, and take this message away"""

    bl_idname = "framebridge.decline_pull"
    bl_label, bl_description = MODEL_ACTIONS["decline"]
    bl_options = {"INTERNAL"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget the plan and the message."""
        studio().shelf.decline()
        return {"FINISHED"}


class CancelPull(_WithDaemon, bpy.types.Operator):
    """Stop getting this model; nothing of it is kept"""

    bl_idname = "framebridge.cancel_pull"
    bl_label, bl_description = MODEL_ACTIONS["cancel"]

    pull: StringProperty(name="Pull", options={"HIDDEN"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Cancel it."""
        studio().shelf.cancel(self.pull)
        return {"FINISHED"}


class FindLacking(_WithDaemon, bpy.types.Operator):
    """See which models this preset needs that are not installed"""

    bl_idname = "framebridge.find_lacking"
    bl_label, bl_description = MODEL_ACTIONS["lacking"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask; the answer comes by itself."""
        settings = context.scene.framebridge
        preset = preset_of(settings)
        models = {control.name for control in preset.controls if control.type == "model"}
        values = current_recipe(context.scene).values
        asked = {name: value for name, value in values.items() if name not in models}
        studio().shelf.ask_what_lacks(preset.name, asked)  # as it comes: what is chosen is there
        return {"FINISHED"}


class AddModelFolder(_WithDaemon, bpy.types.Operator):
    """Use the models of this folder from now on; they stay where they are"""

    bl_idname = "framebridge.add_model_folder"
    bl_label, bl_description = MODEL_ACTIONS["add_folder"]

    path: StringProperty(name="Folder", description="On the daemon's machine", subtype="DIR_PATH")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Have the daemon note it."""
        studio().shelf.add_folder(self.path)
        return {"FINISHED"}


def _finished(is_over) -> set[str]:
    """End an operator: in a window at once, in the background when what it began is over."""
    if bpy.app.background:
        studio().wait(is_over)
        if studio().shelf.problem is not None:
            raise error_from([studio().shelf.problem])
    return {"FINISHED"}


CLASSES = (RefreshModels, PlanPull, AgreeToPull, DeclinePull, CancelPull, FindLacking, AddModelFolder)
