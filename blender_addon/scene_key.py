# SPDX-License-Identifier: GPL-3.0-or-later
"""Know a scene or a camera again at a later tick: undo and new names keep a key, and end a reference."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .names import library_of
from .viewport import CaptureError


@dataclass(frozen=True)
class Key:
    """A datablock of the file that is open.

    Args:
        uid: Blender's own number for it, which no other datablock gets as long as Blender runs.
        name: What it was called when the key was made.
        library: The file that it was linked from; empty for one of this file.
    """

    uid: int
    name: str
    library: str

    def fits(self, datablock: bpy.types.ID) -> bool:
        """Tell whether a datablock, of the same type, is the one."""
        if self.uid:
            return _uid_of(datablock) == self.uid
        return datablock.name == self.name and library_of(datablock) == self.library


@dataclass(frozen=True)
class SceneKey(Key):
    """A scene of the file that is open."""

    def find(self) -> bpy.types.Scene | None:
        """Return the scene, if it still is there."""
        return next(filter(self.fits, bpy.data.scenes), None)

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


@dataclass(frozen=True)
class CameraKey:
    """The camera that a picture was seen through, by its lens, which also holds what lies behind it.

    Args:
        name: What the camera was called then; empty if there was none.
        lens: Its data, unless that is gone.
    """

    name: str = ""
    lens: Key | None = None

    def find_lens(self) -> bpy.types.Camera | None:
        """Return the lens, if it still is there."""
        return next(filter(self.lens.fits, bpy.data.cameras), None) if self.lens is not None else None


def key_of(scene: bpy.types.Scene) -> SceneKey:
    """Return what a scene is found again by."""
    return SceneKey(*_key(scene))


def key_of_camera(camera: bpy.types.Object | None) -> CameraKey:
    """Return what a camera is found again by."""
    if camera is None or camera.type != "CAMERA":
        return CameraKey()
    return CameraKey(camera.name, key_of_lens(camera.data))


def key_of_lens(lens: bpy.types.Camera) -> Key:
    """Return what a camera's data is found again by."""
    return Key(*_key(lens))


def _key(datablock: bpy.types.ID) -> tuple[int, str, str]:
    return _uid_of(datablock), datablock.name, library_of(datablock)


def _uid_of(datablock: bpy.types.ID) -> int:
    """Return a datablock's number; 0 before Blender 4.2, which tells none."""
    return getattr(datablock, "session_uid", 0)
