# SPDX-License-Identifier: GPL-3.0-or-later
"""The live view: the newest state of one viewport, seen through the daemon, for as long as it is on.

``pace`` decides when to capture; this looks, captures, sends, and shows what comes back.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable

from . import changes
from ._bridge import protocol
from ._bridge.errors import BridgeError, Problem
from .capture import Capturer
from .controls import preset_of, presets
from .display import LIVE as LIVE_SLOT
from .display import rows_of, show_picture
from .link import Link
from .overlay import Overlay
from .pace import Pace
from .recipe import Recipe, current_recipe, sized
from .report import problem_from
from .results import show_behind_camera, show_in_editors
from .session import LIVE
from .source import needs_surfaces, shown_viewport, wanted_view
from .viewport import View, Viewport

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

REMEMBERED = 8
"""Views of frames that may still come back."""

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
        problem: What went wrong last; it is tried again after the next change.
        picture: The newest picture and what it was made with, for those who want to keep it.
    """

    def __init__(self, link: Link, capturer: Capturer, overlay: Overlay, viewport: Viewport) -> None:
        self.problem: Problem | None = None
        self.picture: tuple[protocol.Plane, Recipe, View] | None = None
        self.is_paused = False
        self._link, self._capturer, self._overlay = link, capturer, overlay
        self._space = viewport.space.as_pointer()  # a reference would not survive undo
        self._pace = Pace()
        self._set: tuple[Recipe, str] | None = None
        self._views: dict[int, tuple[View, Recipe]] = {}
        self._is_fresh = False
        self._progress = ""

    @property
    def words(self) -> str:
        """How it goes, for a status line."""
        if self.is_paused:
            return "Live is paused: its viewport cannot be seen"
        if not self._link.is_ready:
            return "Live waits for the daemon"
        if self._progress:
            return f"Live: {self._progress}"
        if self._pace.seconds_per_picture:
            return f"Live, {1 / self._pace.seconds_per_picture:.1f} pictures a second"
        return "Live"

    def tick(self) -> None:
        """Look, and capture if it is time to; what goes wrong becomes the ``problem``."""
        try:
            self._look()
        except Exception as error:  # whatever it is, Live is there to be looked at and turned off
            self.problem = problem_from(error)

    def _look(self) -> None:
        if not self._link.is_ready:
            self._pace.forget()
            self._set = None
            return
        viewport = shown_viewport(self._space)
        self.is_paused = viewport is None or self._overlay.is_unseen(UNSEEN_S)
        if viewport is None or self.is_paused:
            return
        view = wanted_view(viewport, viewport.scene.framebridge)
        preset = preset_of(viewport.scene.framebridge)
        recipe = sized(current_recipe(viewport.scene), preset, view.width, view.height)
        self._apply(recipe)
        with_surfaces = needs_surfaces(preset, recipe)
        seen, now = (*_seen(viewport, view), with_surfaces), time.monotonic()
        if self._pace.wants(seen, now):
            self._pace.captured(seen, now, now)
            try:
                self._capture(viewport, view, recipe, with_surfaces)
            except Exception:
                self._pace.answered(now)  # it is tried again after the next change
                raise
            self._pace.captured(seen, now, time.monotonic())
        if not self._pace.is_current:
            self._dim()

    def receive(self, message: protocol.Message) -> None:
        """Take note of a message that is about the live stream."""
        match message:
            case protocol.Welcome():  # what was under way on another connection is lost
                self._pace.forget()
                self._set = None
            case protocol.Result(stream=stream) if stream == LIVE:
                self._show(message)
            case protocol.Progress(stream=stream) if stream == LIVE and self._set is not None:
                self._note_progress(message)
            case protocol.Finished(stream=stream) if stream == LIVE:
                self._progress = ""
                self._pace.answered(time.monotonic())
                self.problem = message.problems[0] if message.state == "failed" and message.problems else None
            case protocol.Failure() if message.stream == LIVE or self._is_about_set(message):
                self._pace.answered(time.monotonic())
                self.problem = message.problems[0]

    def stop(self) -> None:
        """End it, and tell the daemon if it can be told."""
        self._overlay.watch(None)
        self._overlay.mark_current()
        if self._link.session is not None:
            with contextlib.suppress(BridgeError):  # no connection: the daemon ends the stream by itself
                self._link.session.end_live()

    def _apply(self, recipe: Recipe) -> None:
        if self._set is None or self._set[0] != recipe:
            if self.problem is not None:  # the stream may not even be open
                self.problem = None
                self._pace.forget()
            self._set = recipe, self._link.session.set_live(recipe)
            # The daemon paints the newest frame again under its number.
            self._views = {number: (view, recipe) for number, (view, _) in self._views.items()}
            self._dim()

    def _dim(self) -> None:
        """Show that the picture is older than what it is to show."""
        if self._is_fresh:
            self._is_fresh = False
            self._overlay.mark_stale()

    def _note_progress(self, message: protocol.Progress) -> None:
        """Say what is going on while there is no picture, or while a model is read."""
        recipe = self._set[0]
        preset = next((preset for preset in presets() if preset.name == recipe.preset), None)
        is_worth_it = preset is not None and (self.picture is None or message.node in preset.loaders)
        steps = recipe.values.get("steps")
        self._progress = (
            preset.progress_words(message.node, message.value, message.maximum, steps) if is_worth_it else ""
        )

    def _is_about_set(self, message: protocol.Failure) -> bool:
        return self._set is not None and message.request == self._set[1]

    def _capture(self, viewport: Viewport, view: View, recipe: Recipe, with_surfaces: bool) -> None:
        capture = self._capturer.capture(viewport, view, with_surfaces)
        number = self._link.session.push_live(capture)
        self._views[number] = capture.seen, recipe
        while len(self._views) > REMEMBERED:
            self._views.pop(next(iter(self._views)))

    def _show(self, message: protocol.Result) -> None:
        known = self._views.get(message.frame)
        viewport = shown_viewport(self._space)
        if known is None or viewport is None or not message.planes:
            return
        view, recipe = known
        self._progress = ""
        plane = message.planes[0]
        self.picture = plane, recipe, view
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
    return matrices, view.width, view.height, look, viewport.scene.name, changes.count()


def _plain(value: object) -> object:
    """Return a property's value as something that can be compared: colours are arrays."""
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
