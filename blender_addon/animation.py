# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a frame range through the daemon: one file a frame, in order, to be continued at any time.

Rules:
1. A frame's file is written whole, when its picture is there. One that is there and sound is not made again.
2. The folder's ``shot.json`` says what its frames are made with, the frozen depth range included. Frames of
   another recipe are not mixed in.
3. Two frames are under way: while one is painted the next is captured. They are written in order.
4. The seed is that of the first frame; whatever else is keyframed changes with the frames.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np

from . import display
from ._bridge.errors import BridgeError, Problem
from .capture import Capture
from .controls import preset_of
from .png import encode_png, read_texts
from .preset import FROM_SHOT
from .recipe import SEED, Recipe, current_recipe, recipe_from_json, sized
from .results import RECIPE_TEXT, folder_path, write_picture
from .session import frame_of
from .source import needs_surfaces, viewport_again, wanted_view
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
        recipe: Of the first frame, with the depth range in it.
        width: Pixels.
        height: Pixels.
    """

    recipe: Recipe
    width: int
    height: int

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(
            {"recipe": json.loads(self.recipe.to_json()), "width": self.width, "height": self.height},
            indent=1,
        )


class Animation:
    """A frame range on its way to the disk.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured.
        starts_over: Whether to make all frames anew, whatever the folder holds.

    Attributes:
        done: Frames that are on the disk.
        made: Those of them that were made now.
        problem: Why it ended early.

    Raises:
        BridgeError: ``file_not_saved``, ``folder_unwritable``, ``shot_differs``, or why nothing can be
            captured.
    """

    def __init__(self, studio: Studio, viewport: Viewport, starts_over: bool = False) -> None:
        scene = viewport.scene
        self._studio, self._scene, self._space = studio, scene.name, viewport.space.as_pointer()
        self._preset = preset_of(scene.framebridge)
        self.folder = folder_path(scene.framebridge.frames_folder)
        self.frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        self.done = self.made = 0
        self.problem: Problem | None = None
        self.is_over = False
        self.words = ""
        self._before = scene.frame_current, scene.frame_subframe
        self._under_way: deque[int] = deque()
        self._pictures: dict[int, bytes] = {}
        self._tasks: list[Task] = []
        self._is_capturing = False
        self._starts_over = starts_over
        self._samples: deque[int] = deque()
        self._nearness: list[float] = []
        self._farness: list[float] = []
        try:
            self._shot = self._plan(self._go_to(self.frames[0]))
        except BridgeError:
            self._go_back()
            raise
        self._todo = deque(frame for frame in self.frames if starts_over or not _is_sound(self.file(frame)))
        self.done = len(self.frames) - len(self._todo)

    def file(self, frame: int) -> Path:
        """Return the file of a frame."""
        return self.folder / f"frame_{frame:04}.png"

    def tick(self) -> None:
        """Go on; what goes wrong ends it and becomes the ``problem``."""
        if self.is_over:
            return
        try:
            if self._samples:
                self._sample()
            elif self._todo and len(self._under_way) < AHEAD and not self._is_capturing:
                self._send(self._todo.popleft())
            elif not self._todo and not self._under_way and not self._is_capturing:
                self._end()
        except BridgeError as error:
            self._end(error.problem)

    def cancel(self) -> None:
        """End it; frames that are written stay, and the next start goes on after them."""
        if not self.is_over:
            self._end()
            self.words = f"Stopped after {self.done} of {len(self.frames)} frames"

    def _plan(self, scene: bpy.types.Scene) -> Shot:
        """Return what the frames have in common; what the folder holds goes on, if it is the same."""
        view = wanted_view(viewport_again(self._space, self._scene), scene.framebridge)
        recipe = sized(current_recipe(scene), self._preset, view.width, view.height)
        shot = Shot(recipe, view.width, view.height)
        known = None if self._starts_over else _read_shot(self.folder)
        if known is not None:
            if not _is_same(known, shot):
                raise BridgeError(
                    f"{self.folder} holds frames that were made with other settings",
                    code="shot_differs",
                    hint="Choose another folder, or start over to make them all anew.",
                )
            return known
        can_freeze = all(self._preset.find(name) for name in FROM_SHOT)
        if scene.framebridge.freezes_depth and can_freeze:
            steps = max(1, (len(self.frames) - 1) // (SAMPLES - 1))
            self._samples = deque([*self.frames[::steps][:SAMPLES], self.frames[-1]])
        _write_shot(self.folder, shot)
        return shot

    def _sample(self) -> None:
        """Look at one frame for the depth range; after the last, freeze it."""
        frame = self._samples.popleft()
        self.words = f"Looking for the depth range, frame {frame}"
        scene = self._go_to(frame)
        view = wanted_view(viewport_again(self._space, self._scene), scene.framebridge)
        scale = SAMPLE_SIDE / max(view.width, view.height)
        small = View(
            view.view, view.projection, max(8, int(view.width * scale)), max(8, int(view.height * scale))
        )
        capture = self._studio.capturer.capture(viewport_again(self._space, self._scene), small)
        if not capture.is_all_sky:
            nearness = 1.0 / capture.depth[np.isfinite(capture.depth)]
            near, far = np.percentile(nearness, (NEAR_PERCENTILE, FAR_PERCENTILE))
            self._nearness.append(float(near))
            self._farness.append(float(far))
        if not self._samples and self._nearness:
            near, far = 1.0 / max(self._nearness), 1.0 / min(self._farness)
            values = {"depth_near": round(near, 6), "depth_far": round(max(far, near * 1.001), 6)}
            self._shot = replace(self._shot, recipe=self._shot.recipe.with_values(**values))
            _write_shot(self.folder, self._shot)

    def _send(self, frame: int) -> None:
        """Capture a frame and have it painted."""
        scene = self._go_to(frame)
        fixed = {
            name: value
            for name, value in self._shot.recipe.values.items()
            if name in FROM_SHOT or name == SEED
        }
        recipe = current_recipe(scene).with_values(**fixed)
        recipe = sized(recipe, self._preset, self._shot.width, self._shot.height)
        self._is_capturing = True
        self._studio.take(
            viewport_again(self._space, self._scene),
            needs_surfaces(self._preset, recipe),
            lambda capture: self._captured(frame, recipe, capture),
            self._end,
        )

    def _captured(self, frame: int, recipe: Recipe, capture: Capture) -> None:
        self._is_capturing = False
        if self.is_over:
            return
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
                problem = task.problems[0] if task.problems else None
                raise BridgeError(
                    f"frame {frame}: {problem.message if problem else 'no picture came back'}",
                    code=problem.code if problem else "no_picture",
                    hint=problem.hint if problem else "Start again to continue.",
                )
            texts = {RECIPE_TEXT: recipe.to_json(), "frame": str(frame)}
            self._pictures[frame] = encode_png(display.rows_of(task.pictures[0]), texts)
            while self._under_way and self._under_way[0] in self._pictures:
                first = self._under_way.popleft()
                write_picture(self.file(first), self._pictures.pop(first))
                self.done, self.made = self.done + 1, self.made + 1
                self.words = f"Frame {first}: {self.done} of {len(self.frames)}"
                if bpy.app.background:
                    print(self.words, flush=True)  # as Blender does of its own frames
        except BridgeError as error:
            self._end(error.problem)

    def _go_to(self, frame: int) -> bpy.types.Scene:
        scene = bpy.data.scenes.get(self._scene)
        if scene is None:
            raise BridgeError(f'the scene "{self._scene}" is gone', code="no_scene")
        if scene.frame_current != frame:
            scene.frame_set(frame)
        return scene

    def _end(self, problem: Problem | None = None) -> None:
        self.is_over, self.problem, self._is_capturing = True, problem, False
        for task in tuple(self._tasks):
            self._studio.tasks.cancel(task, self._studio.link.session)
        self._go_back()
        if problem is None:
            self.words = f"{self.done} of {len(self.frames)} frames are in {self.folder}"

    def _go_back(self) -> None:
        scene = bpy.data.scenes.get(self._scene)
        if scene is not None:
            scene.frame_set(self._before[0], subframe=self._before[1])


def _write_shot(folder: Path, shot: Shot) -> None:
    write_picture(folder / SHOT_FILE, shot.to_json().encode("utf-8"))


def _read_shot(folder: Path) -> Shot | None:
    try:
        data = json.loads((folder / SHOT_FILE).read_text("utf-8"))
        return Shot(recipe_from_json(json.dumps(data["recipe"])), int(data["width"]), int(data["height"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, BridgeError) as error:
        raise BridgeError(
            f"{folder / SHOT_FILE} cannot be read: {error}",
            code="bad_shot",
            hint="Start over, or choose another folder.",
        ) from error


def _is_same(known: Shot, wanted: Shot) -> bool:
    """Tell whether two shots differ in nothing but the depth range that was found."""

    def without_range(shot: Shot) -> Shot:
        values = {name: value for name, value in shot.recipe.values.items() if name not in FROM_SHOT}
        return replace(shot, recipe=replace(shot.recipe, values=values))

    return without_range(known) == without_range(wanted)


def _is_sound(file: Path) -> bool:
    return RECIPE_TEXT in read_texts(file)


def load_images(folder: Path) -> bpy.types.Image:
    """Load the frames of a folder as one image sequence.

    Raises:
        BridgeError: ``no_frames``.
    """
    files = frame_files(folder)
    image = bpy.data.images.load(str(files[0]), check_existing=False)
    image.source = "SEQUENCE"
    return image


def load_strip(scene: bpy.types.Scene, folder: Path) -> None:
    """Put the frames of a folder into the scene's sequencer, on a free channel, at their frames.

    Raises:
        BridgeError: ``no_frames``.
    """
    files = frame_files(folder)
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # renamed in Blender 4.4
    channel = 1 + max((strip.channel for strip in strips), default=0)
    first = int(files[0].stem.rpartition("_")[2])
    strip = strips.new_image("Framebridge", str(files[0]), channel, first)
    for file in files[1:]:
        strip.elements.append(file.name)


def frame_files(folder: Path) -> list[Path]:
    """Return the frames in a folder, in order.

    Raises:
        BridgeError: ``no_frames``.
    """
    files = sorted(folder.glob("frame_*.png"), key=lambda file: int(file.stem.rpartition("_")[2]))
    if not files:
        raise BridgeError(f"{folder} holds no frames", code="no_frames", hint="Render the animation first.")
    return files
