# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on keeps with a scene: everything under ``scene.framebridge``, undone and saved by Blender."""

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ._bridge.host.settings import SETTINGS
from .objects import Bound
from .screens import shown_areas

SOURCES = (
    ("VIEWPORT", "Viewport", "What the 3D viewport shows, from where it is looked at"),
    ("CAMERA", "Camera", "What the active camera sees, shaded as the viewport is"),
    (
        "RENDER",
        "Final Render",
        "A render of the frame by the scene's render engine, without compositor and video sequencer; "
        "a transparent film becomes black",
    ),
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


def _named(name: str) -> dict[str, Any]:
    """Return a setting that all hosts have, as the arguments of a property."""
    setting = SETTINGS[name]
    bounds = {"min": setting.minimum, "max": setting.maximum, "items": setting.choices or None}
    given = {key: value for key, value in bounds.items() if value is not None}
    return {"name": setting.label, "description": setting.help, "default": setting.default, **given}


_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (5, 0) else set()
"""Blender 5.0 wants to be told that ``//`` may begin a path, which 4.x and older do not understand."""


class Settings(bpy.types.PropertyGroup):
    """What a scene keeps; the values of each preset's controls are added beside these."""

    preset: StringProperty(**_named("preset"))
    preset_digest: StringProperty(options={"HIDDEN"})

    source: EnumProperty(
        name="Capture", description="What is sent to be repainted", items=SOURCES, default="VIEWPORT"
    )
    longest_side: IntProperty(**_named("longest_side"), step=64, subtype="PIXEL")
    has_own_size: BoolProperty(**_named("has_own_size"))
    width: IntProperty(**_named("width"), step=64, subtype="PIXEL")
    height: IntProperty(**_named("height"), step=64, subtype="PIXEL")
    seed_mode: EnumProperty(**_named("seed_mode"))
    margin: FloatProperty(**_named("margin"), subtype="FACTOR")

    is_dynamic: BoolProperty(**_named("is_dynamic"))
    batch_from: EnumProperty(**_named("batch_from"))
    batch_text: PointerProperty(
        name="Text", description="A text of this file, with one prompt a line", type=bpy.types.Text
    )
    batch_file: StringProperty(
        name="File",
        description="A text file with one prompt a line; # begins a comment",
        subtype="FILE_PATH",
        options=_RELATIVE,
    )

    grid_x: StringProperty(name="Across", description="The input that changes along the rows")
    grid_x_values: StringProperty(**_named("grid_values"))
    grid_y: StringProperty(name="Down", description="The input that changes down the columns")
    grid_y_values: StringProperty(**_named("grid_values"))

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
    overlay_opacity: FloatProperty(**_named("overlay_opacity"), subtype="FACTOR", update=_redraw_views)
    overlay_split: FloatProperty(**_named("overlay_split"), subtype="FACTOR", update=_redraw_views)
    result: PointerProperty(
        name="Result", description="The result that is looked at", type=bpy.types.Image, options={"HIDDEN"}
    )
    history_index: IntProperty(
        name="Result", description="Its place in the list", get=_result_index, set=_set_result_index
    )

    objects: CollectionProperty(type=Bound)
    objects_index: IntProperty(name="Object", description="The line that is looked at")

    frames_folder: StringProperty(
        **_named("frames_folder") | {"default": "//framebridge/shot"},
        subtype="DIR_PATH",
        options=_RELATIVE,
    )
    freezes_depth: BoolProperty(**_named("freezes_depth"))


def register() -> None:
    """Add the settings to every scene."""
    bpy.utils.register_class(Bound)
    bpy.utils.register_class(Settings)
    bpy.types.Scene.framebridge = PointerProperty(type=Settings)


def unregister() -> None:
    """Take them away; their values stay in the file."""
    del bpy.types.Scene.framebridge
    bpy.utils.unregister_class(Settings)
    bpy.utils.unregister_class(Bound)
