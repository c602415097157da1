# SPDX-License-Identifier: GPL-3.0-or-later
"""Where drawing happens, and where it is seen from: a 3D viewport of Blender and a view of its scene."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from mathutils import Matrix

from ._bridge.errors import BridgeError

MAX_SIDE = 8192
"""Pixels; a picture this wide or high is beyond what any image model takes."""


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
            f'the scene "{viewport.scene.name}" has no active camera',
            code="no_camera",
            hint="Add a camera, or make one active with View > Cameras > Set Active Object as Camera.",
        )
    camera = camera.evaluated_get(depsgraph)
    render = viewport.scene.render
    projection = camera.calc_matrix_camera(
        depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    # Blender's renderers ignore the scale of a camera object.
    return View(camera.matrix_world.normalized().inverted(), projection, width, height)


def _viewports_of(screen: bpy.types.Screen) -> list[tuple[bpy.types.SpaceView3D, bpy.types.Region]]:
    return [
        (area.spaces.active, region)
        for area in screen.areas
        if area.type == "VIEW_3D"
        for region in area.regions
        if region.type == "WINDOW"
    ]
