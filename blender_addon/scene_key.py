# SPDX-License-Identifier: GPL-3.0-or-later
"""Know a scene again at a later tick: undo and new names keep its key, no reference would survive them."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .names import library_of
from .viewport import CaptureError


@dataclass(frozen=True)
class SceneKey:
    """A scene of the file that is open.

    Args:
        uid: Blender's own number for it, which no other datablock gets as long as Blender runs.
        name: What it was called when the key was made.
        library: The file that it was linked from; empty for one of this file.
    """

    uid: int
    name: str
    library: str

    def find(self) -> bpy.types.Scene | None:
        """Return the scene, if it still is there."""
        return next((scene for scene in bpy.data.scenes if self._fits(scene)), None)

    def scene(self) -> bpy.types.Scene:
        """Return the scene.

        Raises:
            CaptureError: ``no_scene`` if it is gone.
        """
        scene = self.find()
        if scene is None:
            raise CaptureError(
                f'the scene "{self.name}" is gone', code="no_scene", hint="Generate again in another."
            )
        return scene

    def _fits(self, scene: bpy.types.Scene) -> bool:
        if self.uid:
            return _uid_of(scene) == self.uid
        return scene.name == self.name and library_of(scene) == self.library


def key_of(scene: bpy.types.Scene) -> SceneKey:
    """Return what a scene is found again by."""
    return SceneKey(_uid_of(scene), scene.name, library_of(scene))


def _uid_of(scene: bpy.types.Scene) -> int:
    """Return a scene's number; 0 before Blender 4.2, which tells none."""
    return getattr(scene, "session_uid", 0)
