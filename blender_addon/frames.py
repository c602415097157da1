# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of an animation as what Blender makes of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import bpy

from ._bridge.host.shot import frame_file, frames_in
from .screens import shown_areas


def load_images(folder: Path) -> bpy.types.Image:
    """Load the frames of a folder as one image sequence, and show it in Image Editors that show none.

    Raises:
        BridgeError: ``no_frames``.
    """
    numbers = frames_in(folder)
    image = bpy.data.images.load(str(frame_file(folder, numbers[0])), check_existing=False)
    image.source = "SEQUENCE"
    for area in shown_areas("IMAGE_EDITOR"):
        space = area.spaces.active
        if space.image is None:
            space.image = image
            user = space.image_user
            user.frame_start, user.frame_duration = numbers[0], numbers[-1] - numbers[0] + 1
            user.frame_offset, user.use_auto_refresh = numbers[0] - 1, True
    return image


def load_strip(scene: bpy.types.Scene, folder: Path) -> None:
    """Put the frames of a folder into the scene's sequencer, on a free channel, at their frames.

    Where the numbers leave a gap, as with a frame step, the frame before it is held.

    Raises:
        BridgeError: ``no_frames``.
    """
    numbers = frames_in(folder)
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # renamed in Blender 4.4
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strip = strips.new_image("Framebridge", str(frame_file(folder, numbers[0])), channel, numbers[0])
    for number, following in pairwise(numbers):
        for _ in range(following - number - 1):
            strip.elements.append(frame_file(folder, number).name)
        strip.elements.append(frame_file(folder, following).name)
