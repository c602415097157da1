"""Write pictures into images, save the file, open it again, and compare every pixel."""

from pathlib import Path

import bpy
import framebridge
import numpy as np
import scenes
from framebridge._bridge.errors import BridgeError
from framebridge._bridge.host.recipe import Recipe
from framebridge._bridge.protocol import Plane
from framebridge.display import (
    describe,
    find_image,
    keep_result,
    looked_at,
    picture_rows,
    recipe_of,
    results,
    show_picture,
    view_of,
)
from framebridge.viewport import View
from harness import REQUEST, report
from mathutils import Matrix

SIZE = 37, 53
"""Height and width; neither square nor round."""


def kept() -> dict:
    """A result of each sort, saved and reloaded."""
    return {f"{channels} channels": _round_trip(channels) for channels in (3, 4)}


def history() -> dict:
    """Three results: each has an image of its own, with what it was made from, also after reloading."""
    scenes.clear()
    pictures = [_noise(3, seed) for seed in range(3)]
    for seed, pixels in enumerate(pictures):
        keep_result(_plane(pixels), Recipe("stylize", {"prompt": f"Bär {seed}", "seed": seed}, "d1"), VIEW)
    results()[1].name = "The best one"
    _reload("history")
    found = results()
    view = view_of(found[0])
    return {
        "names": [image.name for image in found],
        "prompts": [recipe_of(image).values["prompt"] for image in found],
        "same": [
            _equal(picture_rows(image), pixels) for image, pixels in zip(found, pictures[::-1], strict=True)
        ],
        "newest_is_looked_at": looked_at(bpy.context.scene) == found[0],
        "described": describe(found[0]),
        "view": [list(row) for row in view.projection] == [list(row) for row in VIEW.projection],
        "size": [view.width, view.height],
        "packed": [image.packed_file is not None for image in found],
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
    pixels = _noise(channels, channels)
    keep_result(_plane(pixels), Recipe("stylize", {}), VIEW)
    _reload(f"kept{channels}")
    return {"equal": _equal(picture_rows(results()[0]), pixels)}


def _reload(name: str) -> None:
    path = str(Path(REQUEST["folder"]) / f"{name}.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    scenes.clear()
    bpy.ops.wm.open_mainfile(filepath=path)


def _equal(found: np.ndarray, pixels: np.ndarray) -> bool:
    channels = pixels.shape[2]
    opaque = bool((found[..., 3] == 255).all()) if channels == 3 else True
    return found.shape[:2] == pixels.shape[:2] and bool((found[..., :channels] == pixels).all()) and opaque


def _noise(channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, channels), np.uint8)


def _plane(pixels: np.ndarray) -> Plane:
    return Plane("image", pixels.shape, "u8", pixels.tobytes())


VIEW = View(Matrix.Translation((0.0, 0.0, -5.0)), Matrix.Diagonal((1.5, 2.0, -1.0, 1.0)), 53, 37)
framebridge.register()
report(kept, history, neighbours, user_of_image, refused)
