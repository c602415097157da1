# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a frame range through the daemon: one file a frame, in order, to be continued at any time.

Rules:
1. Files and what they have in common: see ``_bridge.host.shot``.
2. Two frames are under way: while one is painted the next is captured. They are written in order.
3. The seed is that of the first frame; whatever else is keyframed changes with the frames.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np

from . import display
from ._bridge.client import error_from
from ._bridge.errors import BridgeError, Problem
from ._bridge.host.recipe import RECIPE_TEXT, Recipe, sized
from ._bridge.host.shot import (
    AHEAD,
    SAMPLE_SIDE,
    SHOT_FILE,
    Shot,
    differs,
    frame_file,
    is_frame_of,
    planned_shot,
    sampled,
)
from ._bridge.host.tasks import Task
from ._bridge.host.words import NO_PICTURE, sentence
from .capture import Capture
from .controls import preset_of
from .png import encode_png
from .recipe import current_recipe
from .references import with_chosen_pictures
from .report import problem_from
from .results import folder_path, write_picture
from .scene_key import key_of
from .source import Take, viewport_again, wanted_for, wanted_view
from .viewport import View, Viewport
from .wire import frame_of
from .worked_on import refuse_in_motion

if TYPE_CHECKING:
    from .studio import Studio

NEAR_PERCENTILE, FAR_PERCENTILE = 99.5, 1.0
"""Of nearness, as the daemon takes them for a single frame."""


class Animation:
    """A frame range on its way to the disk.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured.
        starts_over: Whether to make all frames anew, whatever the folder holds.

    Attributes:
        frames: Their numbers.
        done: How many of them are on the disk.
        words: What is going on.
        is_over: Whether nothing more will happen.
        problem: Why it ended early.

    Raises:
        BridgeError: ``file_not_saved``, ``folder_unwritable``, ``shot_differs``, or why nothing can be
            captured.
    """

    def __init__(self, studio: Studio, viewport: Viewport, starts_over: bool = False) -> None:
        scene = viewport.scene
        self._studio, self._place = studio, (viewport.space.as_pointer(), key_of(scene))
        self._preset = preset_of(scene.framebridge)
        refuse_in_motion(self._preset)
        self._folder = folder_path(scene.framebridge.frames_folder)
        self.frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        self.problem: Problem | None = None
        self.is_over = False
        self.words = self._odd = ""
        self._before = scene.frame_current, scene.frame_subframe
        self._take: tuple[int, Recipe, Take] | None = None
        self._under_way: deque[int] = deque()
        self._pictures: dict[int, bytes] = {}
        self._tasks: list[Task] = []
        self._samples: deque[int] = deque()
        self._ranges: list[tuple[float, float]] = []
        try:
            self._shot = self._plan(starts_over)
        except BridgeError:
            self._go_back()
            raise
        name = self._shot.name
        self._todo = deque(frame for frame in self.frames if not is_frame_of(self._folder, frame, name))
        self.done = len(self.frames) - len(self._todo)

    def tick(self) -> None:
        """Go on; what goes wrong ends it and becomes the ``problem``."""
        if self.is_over:
            return
        try:
            if self._samples:
                self._sample(self._samples.popleft())
            elif self._take is not None:
                self._send_taken(*self._take)
            elif self._todo and len(self._under_way) < AHEAD:
                self._capture(self._todo.popleft())
            elif not self._todo and not self._under_way:
                self._end()
        except Exception as error:  # whatever it is, the artist must not wait for frames that never come
            self._end(problem_from(error))

    def cancel(self) -> None:
        """End it; frames that are written stay, and the next start goes on after them."""
        if not self.is_over:
            self._end()
            self.words = f"Stopped after {self.done} of {len(self.frames)} frames"

    def _plan(self, starts_over: bool) -> Shot:
        """Return what the frames have in common; what the folder holds goes on, if it is the same."""
        viewport = self._go_to(self.frames[0])
        settings = viewport.scene.framebridge
        view = wanted_view(viewport, settings)
        recipe = sized(current_recipe(viewport.scene), self._preset, view.width, view.height)
        shot = planned_shot(
            self._folder,
            recipe,
            self._preset,
            (view.width, view.height),
            wants_steady=settings.freezes_depth,
            starts_over=starts_over,
        )
        if shot.is_steady and not shot.has_range:
            self._samples = deque(sampled(self.frames))
        _write_shot(self._folder, shot)
        return shot

    def _sample(self, frame: int) -> None:
        """Look at one frame for the depth range; after the last, freeze it."""
        self.words = f"Looking for the depth range, frame {frame}"
        viewport = self._go_to(frame)
        view = wanted_view(viewport, viewport.scene.framebridge)
        scale = SAMPLE_SIDE / max(view.width, view.height)
        width, height = max(8, int(view.width * scale)), max(8, int(view.height * scale))
        capture = self._studio.capturer.capture(viewport, View(view.view, view.projection, width, height))
        if not capture.is_all_sky:
            nearness = 1.0 / capture.depth[np.isfinite(capture.depth)]
            near, far = np.percentile(nearness, (NEAR_PERCENTILE, FAR_PERCENTILE))
            self._ranges.append((1.0 / float(near), 1.0 / float(far)))
        if not self._samples and self._ranges:
            self._shot = self._shot.with_range(self._ranges)
            _write_shot(self._folder, self._shot)

    def _capture(self, frame: int) -> None:
        viewport = self._go_to(frame)
        if preset_of(viewport.scene.framebridge) != self._preset:
            raise differs(self._folder, "gets no frames of another preset")
        recipe = self._shot.fixed(current_recipe(viewport.scene))
        self._take = frame, recipe, self._studio.take(viewport, wanted_for(self._preset, recipe))
        self._send_taken(*self._take)

    def _send_taken(self, frame: int, recipe: Recipe, take: Take) -> None:
        """Have a frame painted once its capture, which may be a final render, is there."""
        capture = take.result()
        if take.was_cancelled:
            self.cancel()
        elif capture is not None:
            self._take = None
            self._send(frame, recipe, capture)

    def _send(self, frame: int, recipe: Recipe, capture: Capture) -> None:
        if (capture.seen.width, capture.seen.height) != (self._shot.width, self._shot.height):
            raise differs(self._folder, "gets no frames of another size")
        recipe = sized(recipe, self._preset, self._shot.width, self._shot.height)
        self._under_way.append(frame)
        settings = self._place[1].scene().framebridge
        sent = with_chosen_pictures(frame_of(capture), settings, self._preset)
        request = self._studio.link.session.submit(sent, recipe, wants_preview=False)
        task = Task(request, on_end=lambda task: self._painted(frame, recipe, task))
        self._tasks.append(self._studio.tasks.add(task))

    def _painted(self, frame: int, recipe: Recipe, task: Task) -> None:
        self._tasks.remove(task)
        if self.is_over:
            return
        try:
            if task.warnings:
                self._odd = f"Frame {frame}: {sentence(task.warnings[0])}"
            if not task.pictures:
                reason = (task.problems or (NO_PICTURE,))[0]
                raise error_from([replace(reason, message=f"frame {frame}: {reason.message}")])
            texts = {RECIPE_TEXT: recipe.drawn(task.texts).to_json(), **self._shot.text}
            self._pictures[frame] = encode_png(display.rows_of(task.pictures[0]), texts)
            while self._under_way and self._under_way[0] in self._pictures:
                self._write(self._under_way.popleft())
        except Exception as error:  # as in tick
            self._end(problem_from(error))

    def _write(self, frame: int) -> None:
        write_picture(frame_file(self._folder, frame), self._pictures.pop(frame))
        self.done += 1
        self.words = f"Frame {frame}: {self.done} of {len(self.frames)}"
        if bpy.app.background:
            print(self.words, flush=True)  # as Blender does of its own frames

    def _go_to(self, frame: int) -> Viewport:
        viewport = viewport_again(*self._place)
        if viewport.scene.frame_current != frame:
            viewport.scene.frame_set(frame)
        return viewport

    def _go_back(self) -> None:
        scene = self._place[1].find()
        if scene is not None:
            scene.frame_set(self._before[0], subframe=self._before[1])

    def _end(self, problem: Problem | None = None) -> None:
        self.is_over, self.problem = True, problem
        if self._take is not None:
            self._take[2].cancel()
        for task in tuple(self._tasks):
            self._studio.tasks.cancel(task, self._studio.link.session)
        self._go_back()
        if problem is None:
            self.words = f"{self.done} of {len(self.frames)} frames are in {self._folder}"
            self.words += f". {self._odd}" if self._odd else ""


def _write_shot(folder: Path, shot: Shot) -> None:
    write_picture(folder / SHOT_FILE, shot.to_json().encode("utf-8"))
