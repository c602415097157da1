# SPDX-License-Identifier: GPL-3.0-or-later
"""Where drawing happens, and where it is seen from: a 3D viewport of Blender and a view of its scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import bpy
import numpy as np
from mathutils import Matrix

from ._bridge.errors import BridgeError
from ._bridge.host.settings import MAX_SIDE, MIN_SIDE, STEP
from .geometry import cropped, placement

_SENSOR = 36.0
"""Millimetres: the sensor behind the focal length of a viewport, across its longer side."""

_FILM = 2.0
"""A viewport shows this much more than its lens would."""

Source = Literal["VIEWPORT", "CAMERA", "RENDER"]
"""What gives a picture its shape: the viewport as it looks, or the render settings."""


class CaptureError(BridgeError):
    """The scene could not be captured; nothing of it was changed."""

    code = "capture_failed"


@dataclass(frozen=True)
class Viewport:
    """A 3D viewport and what it shows.

    Args:
        space: Its settings: shading, overlays, gizmos.
        region: The part of it that is drawn to.
        scene: The scene of its window.
        view_layer: The view layer of its window.
    """

    space: bpy.types.SpaceView3D
    region: bpy.types.Region
    scene: bpy.types.Scene
    view_layer: bpy.types.ViewLayer


@dataclass(frozen=True)
class View:
    """A way to look at a scene, in the scene's units.

    Args:
        view: World to camera, without scale.
        projection: Camera to clip space.
        width: Pixels, at least 1.
        height: Pixels, at least 1.

    Raises:
        CaptureError: ``bad_size`` if the picture would be empty or too large.
    """

    view: Matrix
    projection: Matrix
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise CaptureError(
                f"a picture of {self.width} × {self.height} pixels has no area",
                code="bad_size",
                hint="Make the viewport larger, or choose a size in pixels.",
            )
        if max(self.width, self.height) > MAX_SIDE:
            raise CaptureError(
                f"a picture of {self.width} × {self.height} pixels is too large",
                code="bad_size",
                hint=f"Choose at most {MAX_SIDE} pixels a side; 512 to 1536 suit most models.",
            )


def find_viewport() -> Viewport:
    """Return the largest 3D viewport of the open windows, else one of a hidden workspace.

    Raises:
        CaptureError: ``no_viewport`` if no workspace holds any.
    """
    context = bpy.context
    shown = [
        Viewport(space, region, window.scene, window.view_layer)
        for window in context.window_manager.windows
        for space, region in _viewports_of(window.screen)
    ]
    if shown:
        return max(shown, key=lambda viewport: viewport.region.width * viewport.region.height)
    for screen in bpy.data.screens:
        for space, region in _viewports_of(screen):
            return Viewport(space, region, context.scene, context.view_layer)
    raise CaptureError(
        "no workspace has a 3D viewport to draw with",
        code="no_viewport",
        hint="Open a 3D viewport, in any workspace.",
    )


def camera_view(viewport: Viewport, width: int, height: int, camera: bpy.types.Object | None = None) -> View:
    """Look through a camera as a render of this size would, with its shift and sensor fit.

    Pixels are square: that is what image models and screens have. ``natural_size`` has the shape that a
    scene of other pixels is shown in.

    Args:
        viewport: Names the scene, whose active camera is meant where ``camera`` is not given.
        width: Pixels.
        height: Pixels.
        camera: A camera object of that scene.

    Raises:
        CaptureError: ``no_camera`` if there is none to look through.
    """
    viewport.view_layer.update()
    depsgraph = viewport.view_layer.depsgraph
    camera = camera or viewport.scene.camera
    if camera is None or camera.type != "CAMERA":
        raise CaptureError(
            f'the scene "{viewport.scene.name}" has no active camera'
            if camera is None
            else f'"{camera.name}" is looked through, but is no camera',
            code="no_camera",
            hint="Add a camera, or make one active with View > Cameras > Set Active Object as Camera.",
        )
    camera = camera.evaluated_get(depsgraph)
    projection = camera.calc_matrix_camera(depsgraph, x=width, y=height)
    # Blender's renderers ignore the scale of a camera object.
    return View(camera.matrix_world.normalized().inverted(), projection, width, height)


def region_view(viewport: Viewport, width: int, height: int) -> View:
    """Look as the viewport does: through its camera, or else at the middle of its region.

    Args:
        viewport: Where the user looks from.
        width: Pixels. The picture is the largest centred rectangle of this shape within the region.
        height: Pixels.

    Raises:
        CaptureError: ``bad_size`` if the region has no area, ``no_camera`` if it looks through another
            object than a camera.
    """
    _require_area(viewport.region)
    space = viewport.space
    if _region_3d(viewport).view_perspective == "CAMERA":
        return camera_view(viewport, width, height, space.camera if space.use_local_camera else None)
    view, projection = _matrices(viewport)
    shape = width / max(height, 1), viewport.region.width / viewport.region.height
    return View(view, Matrix(cropped(np.array(projection), *shape)), width, height)


def natural_size(viewport: Viewport, source: Source, longest_side: int) -> tuple[int, int]:
    """Return the size of a picture that has the shape of what the user sees.

    Args:
        viewport: Names the scene, and gives its own shape for ``VIEWPORT`` unless it looks through a camera.
        source: What is to be pictured.
        longest_side: Pixels, before both sides are made multiples of 8 from 64 to ``MAX_SIDE``.

    Raises:
        CaptureError: ``bad_size`` if the viewport has no area.
    """
    if source == "VIEWPORT" and _region_3d(viewport).view_perspective != "CAMERA":
        _require_area(viewport.region)
        width, height = float(viewport.region.width), float(viewport.region.height)
    else:
        render = viewport.scene.render
        width = render.resolution_x * render.pixel_aspect_x
        height = render.resolution_y * render.pixel_aspect_y
    scale = min(longest_side, MAX_SIDE) / max(width, height)
    return _fitting(width * scale), _fitting(height * scale)


def picture_rectangle(
    region: bpy.types.Region, region_3d: bpy.types.RegionView3D, view: View
) -> tuple[float, float, float, float] | None:
    """Return where in a region the picture of a view lies as the region looks now.

    In a camera view this is the camera's frame, wherever the user has zoomed or moved it to; an orthographic
    view is followed while it is zoomed and moved sideways.

    Args:
        region: A 3D viewport's, as it was last drawn.
        region_3d: How it looks.
        view: In scene units, as drawn: ``Capture.seen``.

    Returns:
        Left, bottom, right and top in pixels, from the region's lower left corner, which may lie outside of
        it; nothing if the region looks from elsewhere.
    """
    now = np.array(region_3d.view_matrix), np.array(region_3d.window_matrix)
    found = placement((np.array(view.view), np.array(view.projection)), now)
    if found is None:
        return None
    left, bottom, right, top = found
    width, height = region.width / 2.0, region.height / 2.0
    return (left + 1.0) * width, (bottom + 1.0) * height, (right + 1.0) * width, (top + 1.0) * height


def _matrices(viewport: Viewport) -> tuple[Matrix, Matrix]:
    """Return how a viewport that looks through no camera does look: world to camera, camera to clip space."""
    region_3d = _region_3d(viewport)
    if not bpy.app.background:
        return region_3d.view_matrix.copy(), region_3d.window_matrix.copy()
    # Without a window nothing is drawn, and a viewport's matrices are those from when the file was saved.
    is_orthographic = region_3d.view_perspective == "ORTHO"  # which clips on both sides of its centre
    view = (
        Matrix.Translation((0.0, 0.0, 0.0 if is_orthographic else -region_3d.view_distance))
        @ region_3d.view_rotation.inverted().to_matrix().to_4x4()
        @ Matrix.Translation(-region_3d.view_location)
    )
    return view, _window_matrix(viewport.region, region_3d, viewport.space)


def _window_matrix(
    region: bpy.types.Region, region_3d: bpy.types.RegionView3D, space: bpy.types.SpaceView3D
) -> Matrix:
    longest = max(region.width, region.height)
    scale = space.lens * 2.0 / (_SENSOR * _FILM)
    x, y = scale * longest / region.width, scale * longest / region.height
    near, far = space.clip_start, space.clip_end
    if region_3d.view_perspective == "ORTHO":
        x, y = x / region_3d.view_distance, y / region_3d.view_distance
        return Matrix(((x, 0, 0, 0), (0, y, 0, 0), (0, 0, -2 / far, 0), (0, 0, 0, 1)))
    depth = -(far + near) / (far - near), -2 * far * near / (far - near)
    return Matrix(((x, 0, 0, 0), (0, y, 0, 0), (0, 0, *depth), (0, 0, -1, 0)))


def _region_3d(viewport: Viewport) -> bpy.types.RegionView3D:
    """Return how this region looks; a space has four of them in quad view, where it gives its last one."""
    return getattr(viewport.region, "data", None) or viewport.space.region_3d


def _require_area(region: bpy.types.Region) -> None:
    if min(region.width, region.height) < 1:
        raise CaptureError(
            "the viewport has no area",
            code="bad_size",
            hint="Make the viewport larger, or capture from the camera.",
        )


def _fitting(side: float) -> int:
    return min(max(round(side / STEP) * STEP, MIN_SIDE), MAX_SIDE)


def _viewports_of(screen: bpy.types.Screen) -> list[tuple[bpy.types.SpaceView3D, bpy.types.Region]]:
    return [
        (area.spaces.active, region)
        for area in screen.areas
        if area.type == "VIEW_3D"
        for region in area.regions
        if region.type == "WINDOW"
    ]
