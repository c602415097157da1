# SPDX-License-Identifier: GPL-3.0-or-later
"""The live view: the newest state of one viewport, seen through the daemon, for as long as it is on."""

from __future__ import annotations

from collections.abc import Hashable

from . import changes
from ._bridge import protocol
from ._bridge.errors import Problem
from ._bridge.host.link import Link
from ._bridge.host.live import LiveStream
from ._bridge.host.recipe import Recipe, sized
from .capture import Capturer
from .controls import preset_named, preset_of
from .display import LIVE as LIVE_SLOT
from .display import rows_of, show_picture
from .overlay import Overlay
from .recipe import current_recipe
from .references import with_chosen_pictures
from .report import problem_from
from .results import show_behind_camera, show_in_editors
from .scene_key import key_of
from .source import shown_viewport, wanted_for, wanted_view
from .viewport import View, Viewport
from .wire import frame_of
from .worked_on import refuse_in_motion

SHADING = [
    "type",
    "light",
    "color_type",
    "single_color",
    "background_type",
    "background_color",
    "show_cavity",
    "cavity_type",
    "cavity_ridge_factor",
    "cavity_valley_factor",
    "curvature_ridge_factor",
    "curvature_valley_factor",
    "show_shadows",
    "shadow_intensity",
    "show_xray",
    "xray_alpha",
    "show_object_outline",
    "object_outline_color",
    "show_backface_culling",
    "show_specular_highlight",
    "studio_light",
    "use_scene_lights",
    "use_scene_world",
    "studiolight_intensity",
    "studiolight_rotate_z",
    "studiolight_background_alpha",
]
"""What decides how a viewport is shaded, and of whose change Blender tells nobody."""

UNSEEN_S = 2.0
"""A window that has not been drawn for this long, though asked to, cannot be seen."""


class LiveView:
    """A live view of one viewport; it exists while Live is on.

    Args:
        link: Connected, or about to be.
        capturer: Shared with everything else that captures.
        overlay: Shows the pictures.
        viewport: The one that is watched.

    Attributes:
        picture: The newest picture and what it was made with, for those who want to keep it.
    """

    def __init__(self, link: Link, capturer: Capturer, overlay: Overlay, viewport: Viewport) -> None:
        self.picture: tuple[protocol.Plane, Recipe, View] | None = None
        self.is_paused = False
        self._link, self._capturer, self._overlay = link, capturer, overlay
        self._space = viewport.space.as_pointer()  # a reference would not survive undo
        self._stream: LiveStream[View] = LiveStream(link, preset_named)
        self._is_fresh = False

    @property
    def problem(self) -> Problem | None:
        """What went wrong last; it is tried again after the next change."""
        return self._stream.problem

    @problem.setter
    def problem(self, problem: Problem | None) -> None:
        self._stream.problem = problem

    @property
    def words(self) -> str:
        """How it goes, for a status line."""
        return "Live is paused: its viewport cannot be seen" if self.is_paused else self._stream.words

    def tick(self) -> None:
        """Look, and capture if it is time to; what goes wrong becomes the ``problem``."""
        try:
            self._look()
        except Exception as error:  # whatever it is, Live is there to be looked at and turned off
            self.problem = problem_from(error)

    def _look(self) -> None:
        if not self._link.is_ready:
            self._stream.forget()
            return
        viewport = shown_viewport(self._space)
        self.is_paused = viewport is None or self._overlay.is_unseen(UNSEEN_S)
        if viewport is None or self.is_paused:
            return
        view = wanted_view(viewport, viewport.scene.framebridge)
        preset = preset_of(viewport.scene.framebridge)
        refuse_in_motion(preset)
        recipe = sized(current_recipe(viewport.scene), preset, view.width, view.height)
        if self._stream.apply(recipe):
            self._dim()
        wanted = wanted_for(preset, recipe)
        seen = (*_seen(viewport, view), wanted)

        def capture(number: int) -> tuple[protocol.Frame, View]:
            captured = self._capturer.capture(viewport, view, *wanted)
            frame = with_chosen_pictures(frame_of(captured, number), viewport.scene.framebridge, preset)
            return frame, captured.seen

        if self._stream.wants(seen):
            self._stream.push(seen, capture)
        if not self._stream.is_current:
            self._dim()

    def receive(self, message: protocol.Message) -> None:
        """Take note of a message that is about the live stream."""
        picture = self._stream.receive(message)
        viewport = shown_viewport(self._space)
        if picture is not None and viewport is not None:
            self.picture = picture
            self._show(*picture, viewport)

    def stop(self) -> None:
        """End it, and tell the daemon if it can be told."""
        self._overlay.watch(None)
        self._overlay.mark_current()
        self._stream.stop()

    def _dim(self) -> None:
        """Show that the picture is older than what it is to show."""
        if self._is_fresh:
            self._is_fresh = False
            self._overlay.mark_stale()

    def _show(self, plane: protocol.Plane, recipe: Recipe, view: View, viewport: Viewport) -> None:
        self._is_fresh = True
        settings = viewport.scene.framebridge
        self._overlay.watch(viewport)
        if settings.to_overlay:
            self._overlay.show(rows_of(plane), view, viewport)
        if settings.to_image_editor or settings.to_camera:
            image = show_picture(plane, LIVE_SLOT, "Framebridge Live")
            if settings.to_image_editor:
                show_in_editors(image)
            if settings.to_camera:
                show_behind_camera(image, viewport.scene.camera)


def _seen(viewport: Viewport, view: View) -> tuple[Hashable, ...]:
    """Return all that decides what a capture would show."""
    shading = viewport.space.shading
    matrices = tuple(
        round(value, 5) for matrix in (view.view, view.projection) for row in matrix for value in row
    )
    look = tuple(_plain(getattr(shading, name, None)) for name in SHADING)
    return matrices, view.width, view.height, look, key_of(viewport.scene), changes.count()


def _plain(value: object) -> object:
    """Return a property's value as something that can be compared: colours are arrays."""
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
