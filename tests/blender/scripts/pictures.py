"""Write pictures into images, save the file, open it again, and compare every pixel."""

from pathlib import Path

import bpy
import numpy as np
import scenes
from framebridge._bridge.errors import BridgeError
from framebridge._bridge.protocol import Plane
from framebridge.display import find_image, keep_picture, show_picture
from harness import REQUEST, report

SIZE = 37, 53
"""Height and width; neither square nor round."""


def kept() -> dict:
    """A picture of each sort, written over an older and larger one, kept, saved, reloaded."""
    return {f"{channels} channels": _round_trip(channels) for channels in (3, 4)}


def kept_again() -> dict:
    """Kept twice without a change between, and then once more after a change."""
    scenes.clear()
    pixels = _noise(3, 1)
    image = show_picture(_plane(pixels), "result")
    keep_picture(image)
    keep_picture(image)
    first = _reloaded("twice", "result")
    pixels_2 = _noise(3, 2)
    image = show_picture(_plane(pixels_2), "result")
    keep_picture(image)
    second = _reloaded("changed", "result")
    return {
        "first": _equal(first, pixels),
        "second": _equal(second, pixels_2),
        "images": [image.name for image in bpy.data.images],
    }


def neighbours() -> dict:
    """Images of the user's own: of the same name, and one of ours that was made into something else."""
    scenes.clear()
    mine = bpy.data.images.new("Framebridge", 8, 8)
    mine.pixels.foreach_set(np.full(256, 0.25, np.float32))
    before = np.array(mine.pixels)
    first = show_picture(_plane(_noise(3, 1)), "live")
    other = show_picture(_plane(_noise(3, 2)), "result")
    again = show_picture(_plane(_noise(3, 3)), "live")
    first.name = "Renamed by the artist"
    renamed = show_picture(_plane(_noise(3, 4)), "live")
    renamed.source = "MOVIE"
    replaced = show_picture(_plane(_noise(3, 5)), "live")
    return {
        "user_pixels_kept": bool(np.array_equal(before, np.array(mine.pixels))),
        "is_new": first != mine,
        "slots_differ": first != other,
        "reused": first == again == renamed,
        "unusable_left": replaced != renamed and find_image("live") == replaced,
        "color_space": replaced.colorspace_settings.name,
        "is_float": replaced.is_float,
    }


def user_of_image() -> dict:
    """A material that uses our image goes on using it when the size changes."""
    scenes.clear()
    image = show_picture(_plane(_noise(3, 1)), "live")
    brush = bpy.data.textures.new("Uses it", "IMAGE")
    brush.image = image
    show_picture(Plane("image", (90, 20, 3), "u8", bytes(90 * 20 * 3)), "live")
    return {"same": brush.image == find_image("live"), "size": list(brush.image.size)}


def refused() -> dict:
    planes = {
        "short": Plane("image", (4, 4, 3), "u8", bytes(47)),
        "gray": Plane("image", (4, 4), "u8", bytes(16)),
        "float": Plane("image", (4, 4, 3), "f32", bytes(192)),
        "packed": Plane("image", (4, 4, 3), "u8", bytes(48), "png"),
    }
    scenes.clear()
    codes = {}
    for name, plane in planes.items():
        try:
            show_picture(plane, "live")
        except BridgeError as error:
            codes[name] = error.code
    return {"codes": codes, "images": len(bpy.data.images)}


def _round_trip(channels: int) -> dict:
    scenes.clear()
    show_picture(Plane("image", (64, 99, 3), "u8", bytes(64 * 99 * 3)), "result")
    pixels = _noise(channels, channels)
    image = show_picture(_plane(pixels), "result")
    keep_picture(image)
    return {"equal": _equal(_reloaded(f"kept{channels}", "result"), pixels)}


def _reloaded(name: str, slot: str) -> np.ndarray:
    """Save the file, open it, and return an image's bytes, rows downwards."""
    path = str(Path(REQUEST["folder"]) / f"{name}.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    scenes.clear()
    bpy.ops.wm.open_mainfile(filepath=path)
    image = find_image(slot)
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(height, width, 4)[::-1] * 255).astype(np.uint8)


def _equal(found: np.ndarray, pixels: np.ndarray) -> bool:
    channels = pixels.shape[2]
    opaque = bool((found[..., 3] == 255).all()) if channels == 3 else True
    return found.shape[:2] == pixels.shape[:2] and bool((found[..., :channels] == pixels).all()) and opaque


def _noise(channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, channels), np.uint8)


def _plane(pixels: np.ndarray) -> Plane:
    return Plane("image", pixels.shape, "u8", pixels.tobytes())


report(kept, kept_again, neighbours, user_of_image, refused)
