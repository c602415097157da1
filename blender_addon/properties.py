# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on keeps with a scene: everything under ``scene.framebridge``, undone and saved by Blender."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .screens import shown_areas
from .viewport import MAX_SIDE

SOURCES = (
    ("VIEWPORT", "Viewport", "What the 3D viewport shows, from where it is looked at"),
    ("CAMERA", "Camera", "What the active camera sees, shaded as the viewport is"),
    ("RENDER", "Final Render", "A render of the frame by the scene's render engine, as with F12"),
)
"""Where pictures are captured from."""


def _redraw_views(_: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    for area in shown_areas("VIEW_3D"):
        area.tag_redraw()


def _result_index(settings: "Settings") -> int:
    return bpy.data.images.find(settings.result.name) if settings.result is not None else -1


def _set_result_index(settings: "Settings", index: int) -> None:
    if 0 <= index < len(bpy.data.images):  # places change with every new image, so the image is kept
        settings.result = bpy.data.images[index]


_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (5, 0) else set()
"""Blender 5.0 wants to be told that ``//`` may begin a path, which 4.x and older do not understand."""


class Settings(bpy.types.PropertyGroup):
    """What a scene keeps; the values of each preset's controls are added beside these."""

    preset: StringProperty(name="Preset", description="What is done with the picture", default="stylize")
    preset_digest: StringProperty(options={"HIDDEN"})

    source: EnumProperty(
        name="Capture", description="What is sent to be repainted", items=SOURCES, default="VIEWPORT"
    )
    longest_side: IntProperty(
        name="Size",
        description="Pixels of the picture's longer side; the other follows from the view. "
        "Half of it takes a quarter of the time",
        default=512,
        min=64,
        max=MAX_SIDE,
        step=64,
        subtype="PIXEL",
    )
    has_own_size: BoolProperty(
        name="Own Size", description="Choose width and height instead of the longer side", default=False
    )
    width: IntProperty(
        name="Width", description="Pixels", default=512, min=64, max=MAX_SIDE, step=64, subtype="PIXEL"
    )
    height: IntProperty(
        name="Height", description="Pixels", default=512, min=64, max=MAX_SIDE, step=64, subtype="PIXEL"
    )
    seed_mode: EnumProperty(
        name="Seed",
        description="What happens to the seed at each Generate",
        items=(
            ("FIXED", "Fixed", "Keep it: the same view gives the same picture"),
            ("INCREMENT", "Increment", "Add 1 after each picture"),
            ("RANDOM", "Random", "Draw another one before each picture"),
        ),
        default="FIXED",
    )

    to_overlay: BoolProperty(
        name="In the Viewport",
        description="Show results over the view that they were made from",
        default=True,
    )
    to_image_editor: BoolProperty(
        name="In Image Editors",
        description="Show results in open Image Editors, unless one shows an image of your own",
        default=True,
    )
    to_camera: BoolProperty(
        name="Behind the Camera", description="Put results behind the camera that they were seen through"
    )
    to_folder: BoolProperty(
        name="In a Folder", description="Write results as PNG files, numbered, never replaced"
    )
    folder: StringProperty(
        name="Folder",
        description="Where results are written",
        default="//framebridge",
        subtype="DIR_PATH",
        options=_RELATIVE,
    )
    overlay_opacity: FloatProperty(
        name="Opacity",
        description="Of the result over the viewport",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_redraw_views,
    )
    overlay_split: FloatProperty(
        name="Before / After",
        description="Where the result begins, from left to right: the scene is seen before it",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_redraw_views,
    )
    result: PointerProperty(
        name="Result", description="The result that is looked at", type=bpy.types.Image, options={"HIDDEN"}
    )
    history_index: IntProperty(
        name="Result", description="Its place in the list", get=_result_index, set=_set_result_index
    )

    frames_folder: StringProperty(
        name="Frames",
        description="Where the frames of an animation are written",
        default="//framebridge/shot",
        subtype="DIR_PATH",
        options=_RELATIVE,
    )
    freezes_depth: BoolProperty(
        name="Steady Depth",
        description="Use one depth range for all frames, found by a look through the shot, "
        "so that brightness does not pump",
        default=True,
    )


def register() -> None:
    """Add the settings to every scene."""
    bpy.utils.register_class(Settings)
    bpy.types.Scene.framebridge = PointerProperty(type=Settings)


def unregister() -> None:
    """Take them away; their values stay in the file."""
    del bpy.types.Scene.framebridge
    bpy.utils.unregister_class(Settings)
