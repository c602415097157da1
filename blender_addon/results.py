# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results go: always into an image of the history, and wherever else the artist wants to see them."""

from __future__ import annotations

import re
from pathlib import Path

import bpy

from ._bridge.errors import BridgeError
from ._bridge.host.png import write_file
from ._bridge.host.recipe import RECIPE_TEXT
from .display import LIVE, RESULT, SLOT, picture_rows, recipe_of
from .png import encode_png
from .screens import shown_areas

MOST_TRIES = 1000
"""Numbers in a row that another program may have taken meanwhile."""


def show_in_editors(image: bpy.types.Image) -> None:
    """Show an image in all open Image Editors that show none, or one of ours; pinned ones keep theirs."""
    for area in shown_areas("IMAGE_EDITOR"):
        space = area.spaces.active
        if not space.use_image_pin and (space.image is None or is_ours(space.image)):
            space.image = image
            area.tag_redraw()


def show_behind_camera(image: bpy.types.Image, camera: bpy.types.Object | None) -> None:
    """Put an image behind a camera, in the place of ours that is there; others' stay.

    Raises:
        BridgeError: ``no_camera``, or ``linked_camera`` if it cannot be changed.
    """
    if camera is None or camera.type != "CAMERA":
        raise BridgeError(
            "there is no camera to put the result behind",
            code="no_camera",
            hint="Add a camera and make it active, or untick Behind the Camera.",
        )
    lens = camera.data
    if lens.library is not None:
        raise BridgeError(
            f'the camera "{camera.name}" is linked from another file and cannot hold a background',
            code="linked_camera",
            hint="Make it local (Object > Relations > Make Local), or untick Behind the Camera.",
        )
    ours = [entry for entry in lens.background_images if entry.image is not None and is_ours(entry.image)]
    entry = ours[0] if ours else lens.background_images.new()
    # Blender takes every write for a change of the scene, which would wake the live view.
    for owner, name, value in (
        (entry, "image", image),
        (entry, "alpha", 1.0),
        (entry, "frame_method", "FIT"),
        (lens, "show_background_images", True),
    ):
        if getattr(owner, name) != value:
            setattr(owner, name, value)


def take_from_cameras(image: bpy.types.Image) -> None:
    """Remove an image from behind every camera that may be changed."""
    for lens in bpy.data.cameras:
        for entry in list(lens.background_images) if lens.library is None else ():
            if entry.image == image:
                lens.background_images.remove(entry)


def save_numbered(image: bpy.types.Image, folder: str) -> Path:
    """Write a result as PNG under the next free number of a folder, with its recipe; nothing is replaced.

    Args:
        image: A result.
        folder: As typed; ``//`` is the folder of the file.

    Raises:
        BridgeError: ``file_not_saved`` or ``folder_unwritable``.
    """
    home = folder_path(folder)
    data = _png_of(image)
    number = _next_number(home)
    for later in range(MOST_TRIES):
        try:
            return write_picture(home / f"framebridge_{number + later:04}.png", data, replaces=False)
        except BridgeError as error:
            if not isinstance(error.__cause__, FileExistsError) or not home.is_dir():
                raise
    raise BridgeError(f"{home} has no free number", code="folder_unwritable", hint="Choose another folder.")


def save_picture(image: bpy.types.Image, file: Path) -> Path:
    """Write a result as PNG, with its recipe.

    Raises:
        BridgeError: ``folder_unwritable``.
    """
    return write_picture(file, _png_of(image))


def write_picture(file: Path, data: bytes, replaces: bool = True) -> Path:
    """Write a file whole or not at all; see ``write_file``.

    Raises:
        BridgeError: ``folder_unwritable``, with the system's reason.
    """
    try:
        write_file(file, data, replaces)
    except OSError as error:
        raise BridgeError(
            f"{file} cannot be written: {error.strerror or error}",
            code="folder_unwritable",
            hint="Choose a folder that you may write to, on a disk with room.",
        ) from error
    return file


def folder_path(folder: str) -> Path:
    """Return a folder as typed by the artist.

    Raises:
        BridgeError: ``file_not_saved`` if it is relative to a file that has no place yet.
    """
    if not folder.strip():
        raise BridgeError("no folder is chosen", code="no_folder", hint="Choose one.")
    if folder.startswith("//") and not bpy.data.filepath:
        raise BridgeError(
            f"the folder {folder} is relative to this file, which is not saved yet",
            code="file_not_saved",
            hint="Save the file, or choose a folder with its full path.",
        )
    try:
        path = Path(bpy.path.abspath(folder)).expanduser()
    except RuntimeError:  # ~ of an unknown user
        path = Path(folder)
    if not path.is_absolute():
        raise BridgeError(
            f"{folder} is no full path",
            code="bad_folder",
            hint="Choose the folder with its full path, or begin with // for the folder of this file.",
        )
    return path


def is_ours(image: bpy.types.Image) -> bool:
    """Tell whether an image is a result, or the live view's."""
    return image.get(SLOT) in (LIVE, RESULT)


def _png_of(image: bpy.types.Image) -> bytes:
    """Return a result as PNG, with its recipe if that can still be read."""
    try:
        texts = {RECIPE_TEXT: recipe_of(image).to_json()}
    except BridgeError:
        texts = {}
    return encode_png(picture_rows(image), texts)


def _next_number(folder: Path) -> int:
    pattern = re.compile(r"framebridge_(\d+)\.png")
    try:
        numbers = [int(found[1]) for file in folder.iterdir() if (found := pattern.fullmatch(file.name))]
    except OSError:  # not there yet, or not to be read: writing will tell
        numbers = []
    return 1 + max(numbers, default=0)
