# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture what the panel asks for: which viewport, which view, which size."""

from __future__ import annotations

from typing import NamedTuple

import bpy

from . import changes
from ._bridge.host.objects import named_kinds
from ._bridge.host.preset import Preset
from ._bridge.host.recipe import Recipe
from ._bridge.protocol import MAX_MESSAGE_BYTES
from .capture import Capture, Capturer
from .properties import Settings
from .render import RenderCapture, render_capture
from .scene_key import SceneKey
from .viewport import CaptureError, View, Viewport, camera_view, find_viewport, natural_size, region_view

BYTES_PER_PIXEL, BYTES_OF_NAMES = 12, 12
"""Of colour, depth, normals and object ids, uncompressed; and of what each pixel shows by name."""

HEADER_BYTES = 65536
"""Kept for what goes with them."""

NEEDS_SURFACES = frozenset({"normal", "edges"})
"""Maps that are drawn from normals and object ids, which take time in a large scene."""


class Wanted(NamedTuple):
    """What is captured besides colour and depth, both of which take time in a large scene.

    Args:
        surfaces: Whether normals and object ids are.
        named: What each pixel is told by name: ``object``, ``material``, or both.
    """

    surfaces: bool = False
    named: frozenset[str] = frozenset()


def viewport_of(context: bpy.types.Context) -> Viewport:
    """Return the 3D viewport that an operator was called in, else the largest, looking at its scene.

    Raises:
        CaptureError: ``no_viewport``.
    """
    area = context.area
    if area is not None and area.type == "VIEW_3D":
        region = next(region for region in area.regions if region.type == "WINDOW")
        return Viewport(area.spaces.active, region, context.scene, context.view_layer)
    return _looking_at(find_viewport(), context.scene)


def viewport_again(space_pointer: int, key: SceneKey) -> Viewport:
    """Find a viewport that was found before, by what survives undo and changes of the screen.

    Args:
        space_pointer: What its ``space.as_pointer()`` was. If it is gone, another is taken.
        key: Of the scene that it looked at, and is to look at.

    Raises:
        CaptureError: ``no_viewport`` if there is none at all, ``no_scene`` if the scene is gone.
    """
    scene = key.scene()
    return _looking_at(shown_viewport(space_pointer) or find_viewport(), scene)


def shown_viewport(space_pointer: int) -> Viewport | None:
    """Return a viewport if some window shows it now.

    Args:
        space_pointer: What its ``space.as_pointer()`` is; a reference would not survive undo.
    """
    for window in bpy.context.window_manager.windows:
        if not bpy.app.background and not (window.width and window.height):  # minimised
            continue
        for area in window.screen.areas:
            space = area.spaces.active
            if area.type == "VIEW_3D" and space.as_pointer() == space_pointer:
                region = next(region for region in area.regions if region.type == "WINDOW")
                return Viewport(space, region, window.scene, window.view_layer)
    return None


def wanted_view(viewport: Viewport, settings: Settings) -> View:
    """Return the view that the settings ask for.

    Raises:
        CaptureError: ``no_camera``, ``bad_size``.
    """
    width, height = wanted_size(viewport, settings)
    checked_size(width, height, bool(settings.objects))
    if settings.source == "VIEWPORT":
        return region_view(viewport, width, height)
    return camera_view(viewport, width, height)


def checked_size(width: int, height: int, has_names: bool = False) -> None:
    """Refuse a picture that the daemon would not take.

    Args:
        width: Pixels.
        height: Pixels.
        has_names: Whether each pixel is told by name.

    Raises:
        CaptureError: ``bad_size``.
    """
    each = BYTES_PER_PIXEL + (BYTES_OF_NAMES if has_names else 0)
    if width * height * each > MAX_MESSAGE_BYTES - HEADER_BYTES:
        side = int(((MAX_MESSAGE_BYTES - HEADER_BYTES) / each) ** 0.5)
        raise CaptureError(
            f"a picture of {width} × {height} pixels is more than the daemon takes at once",
            code="bad_size",
            hint=f"Choose at most {side // 64 * 64} × {side // 64 * 64} pixels; "
            "for larger pictures enlarge the result with an upscaler.",
        )


def wanted_size(viewport: Viewport, settings: Settings) -> tuple[int, int]:
    """Return width and height in pixels; multiples of 8, as image models need.

    Raises:
        CaptureError: ``bad_size``.
    """
    if settings.has_own_size:
        return settings.width // 8 * 8, settings.height // 8 * 8
    return natural_size(viewport, settings.source, settings.longest_side)


class Take:
    """A capture of what a scene's settings ask for, which may take the time of a final render.

    Args:
        capturer: Draws it.
        viewport: Where.
        wanted: What is needed besides colour and depth.

    Raises:
        CaptureError: Why it cannot begin; nothing was changed.
    """

    was_cancelled = False

    def __init__(self, capturer: Capturer, viewport: Viewport, wanted: Wanted) -> None:
        self._capture: Capture | None = None
        self._render: RenderCapture | None = None
        view = wanted_view(viewport, viewport.scene.framebridge)
        if viewport.scene.framebridge.source != "RENDER":
            self._capture = capturer.capture(viewport, view, *wanted)
        elif bpy.app.background:
            self._capture = render_capture(capturer, viewport, view, *wanted)
        else:
            self._render = RenderCapture(capturer, viewport, view, *wanted)
            with changes.muted():
                self._render.begin()

    def result(self) -> Capture | None:
        """Return the capture, once it is there.

        Raises:
            CaptureError: Why it could not be made.
        """
        if self._render is not None and self._render.state == "done":
            with changes.muted():
                self._capture, self._render = self._render.collect(), None
        if self._render is not None and self._render.state == "cancelled":
            self.cancel()
        return self._capture

    def cancel(self) -> None:
        """Give it up, and take away what it needed."""
        if self._render is not None:
            with changes.muted():
                self._render.discard()
            self._render, self.was_cancelled = None, True


def _looking_at(viewport: Viewport, scene: bpy.types.Scene) -> Viewport:
    """Return a viewport of a scene: itself if it shows that, else its space with the scene in it."""
    if viewport.scene == scene:
        return viewport
    return Viewport(viewport.space, viewport.region, scene, scene.view_layers[0])


def wanted_for(preset: Preset, recipe: Recipe) -> Wanted:
    """Return what a recipe needs of a capture besides colour and depth.

    Raises:
        BridgeError: ``bad_objects``.
    """
    units = (unit for unit in preset.units if unit.map in NEEDS_SURFACES)
    return Wanted(any(recipe.values.get(unit.weight) for unit in units), named_kinds(recipe))
