# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a picture into an image datablock, where materials, editors and the file itself can use it.

Rules:
1. Our images are known by a custom property, not by name: a user's image is never overwritten.
2. Every result has an image of its own, which is the history. Only the live view's image is written again.
3. Pixels are written first and packed afterwards, once a write: Blender 5.0.1 loses an image that is
   packed twice, and every version saves what was packed rather than what was written since.
"""

from __future__ import annotations

import json

import bpy
import numpy as np
from mathutils import Matrix

from ._bridge.errors import BridgeError, InputError
from ._bridge.host.recipe import Recipe, recipe_from_json
from ._bridge.host.words import summary_of
from ._bridge.protocol import Plane
from .scene_key import CameraKey, key_of_lens
from .viewport import CaptureError, View

SLOT = "framebridge_slot"
"""The custom property that says what an image of ours is for."""

LIVE = "live"
"""The slot of the live view's image."""

RESULT = "result"
"""What the images of the history have as their slot."""

TINY = 1e-30
"""A determinant below it is that of a matrix that flattens the scene."""

LARGEST_NUMBER = 1_000_000
"""Of a result; beyond it somebody else has written what we keep."""

_RECIPE = "framebridge_recipe"
_NUMBER = "framebridge_number"
_VIEW = "framebridge_view"
_CAMERA = "framebridge_camera"
_LENS = "framebridge_lens"


def show_picture(picture: Plane, slot: str, name: str = "Framebridge") -> bpy.types.Image:
    """Write a picture into our image of this slot, which is made, or made anew, if need be.

    Args:
        picture: uint8 (H, W, 3) or (H, W, 4), raw, sRGB, rows downwards, straight alpha.
        slot: What it is for; each slot has one image.
        name: Of a new image; Blender adds a number if the name is taken.

    Raises:
        InputError: ``bad_image`` if it is none of that.
    """
    pixels = blender_pixels(rows_of(picture))
    height, width = picture.shape[:2]
    image = _usable(find_image(slot)) or _new_image(slot, name, width, height)
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(pixels)
    image.update()
    return image


def keep_result(
    picture: Plane, recipe: Recipe, view: View | None, name: str = "", camera: CameraKey | None = None
) -> bpy.types.Image:
    """Make an image of a result, saved with the file, used or not, with what it was made from.

    Args:
        picture: See ``show_picture``.
        recipe: What it was made with.
        view: Where it was seen from; nothing if from several places.
        name: What it shows, where there is more to say than its number.
        camera: See ``camera_of``.

    Raises:
        InputError: ``bad_image``; see ``show_picture``.
    """
    pixels = blender_pixels(rows_of(picture))
    height, width = picture.shape[:2]
    number = 1 + max(map(_number, results()), default=0)
    image = _new_image(RESULT, f"Framebridge {number:03} {name}".rstrip(), width, height)
    image[_NUMBER], image[_RECIPE] = number, recipe.to_json()
    if view is not None:
        image[_VIEW] = _view_to_json(view)
    if camera is not None:
        image[_CAMERA] = camera.name
        if (lens := camera.find_lens()) is not None:
            image[_LENS] = lens  # Blender keeps the reference: through new names, and in the file
    image.pixels.foreach_set(pixels)
    image.update()
    image.use_fake_user = True
    image.pack()
    return image


def results() -> list[bpy.types.Image]:
    """Return the history of this file, newest first."""
    found = [image for image in bpy.data.images if image.get(SLOT) == RESULT]
    return sorted(found, key=lambda image: -_number(image))


def looked_at(scene: bpy.types.Scene) -> bpy.types.Image | None:
    """Return the result that is looked at: the chosen one, else the newest."""
    chosen = scene.framebridge.result
    if chosen is not None and chosen.get(SLOT) == RESULT:
        return chosen
    return next(iter(results()), None)


def chosen_result(scene: bpy.types.Scene, name: str = "") -> bpy.types.Image:
    """Return the result of this name, or the one that is looked at.

    Raises:
        BridgeError: ``no_result``.
    """
    image = bpy.data.images.get(name) if name else looked_at(scene)
    if image is None or image.get(SLOT) != RESULT:
        raise BridgeError(
            f'"{name}" is no result' if name else "there is no result yet",
            code="no_result",
            hint="Generate a picture first.",
        )
    return image


def prompt_of(image: bpy.types.Image) -> str:
    """Return a result's prompt; empty where it is not known."""
    try:
        return str(recipe_of(image).values.get("prompt", ""))
    except BridgeError:
        return ""


def describe(image: bpy.types.Image) -> str:
    """Return what is worth knowing of a result, for people."""
    width, height = image.size
    try:
        return summary_of(recipe_of(image), width, height)
    except BridgeError as error:
        return f"{width} × {height}; {error.message}"


def recipe_of(image: bpy.types.Image) -> Recipe:
    """Return what a result was made with.

    Raises:
        BridgeError: ``bad_recipe``.
    """
    return recipe_from_json(image.get(_RECIPE, ""))


def has_view(image: bpy.types.Image) -> bool:
    """Tell whether a result was seen from one place."""
    return _VIEW in image


def camera_of(image: bpy.types.Image) -> CameraKey | None:
    """Return the camera that a result belongs behind, which may be gone.

    ``None`` is one that belongs behind no camera: it was seen from several places, or shows more.
    """
    name, lens = image.get(_CAMERA), image.get(_LENS)
    if not isinstance(name, str):
        return None
    return CameraKey(name, key_of_lens(lens) if isinstance(lens, bpy.types.Camera) else None)


def view_of(image: bpy.types.Image) -> View:
    """Return where a result was seen from.

    Raises:
        BridgeError: ``bad_view``.
    """
    try:
        data = json.loads(image.get(_VIEW, ""))
        matrices = [
            Matrix([data[name][row : row + 4] for row in (0, 4, 8, 12)]) for name in ("view", "projection")
        ]
        if not all(np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > TINY for matrix in matrices):
            raise ValueError("a view that sees nothing")
        return View(*matrices, int(data["width"]), int(data["height"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, CaptureError) as error:
        raise BridgeError(
            f'where "{image.name}" was seen from is not known',
            code="bad_view",
            hint="Generate a new picture.",
        ) from error


def find_image(slot: str) -> bpy.types.Image | None:
    """Return our image of a slot, if this file has one."""
    return next((image for image in bpy.data.images if not image.library and image.get(SLOT) == slot), None)


def rows_of(picture: Plane) -> np.ndarray:
    """Return a picture's pixels, uint8 (H, W, 3) or (H, W, 4), rows downwards.

    Raises:
        InputError: ``bad_image`` if it is not such a picture.
    """
    shape = picture.shape
    if picture.codec != "raw" or picture.dtype != "u8" or len(shape) != 3 or shape[2] not in (3, 4):
        raise InputError(
            f"a picture of shape {shape} as {picture.dtype}, {picture.codec}, cannot be shown",
            code="bad_image",
            hint="Choose a preset that sends pictures to the host.",
        )
    if len(picture.data) != picture.raw_bytes:
        raise InputError(f"a picture of shape {shape} has {len(picture.data)} bytes", code="bad_image")
    return np.frombuffer(picture.data, np.uint8).reshape(shape)


def blender_pixels(rows: np.ndarray) -> np.ndarray:
    """Return pixels as Blender's images take them: float32 RGBA, rows upwards, flat.

    Args:
        rows: uint8 (H, W, 3) or (H, W, 4), rows downwards.
    """
    rgba = np.full((*rows.shape[:2], 4), 255, np.uint8)
    for channel in range(rows.shape[2]):  # one by one takes a quarter of the time of all at once
        rgba[..., channel] = rows[::-1, :, channel]
    pixels = rgba.ravel().astype(np.float32)
    pixels *= np.float32(1 / 255)
    return pixels


def picture_rows(image: bpy.types.Image) -> np.ndarray:
    """Return the pixels of a byte image, uint8 (H, W, 4), rows downwards."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return np.rint(pixels.reshape(height, width, 4)[::-1] * 255).astype(np.uint8)


def _number(image: bpy.types.Image) -> int:
    number = image.get(_NUMBER, 0)
    return number if isinstance(number, int) and 0 <= number < LARGEST_NUMBER else 0


def _view_to_json(view: View) -> str:
    matrices = {
        name: [value for row in matrix for value in row]
        for name, matrix in (("view", view.view), ("projection", view.projection))
    }
    return json.dumps({**matrices, "width": view.width, "height": view.height})


def _usable(image: bpy.types.Image | None) -> bpy.types.Image | None:
    """Return the image if bytes can be written to it; else, or once it has a file, it is the user's."""
    if image is None:
        return None
    is_bytes = image.source in {"GENERATED", "FILE"} and image.has_data and not image.is_float
    if is_bytes and not image.filepath_raw:
        return image
    del image[SLOT]
    return None


def _new_image(slot: str, name: str, width: int, height: int) -> bpy.types.Image:
    image = bpy.data.images.new(name, width, height, alpha=True)  # a byte image: what is set is what is saved
    image[SLOT] = slot
    return image
