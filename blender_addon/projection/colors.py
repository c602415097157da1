# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a display-referred picture come out of the scene's view transform as it went in.

A picture made by a model shows colours as the screen does. A shader that emits it is seen through the
scene's view transform (AgX, Filmic) once more, which would wash it out. So:

1. The image of the shader has the colour space that undoes the transform; OCIO computes it. What the
   transform can never show, such as the purest red under AgX, becomes the nearest that it can. Some
   saturated colours come of negative light, which Cycles emits, but EEVEE clips.
2. The shader divides by the exposure.
3. A look, a gamma, curves or a white balance on top have no colour space that undoes them. They are measured
   by sending a small table of colours through the scene's own display, and undone in the pixels.

The picture itself stays an image of plain sRGB; where 1 or 3 apply, the shader has an image of its own.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ..settings import temporarily, temporary

DISPLAY = "framebridge_display"
"""The custom property of a picture that names the shader's own image of it."""

_GRADE = "framebridge_grade"
"""The custom property of a picture that says what the pixels of that image undo."""

_GRID = 17
"""Colours a side of the table; between them it is interpolated."""

_ROUNDS = 12

_AT_ONCE = 16384
"""Colours that are looked up together: their corners of the table stay in a processor's cache."""

_NEUTRAL_LOOKS = frozenset({"None", "Medium Contrast", "AgX - Base Contrast"})
"""Those that change nothing but their name (measured: 0.0001 and less)."""


_tables: dict[str, np.ndarray] = {}
"""The table that was needed last, by what it undoes: all pictures of a scene need the same."""


def new_image(name: str, pixels: np.ndarray, is_data: bool = False) -> bpy.types.Image:
    """Make a packed image of float32 (H, W, 4), 0..1, rows upwards; data keeps its float values."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=is_data, is_data=is_data)
    image.alpha_mode = "CHANNEL_PACKED"  # else colours vanish where alpha is 0
    image.use_half_precision = not is_data  # EEVEE's depths would be off by centimetres, the sky's infinite
    write_pixels(image, pixels)
    return image


def write_pixels(image: bpy.types.Image, pixels: np.ndarray) -> None:
    """Replace an image's pixels and pack them, once: Blender 5.0.1 loses what is packed twice."""
    height, width = pixels.shape[:2]
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pop(_GRADE, None)
    image.pixels.foreach_set(np.ascontiguousarray(pixels, np.float32).ravel())
    image.update()
    image.pack()


def read_pixels(image: bpy.types.Image) -> np.ndarray:
    """Return float32 (H, W, 4), rows upwards."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)


def remove_picture(picture: bpy.types.Image) -> None:
    """Take a picture, and the shader's image of it, out of the file."""
    shown = picture.get(DISPLAY)
    bpy.data.images.remove(picture)
    if shown:
        bpy.data.images.remove(shown)


def match_display(picture: bpy.types.Image, scene: bpy.types.Scene) -> bpy.types.Image:
    """Return the image that a shader must emit for the scene's display to show the picture.

    It is the picture itself where nothing has to be undone. The exposure is left to ``exposure_gain``.
    """
    space, shown = display_space(scene, picture), picture.get(DISPLAY)
    if _is_plain(scene, space):
        if shown:
            del picture[DISPLAY]
            bpy.data.images.remove(shown)
        return picture
    if not is_matched(picture, scene):
        pixels = read_pixels(picture)
        if _is_adjusted(scene.view_settings):
            pixels[..., :3] = _look_up(_table(scene, space), pixels[..., :3])
        if shown:
            write_pixels(shown, pixels)
        else:
            shown = picture[DISPLAY] = new_image(f"{picture.name} (display)", pixels)
        picture[_GRADE] = _grade(scene, space)
    shown.colorspace_settings.name = space
    return shown


def is_matched(picture: bpy.types.Image, scene: bpy.types.Scene) -> bool:
    """Tell whether ``match_display`` has no pixels to write, which takes a tenth of a second and more."""
    space = display_space(scene, picture)
    has_pixels = bool(picture.get(DISPLAY)) and picture.get(_GRADE) == _grade(scene, space)
    return has_pixels or _is_plain(scene, space)


def exposure_gain(scene: bpy.types.Scene) -> float:
    """Return the emission strength that the scene's exposure turns into 1."""
    return 2.0**-scene.view_settings.exposure


def display_space(scene: bpy.types.Scene, image: bpy.types.Image) -> str:
    """Return the colour space that undoes the scene's view transform, or sRGB where there is none."""
    transform, device = scene.view_settings.view_transform, scene.display_settings.display_device
    known = {item.identifier for item in image.colorspace_settings.bl_rna.properties["name"].enum_items}
    wanted = {
        "Standard": [device],
        "Raw": ["Non-Color"],
        "AgX": [f"AgX Base {device}", "AgX Base sRGB"],
    }.get(transform, [f"{transform} {device}", f"{transform} sRGB", transform])
    return next((space for space in wanted if space in known), "sRGB")


def display_key(scene: bpy.types.Scene) -> str:
    """Return a text that differs when pictures have to be matched anew."""
    view = scene.view_settings
    grade = (view.view_transform, view.look, view.exposure, view.gamma, _white_balance(view), _curves(view))
    return repr((scene.display_settings.display_device, *grade))


def _is_plain(scene: bpy.types.Scene, space: str) -> bool:
    """Tell whether the display changes nothing, so that a picture is shown as it is."""
    return space == "sRGB" and not _is_adjusted(scene.view_settings)


def _grade(scene: bpy.types.Scene, space: str) -> str:
    """Return a text that differs when the pixels of this colour space do."""
    view = scene.view_settings
    if not _is_adjusted(view):
        return "none"
    grade = (view.view_transform, view.look, view.gamma, _white_balance(view), _curves(view))
    return repr((scene.display_settings.display_device, space, *grade))


def _is_adjusted(view: bpy.types.ColorManagedViewSettings) -> bool:
    is_plain = view.look in _NEUTRAL_LOOKS and view.gamma == 1.0
    return not is_plain or bool(_white_balance(view)) or bool(_curves(view))


def _white_balance(view: bpy.types.ColorManagedViewSettings) -> tuple[float, ...]:
    if not getattr(view, "use_white_balance", False):  # Blender 4.3 and later
        return ()
    return view.white_balance_temperature, view.white_balance_tint


def _curves(view: bpy.types.ColorManagedViewSettings) -> tuple[tuple[float, ...], ...]:
    if not view.use_curve_mapping:
        return ()
    mapping = view.curve_mapping
    points = tuple(tuple(point.location) for curve in mapping.curves for point in curve.points)
    return (tuple(mapping.black_level), tuple(mapping.white_level), *points)


def _table(scene: bpy.types.Scene, space: str) -> np.ndarray:
    """Return ``_inverse_table``, which is made once."""
    grade = _grade(scene, space)
    if grade not in _tables:
        _tables.clear()
        _tables[grade] = _inverse_table(scene, space)
    return _tables[grade]


def _inverse_table(scene: bpy.types.Scene, space: str) -> np.ndarray:
    """Return the colour to emit, in this space, for each displayed colour; float32 (n, n, n, 3)."""
    axis = np.linspace(0.0, 1.0, _GRID, dtype=np.float32)
    wanted = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    emitted, best = wanted.copy(), wanted.copy()
    least = np.full(len(wanted), np.inf, np.float32)
    for _ in range(_ROUNDS):
        error = wanted - _displayed(emitted, scene, space)
        distance = np.abs(error).sum(axis=1)
        is_better = distance < least
        best[is_better], least[is_better] = emitted[is_better], distance[is_better]
        emitted = np.clip(best + np.where(is_better[:, None], 1.0, 0.5) * (error + emitted - best), 0.0, 1.0)
    return best.reshape(_GRID, _GRID, _GRID, 3)


def _displayed(colors: np.ndarray, scene: bpy.types.Scene, space: str) -> np.ndarray:
    """Return how the scene's display shows colours (N, 3) that an image of this colour space holds."""
    pixels = np.ones((1, len(colors), 4), np.float32)
    pixels[0, :, :3] = colors
    path = Path(bpy.app.tempdir) / "framebridge_display.png"
    images, settings = bpy.data.images, scene.render.image_settings
    with temporary(images, "Framebridge Display", len(colors), 1) as sent:
        sent.colorspace_settings.name = space
        sent.pixels.foreach_set(pixels.ravel())
        with temporarily(*_plain_png(settings), (scene.view_settings, "exposure", 0.0)):
            sent.save_render(str(path), scene=scene)
    seen = images.load(str(path))
    try:
        seen.colorspace_settings.name = "Non-Color"
        return read_pixels(seen)[0, :, :3]
    finally:
        images.remove(seen)
        path.unlink()


def _plain_png(settings: bpy.types.ImageFormatSettings) -> list[tuple[object, str, object]]:
    media = [(settings, "media_type", "IMAGE")] if hasattr(settings, "media_type") else []  # Blender 5
    if hasattr(settings, "color_management"):
        media.append((settings, "color_management", "FOLLOW_SCENE"))
    return [*media, (settings, "file_format", "PNG"), (settings, "color_mode", "RGB")]


def _look_up(table: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Interpolate a table of (n, n, n, 3) at colours of shape (…, 3), 0..1."""
    size, flat = len(table), table.reshape(-1, 3)
    strides = np.array((size * size, size, 1), np.int32)
    corners = np.array(list(np.ndindex(2, 2, 2)), np.int32) @ strides
    found = np.empty((colors.size // 3, 3), np.float32)
    place = colors.reshape(-1, 3) * np.float32(size - 1)
    for start in range(0, len(place), _AT_ONCE):
        some = place[start : start + _AT_ONCE]
        low = np.minimum(some.astype(np.int32), size - 2)
        part, first = some - low.astype(np.float32), low @ strides
        values = [flat.take(first + corner, axis=0) for corner in corners]
        for axis in (2, 1, 0):  # halves them: neighbours along the last axis come first
            fraction = part[:, axis : axis + 1]
            values = [a + (b - a) * fraction for a, b in zip(values[::2], values[1::2], strict=True)]
        found[start : start + _AT_ONCE] = values[0]
    return found.reshape(colors.shape)
