# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a frame range through the daemon: one file a frame, in order, to be continued at any time.

Rules:
1. A frame's file is written whole, when its picture is there. One that is there and sound is not made again.
2. The folder's ``shot.json`` says what its frames are made with, the frozen depth range included, and each
   frame says which shot it is of. Frames of another shot are not mixed in.
3. Two frames are under way: while one is painted the next is captured. They are written in order.
4. The seed is that of the first frame; whatever else is keyframed changes with the frames.
"""

from __future__ import annotations

import json
import math
import secrets
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np

from . import display
from ._bridge.client import error_from
from ._bridge.errors import BridgeError, Problem
from .capture import Capture
from .controls import preset_of
from .frames import frame_file, is_frame_of, shot_text
from .picture import NO_PICTURE
from .png import encode_png
from .preset import FROM_SHOT
from .recipe import SEED, Recipe, current_recipe, recipe_from_json, sized
from .report import problem_from
from .results import RECIPE_TEXT, folder_path, write_picture
from .session import frame_of
from .source import Take, needs_surfaces, viewport_again, wanted_view
from .tasks import Task
from .viewport import View, Viewport

if TYPE_CHECKING:
    from .studio import Studio

SHOT_FILE = "shot.json"

AHEAD = 2
"""Frames under way at once."""

SAMPLES = 7
"""Frames that are looked at to find the depth range of a shot."""

SAMPLE_SIDE = 192
"""Pixels of their longer side."""

NEAR_PERCENTILE, FAR_PERCENTILE = 99.5, 1.0
"""Of nearness, as the daemon takes them for a single frame."""


@dataclass(frozen=True)
class Shot:
    """What all frames of a folder have in common.

    Args:
        name: Unique.
        recipe: Of the first frame, with the depth range in it if one is frozen.
        width: Pixels.
        height: Pixels.
        is_steady: Whether a depth range is, or is to be, frozen.
    """

    name: str
    recipe: Recipe
    width: int
    height: int
    is_steady: bool

    @property
    def has_range(self) -> bool:
        """Whether the depth range has been found."""
        return all(name in self.recipe.values for name in FROM_SHOT)

    def to_json(self) -> str:
        """Return it as text."""
        about = {"name": self.name, "width": self.width, "height": self.height, "is_steady": self.is_steady}
        return json.dumps({**about, "recipe": json.loads(self.recipe.to_json())}, indent=1)


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
        self._studio, self._place = studio, (viewport.space.as_pointer(), scene.name)
        self._preset = preset_of(scene.framebridge)
        self._folder = folder_path(scene.framebridge.frames_folder)
        self.frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        self.problem: Problem | None = None
        self.is_over = False
        self.words = ""
        self._before = scene.frame_current, scene.frame_subframe
        self._take: tuple[int, Recipe, Take] | None = None
        self._under_way: deque[int] = deque()
        self._pictures: dict[int, bytes] = {}
        self._tasks: list[Task] = []
        self._samples: deque[int] = deque()
        self._nearness: list[tuple[float, float]] = []
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
        is_steady = settings.freezes_depth and all(self._preset.find(name) for name in FROM_SHOT)
        shot = Shot(secrets.token_hex(8), recipe, view.width, view.height, is_steady)
        known = None if starts_over else _read_shot(self._folder)
        if known is not None and not _is_same(known, shot):
            raise self._differs("holds frames that were made with other settings")
        shot = known or shot
        if is_steady and not shot.has_range:
            step = max(1, (len(self.frames) - 1) // (SAMPLES - 1))
            self._samples = deque([*self.frames[::step][:SAMPLES], self.frames[-1]])
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
            self._nearness.append((float(near), float(far)))
        if not self._samples and self._nearness:
            near = 1.0 / max(nearness for nearness, _ in self._nearness)
            far = 1.0 / min(farness for _, farness in self._nearness)
            values = {"depth_near": round(near, 6), "depth_far": round(max(far, near * 1.001), 6)}
            self._shot = replace(self._shot, recipe=self._shot.recipe.with_values(**values))
            _write_shot(self._folder, self._shot)

    def _capture(self, frame: int) -> None:
        viewport = self._go_to(frame)
        if preset_of(viewport.scene.framebridge) != self._preset:
            raise self._differs("gets no frames of another preset")
        known = self._shot.recipe.values
        fixed = {name: known[name] for name in (*FROM_SHOT, SEED) if name in known}
        recipe = current_recipe(viewport.scene).with_values(**fixed)
        self._take = frame, recipe, self._studio.take(viewport, needs_surfaces(self._preset, recipe))
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
            raise self._differs("gets no frames of another size")
        recipe = sized(recipe, self._preset, self._shot.width, self._shot.height)
        self._under_way.append(frame)
        request = self._studio.link.session.submit(frame_of(capture), recipe, wants_preview=False)
        task = Task(request, on_end=lambda task: self._painted(frame, recipe, task))
        self._tasks.append(self._studio.tasks.add(task))

    def _painted(self, frame: int, recipe: Recipe, task: Task) -> None:
        self._tasks.remove(task)
        if self.is_over:
            return
        try:
            if not task.pictures:
                reason = (task.problems or (NO_PICTURE,))[0]
                raise error_from([replace(reason, message=f"frame {frame}: {reason.message}")])
            texts = {RECIPE_TEXT: recipe.to_json(), **shot_text(self._shot.name)}
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
        scene = bpy.data.scenes.get(self._place[1])
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

    def _differs(self, what: str) -> BridgeError:
        return BridgeError(
            f"{self._folder} {what}",
            code="shot_differs",
            hint="Choose another folder, or start over to make them all anew.",
        )


def _write_shot(folder: Path, shot: Shot) -> None:
    write_picture(folder / SHOT_FILE, shot.to_json().encode("utf-8"))


def _read_shot(folder: Path) -> Shot | None:
    try:
        data = json.loads((folder / SHOT_FILE).read_text("utf-8"))
        recipe = recipe_from_json(json.dumps(data["recipe"]))
        ranges = [recipe.values[name] for name in FROM_SHOT if name in recipe.values]
        if not all(isinstance(value, float | int) and math.isfinite(value) and value > 0 for value in ranges):
            raise ValueError("its depth range is none")
        size = int(data["width"]), int(data["height"])
        return Shot(str(data["name"]), recipe, *size, bool(data["is_steady"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError, BridgeError) as error:
        raise BridgeError(
            f"{folder / SHOT_FILE} cannot be read: {error}",
            code="bad_shot",
            hint="Start over, or choose another folder.",
        ) from error


def _is_same(known: Shot, wanted: Shot) -> bool:
    """Tell whether two shots differ in nothing but their name and the depth range that was found."""
    return _comparable(known) == _comparable(wanted)


def _comparable(shot: Shot) -> Shot:
    values = {name: value for name, value in shot.recipe.values.items() if name not in FROM_SHOT}
    return replace(shot, name="", recipe=replace(shot.recipe, values=values))
