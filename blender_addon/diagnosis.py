# SPDX-License-Identifier: GPL-3.0-or-later
"""What Diagnose tries in Blender: a capture of this viewport, and an image of this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from . import display
from ._bridge import protocol
from ._bridge.errors import BridgeError
from ._bridge.host.preset import Preset
from ._bridge.host.recipe import Recipe
from .controls import preset_of
from .recipe import current_recipe
from .report import problem_from
from .scene_key import key_of
from .source import viewport_again
from .viewport import Viewport, region_view
from .wire import frame_of

if TYPE_CHECKING:
    from .studio import Studio


class BlenderTrial:
    """Blender's side of Diagnose.

    Args:
        studio: Whose connection and capturer are tried.
        viewport: Where a picture is captured.
    """

    problem_from = staticmethod(problem_from)

    def __init__(self, studio: Studio, viewport: Viewport) -> None:
        self._studio = studio
        self._place = viewport.space.as_pointer(), key_of(viewport.scene)

    def connect(self) -> None:
        """Begin to connect."""
        self._studio.connect()

    def recipe(self) -> tuple[Recipe, Preset]:
        """Return what the panel asks for."""
        scene = viewport_again(*self._place).scene
        return current_recipe(scene), preset_of(scene.framebridge)

    def capture(self, side: int) -> tuple[protocol.Frame, str]:
        """Capture a square of this viewport."""
        viewport = viewport_again(*self._place)
        capture = self._studio.capturer.capture(viewport, region_view(viewport, side, side))
        return frame_of(capture), "nothing but sky" if capture.is_all_sky else ""

    def write_back(self, picture: protocol.Plane) -> None:
        """Write a picture into an image and compare; the image does not stay."""
        image = display.show_picture(picture, "diagnosis", "Framebridge Diagnosis")
        try:
            rows = display.rows_of(picture)
            if not (display.picture_rows(image)[..., : rows.shape[2]] == rows).all():
                raise BridgeError("the pixels of an image are not those written to it", code="bad_image")
        finally:
            bpy.data.images.remove(image)
