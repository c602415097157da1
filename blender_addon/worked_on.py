# SPDX-License-Identifier: GPL-3.0-or-later
"""What a preset wants captured instead of what the artist chose: a result, what lies around it, all cameras.

A ``Taken`` is what goes to the daemon, where it was seen from, and which parts of the picture that comes back
have a view of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from . import display
from ._bridge import protocol
from ._bridge.errors import BridgeError
from ._bridge.host.preset import AROUND, CAMERAS, RESULT, Preset
from ._bridge.host.settings import MIN_SIDE, STEP
from .capture import Capture, Capturer
from .geometry import widened
from .properties import Settings
from .scene_key import CameraKey, key_of_camera
from .source import Wanted, checked_size
from .viewport import View, Viewport, camera_view
from .wire import frame_of, plane_of

MOST_CAMERAS = 12
"""In one picture; beyond that nothing of them is left to see."""

SOFT = 16
"""Pixels of a result over which what is painted around it fades in."""

_GREY = 128


@dataclass(frozen=True)
class Tile:
    """A part of a picture that shows what one camera sees.

    Args:
        camera: Which one.
        left: Pixels.
        top: Pixels.
        view: Of the camera; its size is the tile's.
    """

    camera: CameraKey
    left: int
    top: int
    view: View


@dataclass(frozen=True)
class Taken:
    """What is sent to be repainted.

    Args:
        frame: As it travels.
        width: Pixels.
        height: Pixels.
        view: Where it was seen from; nothing if from several places.
        tiles: The parts with a view of their own.
        camera: See ``display.camera_of``.
    """

    frame: protocol.Frame
    width: int
    height: int
    view: View | None
    tiles: tuple[Tile, ...] = ()
    camera: CameraKey | None = None


def taken_of(capture: Capture) -> Taken:
    """Return a capture of one view as what is sent."""
    return Taken(frame_of(capture), capture.seen.width, capture.seen.height, capture.seen)


def take_for(source: str, capturer: Capturer, viewport: Viewport, wanted: Wanted) -> Taken | None:
    """Capture what a preset wants, if it has a wish, and if there is what it wishes for.

    Args:
        source: The preset's.
        capturer: Draws it.
        viewport: Where.
        wanted: What is captured besides colour and depth.

    Returns:
        Nothing where what the artist chose is to be captured.

    Raises:
        BridgeError: Why that is not possible; nothing was changed.
    """
    if source == CAMERAS:
        return _all_cameras(capturer, viewport, wanted)
    if source == AROUND:
        return _around(capturer, viewport, wanted)
    if source == RESULT and display.looked_at(viewport.scene) is not None:
        return _result(display.looked_at(viewport.scene))
    return None


def has_view_of_its_own(preset: Preset) -> bool:
    """Tell whether a preset looks from elsewhere than the artist chose."""
    return preset.source in (AROUND, CAMERAS)


def refuse_in_motion(preset: Preset) -> None:
    """Refuse a preset for a live view or an animation, which change at every moment.

    Raises:
        BridgeError: ``one_picture_only``.
    """
    if has_view_of_its_own(preset):
        raise BridgeError(
            f'"{preset.title}" makes one picture at a time',
            code="one_picture_only",
            hint="Press Generate, or choose another preset.",
        )


def _result(image: bpy.types.Image) -> Taken:
    rows = np.ascontiguousarray(display.picture_rows(image)[..., :3])
    height, width = rows.shape[:2]
    view = display.view_of(image) if display.has_view(image) else None
    frame = protocol.Frame({"color": plane_of("color", "u8", rows)})
    return Taken(frame, width, height, view, camera=display.camera_of(image))


def _around(capturer: Capturer, viewport: Viewport, wanted: Wanted) -> Taken:
    """Capture the view of a result, widened, and put the result into its middle."""
    image = display.chosen_result(viewport.scene)
    rows, seen = display.picture_rows(image), display.view_of(image)
    height, width = rows.shape[:2]
    margin = viewport.scene.framebridge.margin
    wide, high = (math.ceil(side * (1 + 2 * margin) / STEP) * STEP for side in (width, height))
    checked_size(wide, high, bool(wanted.named))
    left, top = (wide - width) // 2, (high - height) // 2
    projection = widened(np.array(seen.projection), (width, height), (wide, high), (left, top))
    view = View(seen.view, Matrix(projection), wide, high)
    capture = capturer.capture(viewport, view, *wanted)
    color = capture.color.copy()
    color[top : top + height, left : left + width] = rows[..., :3]
    taken = taken_of(replace(capture, color=color))
    mask = plane_of("mask", "f32", _outside((wide, high), (width, height), (left, top)))
    return replace(taken, frame=replace(taken.frame, planes={**taken.frame.planes, "mask": mask}))


def _outside(size: tuple[int, int], inner: tuple[int, int], place: tuple[int, int]) -> np.ndarray:
    """Return what lies around a rectangle: 1 outside of it, fading to 0 within, float32 (H, W)."""
    inside = np.zeros(size[::-1], np.float32)
    ramps = []
    for side, whole, first in zip(inner, size, place, strict=True):
        steps = np.arange(side, dtype=np.float32)
        from_first = (steps + 1) / (SOFT + 1) if first > 0 else np.ones(side, np.float32)
        is_cut = first + side < whole
        from_last = (side - steps) / (SOFT + 1) if is_cut else np.ones(side, np.float32)
        ramps.append(np.minimum(np.minimum(from_first, from_last), 1.0))
    across, down = ramps
    left, top = place
    inside[top : top + inner[1], left : left + inner[0]] = np.minimum(across[None], down[:, None])
    return 1.0 - inside


def _all_cameras(capturer: Capturer, viewport: Viewport, wanted: Wanted) -> Taken:
    """Capture what every camera sees, and lay it side by side."""
    cameras = sorted(
        (each for each in viewport.view_layer.objects if each.type == "CAMERA" and each.visible_get()),
        key=lambda each: each.name,
    )
    if not cameras or len(cameras) > MOST_CAMERAS:
        raise BridgeError(
            f"the scene has {len(cameras) or 'no'} cameras that are not hidden",
            code="no_camera" if not cameras else "too_many_cameras",
            hint=f"Place 1 to {MOST_CAMERAS} cameras around the character; hide those that are not meant.",
        )
    columns, width, height = _tiling(len(cameras), viewport, viewport.scene.framebridge)
    rows = -(-len(cameras) // columns)
    checked_size(columns * width, rows * height)
    captures = [
        capturer.capture(viewport, camera_view(viewport, width, height, camera), wanted.surfaces)
        for camera in cameras
    ]
    places = [(index % columns * width, index // columns * height) for index in range(len(cameras))]
    size = columns * width, rows * height
    first = captures[0]
    up = (0.0, 0.0, 1.0)
    sheet = Capture(
        color=_laid([each.color for each in captures], places, size, _GREY),
        depth=_laid([each.depth for each in captures], places, size, np.inf),
        normal=_laid([each.normal for each in captures], places, size, up) if wanted.surfaces else None,
        view=first.view,
        projection=first.projection,
        near=min(each.near for each in captures),
        far=max(each.far for each in captures),
        seen=first.seen,
    )
    tiles = tuple(
        Tile(key_of_camera(camera), *place, capture.seen)
        for camera, place, capture in zip(cameras, places, captures, strict=True)
    )
    return Taken(frame_of(sheet), *size, None, tiles)


def _tiling(count: int, viewport: Viewport, settings: Settings) -> tuple[int, int, int]:
    """Return columns, and a tile's width and height, that fill the wanted side best; multiples of 8."""
    render = viewport.scene.render
    shape = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    if settings.has_own_size:
        shape = settings.width / settings.height
    longest = max(settings.width, settings.height) if settings.has_own_size else settings.longest_side

    def tile_height(columns: int) -> float:
        return min(longest / (columns * shape), longest / -(-count // columns))

    columns = max(range(1, count + 1), key=tile_height)
    height = tile_height(columns)
    width, height = (max(MIN_SIDE, int(side) // STEP * STEP) for side in (height * shape, height))
    return columns, width, height


def _laid(
    parts: list[np.ndarray], places: list[tuple[int, int]], size: tuple[int, int], empty: object
) -> np.ndarray:
    """Lay arrays of one size side by side over what is empty."""
    sheet = np.empty((size[1], size[0], *parts[0].shape[2:]), parts[0].dtype)
    sheet[:] = empty
    for part, (left, top) in zip(parts, places, strict=True):
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
    return sheet
