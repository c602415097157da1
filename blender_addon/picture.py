# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture: captured, sent, painted, and put where the artist wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import bpy

from . import display, results
from ._bridge import protocol
from ._bridge.errors import BridgeError, Problem
from ._bridge.host.recipe import Recipe, sized
from ._bridge.host.tasks import Task
from ._bridge.host.words import NO_PICTURE, oddity, of_preset, progress_of, sentence, spent
from .controls import preset_of
from .recipe import advance_seed, current_recipe, draw_seed
from .references import with_chosen_pictures
from .report import problem_from
from .scene_copy import left_out
from .scene_key import CameraKey, key_of, key_of_camera
from .source import Take, wanted_for
from .viewport import View, Viewport
from .wire import plane_of
from .worked_on import Taken, Tile, take_for, taken_of

if TYPE_CHECKING:
    from .studio import Studio


class Picture:
    """A picture on its way; the result comes by itself.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured.

    Attributes:
        is_over: Whether nothing more will happen.
        problem: Why there is no result, or why it is not everywhere it was to go.
        notice: What is worth knowing, and no fault.

    Raises:
        BridgeError: Why it cannot begin; nothing was changed but a random seed.
    """

    def __init__(self, studio: Studio, viewport: Viewport) -> None:
        self.is_over = False
        self.problem: Problem | None = None
        self.notice = ""
        scene = viewport.scene
        self._studio, self._scene = studio, key_of(scene)
        self._preset = preset_of(scene.framebridge)
        draw_seed(scene)
        self._recipe = current_recipe(scene)
        self._task: Task | None = None
        self._view: View | None = None
        self._tiles: tuple[Tile, ...] = ()
        self._take: Take | None = None
        self._left_out = ""
        self._camera: CameraKey | None = key_of_camera(scene.camera)
        wanted = wanted_for(self._preset, self._recipe)
        taken = take_for(self._preset.source, studio.capturer, viewport, wanted)
        if taken is None:
            self._take = studio.take(viewport, wanted)
            if scene.framebridge.source == "RENDER":
                self._left_out = left_out(scene)
        else:
            self._camera = taken.camera
            self._send(taken)
        advance_seed(scene)
        self.tick()

    @property
    def progress(self) -> tuple[float, str]:
        """How far it is, 0..1, and in words."""
        task = self._task
        if task is None:
            return 0.0, "Rendering the frame…"
        return progress_of(task, self._preset, self._recipe)

    def tick(self) -> None:
        """Go on where a final render has ended; what goes wrong ends it."""
        if self._take is None or self.is_over:
            return
        try:
            capture = self._take.result()
            if self._take.was_cancelled:
                self._end(notice="Cancelled")
            elif capture is not None:
                self._take = None
                self._send(taken_of(capture))
        except Exception as error:  # whatever it is, the artist must not wait for a picture that never comes
            self._end(problem_from(error))

    def cancel(self) -> None:
        """Give it up; nothing of it comes any more."""
        if self._take is not None:
            self._take.cancel()
            self._end(notice="Cancelled")
        elif self._task is not None:
            self._studio.tasks.cancel(self._task, self._studio.link.session)

    def _send(self, taken: Taken) -> None:
        self._view, self._tiles = taken.view, taken.tiles
        self._size = taken.width, taken.height
        self._recipe = sized(self._recipe, self._preset, *self._size)
        settings = self._scene.scene().framebridge
        frame = with_chosen_pictures(taken.frame, settings, self._preset)
        self._submit(frame)

    def _submit(self, frame: protocol.Frame) -> None:
        request = self._studio.link.session.submit(frame, self._recipe)
        task = Task(request, on_end=self._painted, on_preview=self._show_preview)
        self._task = self._studio.tasks.add(task)

    def _show_preview(self, task: Task) -> None:
        try:
            rows = display.rows_of(task.preview)
        except BridgeError:  # an odd preview is no reason to lose the picture
            return
        self._studio.thumbnails.set("preview", rows)
        scene = self._scene.find()
        if scene is not None and scene.framebridge.to_overlay and self._view is not None:
            self._studio.overlay.show_preview(rows, self._view)

    def _painted(self, task: Task) -> None:
        self._studio.thumbnails.drop("preview")
        self._studio.overlay.clear_preview()
        if task.state == "cancelled" or task.wants_cancel:
            self._end(notice="Cancelled")
        elif task.problems:
            self._end(of_preset(task.problems[0], self._preset.title))
        elif not task.pictures:
            self._end(NO_PICTURE)
        else:
            self.notice = sentence(task.warnings[0]) if task.warnings else ""
            try:
                self._take_in(task, self._scene.find())
                self._end(notice=" · ".join(filter(None, (self.notice, self._left_out))))
            except Exception as error:  # the picture is there; what it is worth depends on being told
                self._end(problem_from(error))

    def _take_in(self, task: Task, scene: bpy.types.Scene | None) -> None:
        """Keep the pictures first, then write them, then show the first, if the scene still says where."""
        planes = task.pictures
        self._recipe = self._recipe.drawn(task.texts)
        parts = [part for plane in planes for part in self._parts(plane)]
        tiles = [
            keep(plane, tile.view, tile.camera.name, self._recipe, scene, tile.camera)
            for plane, tile in parts
        ]
        images = [keep(plane, self._view, "", self._recipe, scene, self._camera) for plane in planes]
        self.notice = oddity(planes[0].shape, *self._size) or self.notice
        self._studio.spent = images[0].name, spent(task.timings)
        with undo_step("Framebridge Result"):
            if scene is None:
                self.notice = f"Its scene is gone; the picture is kept as {images[0].name}"
                return
            if scene.framebridge.to_folder:
                for image in (*images, *tiles):
                    file = results.save_numbered(image, scene.framebridge.folder)
                    self.notice = f"Saved {file.name}"
            self._studio.show(images[0], scene)

    def _parts(self, plane: protocol.Plane) -> Iterator[tuple[protocol.Plane, Tile]]:
        """Yield the parts of a picture that have a view of their own."""
        if plane.shape[:2] != self._size[::-1]:
            return
        rows = display.rows_of(plane)
        for tile in self._tiles:
            width, height = tile.view.width, tile.view.height
            part = rows[tile.top : tile.top + height, tile.left : tile.left + width]
            yield plane_of("image", "u8", part), tile

    def _end(self, problem: Problem | None = None, notice: str = "") -> None:
        self.is_over, self.problem, self.notice = True, problem, notice
        self._take = None


def keep(
    plane: protocol.Plane,
    view: View | None,
    name: str,
    recipe: Recipe,
    scene: bpy.types.Scene | None,
    camera: CameraKey | None = None,
) -> bpy.types.Image:
    """Add a picture to the history, and look at it.

    Args:
        plane: The picture.
        view: Where it was seen from; nothing if from several places.
        name: What it shows, where there is more to say than its number.
        recipe: What it was made with.
        scene: Whose artist looks at it, if it still is there.
        camera: See ``display.camera_of``.

    Raises:
        InputError: ``bad_image``.
    """
    image = display.keep_result(plane, recipe, view, name, camera)
    if scene is not None:
        scene.framebridge.result = image
    return image


@contextmanager
def undo_step(message: str) -> Iterator[None]:
    """Make what a tick does a step of its own for Ctrl-Z, also where it fails halfway.

    Nothing in the background, which has no undo.
    """
    try:
        yield
    finally:
        windows = bpy.context.window_manager.windows
        if not bpy.app.background and windows:
            with bpy.context.temp_override(window=windows[0]):
                bpy.ops.ed.undo_push(message=message)
