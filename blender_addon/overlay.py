# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a picture in the 3D viewports, over the place of the view that it was made from.

Rules:
1. A viewport shows the picture only while it looks from where the picture was seen, and only with its
   overlays on. The one exception is a live view's own viewport: there the last picture stays, dimmed, while
   the user turns the view.
2. What is on the screen are the picture's own sRGB values; the scene's view transform is not applied again.
3. Captures never contain it: Blender calls no handlers when it draws off screen. It lies over the scene and
   its outlines, and under gizmos and texts: those are drawn after ``POST_VIEW``.
4. Nothing may escape from the handler, since Blender would print it at each redraw: a fault is kept as
   ``problem``, and nothing is drawn until there is something new to show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from ._bridge.errors import Problem
from .report import problem_from
from .screens import shown_areas
from .viewport import View, Viewport, picture_rectangle

STALE_BRIGHTNESS = 0.6
_WHITE = (1.0, 1.0, 1.0, 0.9)
_FONT = 0
_LABEL = "● updating"
_LABEL_POINTS = 11

_VERTEX = """
void main() {
  place = vec2(mix(first_column, 1.0, corner.x), 1.0 - corner.y);
  gl_Position = vec4(mix(rectangle.xy, rectangle.zw, corner), 0.0, 1.0);
}
"""

# Blender lays what handlers drew over the scene's pixels when those are display colours already, takes it for
# light, and encodes it with the exponent 1 / 2.2: the same in 3.4 and 5.0. It fills in srgbTarget, whether it
# draws for that, in each shader that has it. In between, 8 bits store it as sRGB, which has no place for the
# darkest: 2, 3 and 4 of 255 become 0.
_FRAGMENT = """
void main() {
  vec4 shown = texture(picture, place) * vec4(brightness, brightness, brightness, opacity);
  color = srgbTarget ? vec4(pow(shown.rgb, vec3(2.2)), shown.a) : shown;
}
"""

Rectangle = tuple[float, float, float, float]
"""Left, bottom, right, top."""

Mixing = Callable[[bpy.types.Scene], tuple[float, float]]
"""Tells a scene's opacity and split, both 0..1."""


@dataclass
class _Shown:
    """A picture, and where it belongs.

    Args:
        rows: uint8 (H, W, 3) or (H, W, 4), sRGB, rows downwards.
        view: What it is a picture of.
        region: The region that it stays in while its view moves; 0 is none.
        texture: The same on the GPU, from the first time that it is drawn.
        place: Where it, or the live picture before it, was drawn last in that region.
        is_through_camera: Whether that region looked through the camera then.
    """

    rows: np.ndarray
    view: View
    region: int = 0
    texture: gpu.types.GPUTexture | None = None
    place: Rectangle | None = None
    is_through_camera: bool = False


class Overlay:
    """The picture over the viewports.

    Args:
        mixing: Opacity, and how much of the picture's left is cut away to show the scene, as they are to be
            when the viewport is drawn.

    Attributes:
        problem: Why nothing is drawn, if something went wrong.
    """

    def __init__(self, mixing: Mixing = lambda scene: (1.0, 0.0)) -> None:
        self.problem: Problem | None = None
        self._mixing = mixing
        self._picture: _Shown | None = None
        self._preview: _Shown | None = None
        self._is_stale = False
        self._handler: Any = None
        self._shader: gpu.types.GPUShader | None = None
        self._buffer: gpu.types.Buffer | None = None
        self._asked_at: float | None = None
        self._watched = 0

    @property
    def is_shown(self) -> bool:
        """Whether there is a picture, seen or not."""
        return self._picture is not None or self._preview is not None

    def show(self, rows: np.ndarray, view: View, viewport: Viewport | None = None) -> None:
        """Show a picture from now on, in place of the last one.

        Args:
            rows: uint8 (H, W, 3) or (H, W, 4), sRGB, straight alpha, rows downwards; must not change.
            view: What it is a picture of: ``Capture.seen``.
            viewport: The one in which it stays while the view moves; by default it is gone then.
        """
        before, self._picture = self._picture, _Shown(rows, view, _key(viewport))
        if before is not None and before.region == self._picture.region:
            # The view may have moved on since the capture, so that it is not known where this one belongs.
            self._picture.place, self._picture.is_through_camera = before.place, before.is_through_camera
        self._is_stale = False
        self._begin()

    def show_preview(self, rows: np.ndarray, view: View) -> None:
        """Show an unfinished picture until ``clear_preview``; arguments are as those of ``show``."""
        self._preview = _Shown(rows, view)
        self._begin()

    def clear_preview(self) -> None:
        """Return to the finished picture, if there is one."""
        if self._preview is not None:
            self._preview = None
            self._redraw()

    def mark_stale(self) -> None:
        """Dim the picture: the scene has changed since, and a new one is under way."""
        self._set_stale(True)

    def mark_current(self) -> None:
        """Show the picture as any other; no new one will come."""
        if self._picture is not None:
            self._picture.region = 0
        self._set_stale(False)

    def clear(self) -> None:
        """Show nothing."""
        if self.is_shown:
            self._picture = self._preview = None
            self._redraw()
        self._is_stale = False
        self.problem = None

    def free(self) -> None:
        """Show nothing, and let go of the handler and the GPU, as must be done before Blender quits."""
        self.clear()
        if self._handler is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")
        self._handler = self._shader = self._buffer = self._asked_at = None

    def watch(self, viewport: Viewport | None) -> None:
        """Look whether this viewport is drawn when it has to be, for ``is_unseen``, shown over or not."""
        self._watched = _key(viewport)
        if viewport is not None:
            self._begin()

    def is_unseen(self, seconds: float) -> bool:
        """Whether the watched viewport has not been drawn for so long since it had to be: nobody sees it."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > seconds

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what belongs into the context's region, for which the GPU has to be set up."""
        shown = self._preview or self._picture
        if shown is None or not context.space_data.overlay.show_overlays:
            return
        place, is_moving = _placed(shown, context.region, context.region_data)
        if place is None:
            return
        opacity, split = self._mixing(context.scene)
        is_stale = is_moving or (self._is_stale and shown is self._picture)
        part = _part(place, split)
        with _flat(context.region):
            if split < 1.0:
                self._draw_picture(shown, part, split, context.region, opacity, is_stale)
            if split > 0.0:
                _draw_line(part)
            if is_stale:
                _draw_label(part, context.region)

    def _begin(self) -> None:
        self.problem = None
        if self._handler is None and not bpy.app.background:
            add = bpy.types.SpaceView3D.draw_handler_add
            self._handler = add(self._draw_safely, (), "WINDOW", "POST_VIEW")
        self._redraw()

    def _set_stale(self, is_stale: bool) -> None:
        self._is_stale = is_stale
        self._redraw()

    def _redraw(self) -> None:
        """Have all viewports drawn again."""
        for area in shown_areas("VIEW_3D"):
            area.tag_redraw()
            if self._asked_at is None and self._handler is not None:
                self._asked_at = time.monotonic()

    def _draw_safely(self) -> None:
        region = bpy.context.region
        if not self._watched or (region is not None and region.as_pointer() == self._watched):
            self._asked_at = None
        if self.problem is None:
            try:
                self.draw(bpy.context)
            except Exception as error:  # the handler's boundary: rule 4
                self.problem = problem_from(error)

    def _draw_picture(
        self,
        shown: _Shown,
        part: Rectangle,
        first_column: float,
        region: bpy.types.Region,
        opacity: float,
        is_stale: bool,
    ) -> None:
        self._shader = self._shader or _picture_shader()
        if shown.texture is None:
            shown.texture = self._upload(shown.rows)
        left, bottom, right, top = part
        x, y = 2.0 / region.width, 2.0 / region.height
        shader = self._shader
        shader.bind()
        # Blender's own matrix for pixels is off by a hundredth of one, which would mix neighbours.
        shader.uniform_float("rectangle", (left * x - 1.0, bottom * y - 1.0, right * x - 1.0, top * y - 1.0))
        shader.uniform_float("first_column", first_column)
        shader.uniform_float("brightness", STALE_BRIGHTNESS if is_stale else 1.0)
        shader.uniform_float("opacity", opacity)
        shader.uniform_sampler("picture", shown.texture)
        corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
        batch_for_shader(shader, "TRI_STRIP", {"corner": corners}).draw(shader)

    def _upload(self, rows: np.ndarray) -> gpu.types.GPUTexture:
        height, width, channels = rows.shape
        size = height * width * 4
        if self._buffer is None or len(self._buffer) != size:
            # A texture is made of floats only. The buffer is flat, as one of several dimensions has wrong
            # strides until Blender 5.2, and it is kept, as new memory takes longer to write.
            self._buffer = gpu.types.Buffer("FLOAT", size)
        pixels = np.frombuffer(self._buffer, np.float32).reshape(height, width, 4)
        pixels[..., 3] = 1.0
        for channel in range(channels):  # one by one takes 0.6 ms at 512², all at once 1.2 to 5
            np.multiply(rows[..., channel], np.float32(1 / 255), out=pixels[..., channel])
        return gpu.types.GPUTexture((width, height), format="RGBA8", data=self._buffer)


def _key(viewport: Viewport | None) -> int:
    return viewport.region.as_pointer() if viewport is not None else 0


def _placed(
    shown: _Shown, region: bpy.types.Region, region_3d: bpy.types.RegionView3D
) -> tuple[Rectangle | None, bool]:
    """Return where the picture is to be drawn in a region, and whether the region looks elsewhere by now."""
    place = picture_rectangle(region, region_3d, shown.view)
    if region.as_pointer() != shown.region:
        return place, False
    is_through_camera = region_3d.view_perspective == "CAMERA"
    if place is None:
        return shown.place if shown.is_through_camera == is_through_camera else None, True
    shown.place, shown.is_through_camera = place, is_through_camera
    return place, False


def _part(place: Rectangle, split: float) -> Rectangle:
    left, bottom, right, top = place
    return left + split * (right - left), bottom, right, top


def _picture_shader() -> gpu.types.GPUShader:
    between = gpu.types.GPUStageInterfaceInfo("framebridge_overlay")
    between.smooth("VEC2", "place")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("VEC4", "rectangle")
    info.push_constant("FLOAT", "first_column")
    info.push_constant("FLOAT", "brightness")
    info.push_constant("FLOAT", "opacity")
    info.push_constant("BOOL", "srgbTarget")
    info.sampler(0, "FLOAT_2D", "picture")
    info.vertex_in(0, "VEC2", "corner")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "color")
    info.vertex_source(_VERTEX)
    info.fragment_source(_FRAGMENT)
    return gpu.shader.create_from_info(info)


@contextmanager
def _flat(region: bpy.types.Region) -> Iterator[None]:
    """Draw in pixels of the region, over what is there."""
    blend, depth_test = gpu.state.blend_get(), gpu.state.depth_test_get()
    to_clip = Matrix.Diagonal((2.0 / region.width, 2.0 / region.height, 1.0, 1.0))
    to_clip[0][3] = to_clip[1][3] = -1.0
    with gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
        gpu.matrix.load_matrix(Matrix())
        gpu.matrix.load_projection_matrix(to_clip)
        gpu.state.blend_set("ALPHA")
        gpu.state.depth_test_set("NONE")
        try:
            yield
        finally:
            gpu.state.blend_set(blend)
            gpu.state.depth_test_set(depth_test)


def _draw_line(part: Rectangle) -> None:
    """Draw where the picture begins."""
    left, bottom, _, top = part
    half = 0.5 * bpy.context.preferences.system.pixel_size
    corners = ((left - half, bottom), (left + half, bottom), (left - half, top), (left + half, top))
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("color", _WHITE)
    batch_for_shader(shader, "TRI_STRIP", {"pos": [(*corner, 0.0) for corner in corners]}).draw(shader)


def _draw_label(part: Rectangle, region: bpy.types.Region) -> None:
    """Say that a new picture is under way, at the lower edge of what is seen of this one."""
    size = round(_LABEL_POINTS * bpy.context.preferences.system.ui_scale)
    left, bottom, right = max(part[0], 0.0), max(part[1], 0.0), min(part[2], float(region.width))
    blf.size(_FONT, size)
    blf.enable(_FONT, blf.SHADOW)
    blf.shadow(_FONT, 3, 0.0, 0.0, 0.0, 0.9)
    blf.color(_FONT, *_WHITE)
    width, _ = blf.dimensions(_FONT, _LABEL)
    blf.position(_FONT, (left + right - width) / 2.0, bottom + size, 0.0)
    blf.draw(_FONT, _LABEL)
    blf.disable(_FONT, blf.SHADOW)
