# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's buttons do; everything works from ``blender --background``, too, where it waits."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from . import display, frames, recipe, results
from ._bridge.client import error_from
from ._bridge.host.recipe import with_word
from ._bridge.host.settings import ACTIONS
from .controls import attribute_of, preset_of, values_of
from .report import reported, say
from .studio import studio

PROMPT = "prompt"
"""The control that words are added to."""


class Connect(bpy.types.Operator):
    """Connect to the daemon; it is started if none runs"""

    bl_idname = "framebridge.connect"
    bl_label, bl_description = ACTIONS["connect"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin to connect; in the background, wait for it."""
        if studio().is_waiting:
            studio().connect()  # what waits goes on waiting
        else:
            studio().when_ready(lambda: None)
        return finished(self, lambda: not studio().is_waiting)


class Disconnect(bpy.types.Operator):
    """Close the connection; the daemon and its jobs go on"""

    bl_idname = "framebridge.disconnect"
    bl_label, bl_description = ACTIONS["disconnect"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Disconnect within a second."""
        studio().disconnect()
        return {"FINISHED"}


class Generate(bpy.types.Operator):
    """Capture the view and have it repainted"""

    bl_idname = "framebridge.generate"
    bl_label, bl_description = ACTIONS["generate"]
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow one picture at a time."""
        return studio().may_generate

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for a picture; in the background, wait for it."""
        studio().ask_for_picture(context)
        return finished(self, lambda: not studio().is_generating)


class Cancel(bpy.types.Operator):
    """Give up what is being made; pictures and frames that are there stay"""

    bl_idname = "framebridge.cancel"
    bl_label, bl_description = ACTIONS["cancel"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Cancel the picture, the animation and what waits."""
        studio().cancel()
        return {"FINISHED"}


class Live(bpy.types.Operator):
    """Repaint this viewport whenever the view, the scene or a control changes"""

    bl_idname = "framebridge.live"
    bl_label, bl_description = ACTIONS["live"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need timers and a window."""
        return not bpy.app.background

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn Live on or off."""
        if studio().live is None:
            studio().start_live(context)
        else:
            studio().stop_live()
        return {"FINISHED"}


class KeepLive(bpy.types.Operator):
    """Keep the picture that Live shows, as a result of its own"""

    bl_idname = "framebridge.keep_live"
    bl_label, bl_description = ACTIONS["keep_live"]
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a live picture."""
        return studio().live is not None and studio().live.picture is not None

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it to the history."""
        image = studio().keep_live(context)
        self.report({"INFO"}, f"Kept as {image.name}")
        return {"FINISHED"}


class ChoosePreset(bpy.types.Operator):
    """Use this preset"""

    bl_idname = "framebridge.choose_preset"
    bl_label = "Choose Preset"
    bl_options = {"UNDO", "INTERNAL"}

    preset: StringProperty(name="Preset", description="Its name")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Choose it; values of controls with the same name are taken along the first time."""
        recipe.choose_preset(context.scene, self.preset)
        return {"FINISHED"}


class AddWord(bpy.types.Operator):
    """Add this word to the prompt, or take it out if it is there"""

    bl_idname = "framebridge.add_word"
    bl_label = "Add Word"
    bl_options = {"UNDO", "INTERNAL"}

    word: StringProperty(name="Word")

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Change the prompt."""
        preset = preset_of(context.scene.framebridge)
        group = values_of(context.scene.framebridge, preset)
        prompt = getattr(group, attribute_of(PROMPT))
        setattr(group, attribute_of(PROMPT), with_word(prompt, self.word))
        return {"FINISHED"}


class ShowMaps(bpy.types.Operator):
    """Capture the view and see the control maps that are made of it"""

    bl_idname = "framebridge.show_maps"
    bl_label, bl_description = ACTIONS["show_maps"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow one at a time."""
        return not studio().is_mapping

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the daemon for them; in the background, wait."""
        studio().ask_for_maps(context)
        return finished(self, lambda: not studio().is_mapping)


class Diagnose(bpy.types.Operator):
    """Try every link from the daemon to a picture in this file, and say which one breaks"""

    bl_idname = "framebridge.diagnose"
    bl_label, bl_description = ACTIONS["diagnose"]

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; in the background, wait and report."""
        diagnosis = studio().diagnose(context)
        if bpy.app.background:
            studio().wait(lambda: diagnosis.is_over)
            for step in diagnosis.steps:
                self.report({"INFO"}, f"{step.name}: {step.state} {step.words}")
            if diagnosis.broken is not None:
                say(self, diagnosis.broken.problem)
                return {"CANCELLED"}
        return {"FINISHED"}


class FreeMemory(bpy.types.Operator):
    """Have the daemon give the graphics memory back; models load again with the next picture"""

    bl_idname = "framebridge.free_memory"
    bl_label, bl_description = ACTIONS["free_memory"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a connection."""
        return studio().link.is_connected

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for it."""
        studio().link.session.free()
        self.report({"INFO"}, "The daemon was asked to give its memory back")
        return {"FINISHED"}


class Dismiss(bpy.types.Operator):
    """Take this message away"""

    bl_idname = "framebridge.dismiss"
    bl_label, bl_description = ACTIONS["dismiss"]
    bl_options = {"INTERNAL"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget the message."""
        studio().dismiss()
        return {"FINISHED"}


class _OfResult:
    """An operator on a result: the one that is named, else the one that is looked at."""

    image: StringProperty(name="Image", description="Name of a result; empty for the one that is looked at")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a result."""
        return bool(display.results())

    def result(self, context: bpy.types.Context) -> bpy.types.Image:
        """Return the result.

        Raises:
            BridgeError: ``no_result``.
        """
        return display.chosen_result(context.scene, self.image)


class UseAgain(_OfResult, bpy.types.Operator):
    """Set preset, prompt, seed and all other controls to what this result was made with"""

    bl_idname = "framebridge.use_again"
    bl_label, bl_description = ACTIONS["use_again"]
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the panel."""
        unknown = recipe.use_again(context.scene, display.recipe_of(self.result(context)))
        if unknown:
            self.report({"WARNING"}, f"The preset has changed and no longer has: {', '.join(unknown)}")
        return {"FINISHED"}


class ShowResult(_OfResult, bpy.types.Operator):
    """Show this result over the viewport and in the Image Editor"""

    bl_idname = "framebridge.show_result"
    bl_label = "Show"
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show it where the settings say."""
        image = self.result(context)
        studio().show(image, context.scene)
        return {"FINISHED"}


class DeleteResult(_OfResult, bpy.types.Operator):
    """Delete this result; materials and others that use it lose it"""

    bl_idname = "framebridge.delete_result"
    bl_label, bl_description = ACTIONS["delete_result"]
    bl_options = {"REGISTER", "UNDO"}

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it; the newest of the others is looked at."""
        image = self.result(context)
        studio().shown_result.hide(image)
        results.take_from_cameras(image)
        bpy.data.images.remove(image)
        return {"FINISHED"}


class SaveResult(_OfResult, bpy.types.Operator, ExportHelper):
    """Write this result as a PNG file that also holds what it was made with"""

    bl_idname = "framebridge.save_result"
    bl_label = "Save Result"

    filename_ext = ".png"
    filter_glob: StringProperty(default="*.png", options={"HIDDEN"})

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        file = results.save_picture(self.result(context), Path(bpy.path.abspath(self.filepath)))
        self.report({"INFO"}, f"Saved {file}")
        return {"FINISHED"}


class ClearOverlay(bpy.types.Operator):
    """Show the viewport without a result over it"""

    bl_idname = "framebridge.clear_overlay"
    bl_label, bl_description = ACTIONS["clear_overlay"]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need something to hide."""
        return studio().overlay.is_shown

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hide it; it stays in the history."""
        studio().shown_result.hide()
        return {"FINISHED"}


class RenderAnimation(bpy.types.Operator):
    """Repaint every frame of the scene's range and write it to the folder; goes on where it was stopped"""

    bl_idname = "framebridge.render_animation"
    bl_label, bl_description = ACTIONS["render_animation"]

    starts_over: BoolProperty(
        name="Start Over", description="Make all frames anew, also those that are there", default=False
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Allow one at a time."""
        return studio().may_generate

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; in the background, wait and report every frame."""
        studio().ask_for_animation(context, self.starts_over)
        return finished(self, lambda: not studio().is_waiting and studio().animation is None)


class LoadAnimation(bpy.types.Operator):
    """Load the frames that were rendered"""

    bl_idname = "framebridge.load_animation"
    bl_label = "Load Frames"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(
        name="As",
        items=(
            ("IMAGE", "Image Sequence", "As one image, for materials, backgrounds and the Image Editor"),
            ("STRIP", "Sequencer Strip", "On a free channel of this scene's sequencer"),
        ),
    )

    @reported
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Load them."""
        folder = results.folder_path(context.scene.framebridge.frames_folder)
        if self.kind == "STRIP":
            frames.load_strip(context.scene, folder)
        else:
            image = frames.load_images(folder)
            self.report({"INFO"}, f"Loaded as {image.name}")
        return {"FINISHED"}


def finished(operator: bpy.types.Operator, is_over: Callable[[], bool]) -> set[str]:
    """End an operator: in a window at once, in the background when what it began is over."""
    if not bpy.app.background:
        return {"FINISHED"}
    studio().wait(is_over)
    if studio().trouble is not None:
        raise error_from([studio().trouble])
    if studio().notice:
        operator.report({"INFO"}, studio().notice)
    return {"FINISHED"}


CLASSES = (
    Connect,
    Disconnect,
    Generate,
    Cancel,
    Live,
    KeepLive,
    ChoosePreset,
    AddWord,
    ShowMaps,
    Diagnose,
    FreeMemory,
    Dismiss,
    UseAgain,
    ShowResult,
    DeleteResult,
    SaveResult,
    ClearOverlay,
    RenderAnimation,
    LoadAnimation,
)
