# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a scene's view settings, a picture at a time, so that the interface goes on."""

from __future__ import annotations

import time

import bpy

from .colors import display_key, is_matched, match_display
from .material import emitting_materials
from .record import recorded_objects
from .stack import MATCHED, match_colors
from .view import all_views, picture_of

STILL_S = 0.3
"""How long they must stay as they are before pictures are written: a slider changes them at every step."""


class ColorMatching:
    """Does what ``match_colors`` does, over many ticks.

    Attributes:
        is_under_way: Whether there is more to do.
    """

    def __init__(self) -> None:
        self.is_under_way = False
        self._key = ""
        self._changed_at = 0.0

    def tick(self, scene: bpy.types.Scene) -> None:
        """Write one picture at most; what needs none written, as another exposure does, is done at once."""
        key = display_key(scene)
        self.is_under_way = scene.get(MATCHED, key) != key and bool(recorded_objects())
        if not self.is_under_way:
            return
        if key != self._key:
            self._key, self._changed_at = key, time.monotonic()
        picture = next((each for each in _pictures() if not is_matched(each, scene)), None)
        if picture is None:
            self.is_under_way = not match_colors(scene)
        elif time.monotonic() - self._changed_at >= STILL_S:
            match_display(picture, scene)


def _pictures() -> list[bpy.types.Image]:
    """Return the pictures of all views, and the textures of bakes that shine by themselves."""
    return [*map(picture_of, all_views()), *emitting_materials()]
