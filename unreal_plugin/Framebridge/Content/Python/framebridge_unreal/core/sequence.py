"""Take a level sequence through the daemon: rendered by Movie Render Queue, repainted frame by frame.

Rules:
1. What is on the disk is not made again: neither rendered frames nor painted ones that are sound.
   ``source.json`` says what the rendered frames are of; frames of something else are not mixed in.
2. Files, and what they have in common: see ``_bridge.host.shot``. The seed is that of the first frame.
3. Two frames are under way; they are written in order, each whole, when its picture is there.
4. A connection that is lost is waited for, and what was under way is sent again, a few times at most.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._bridge.client import error_from
from .._bridge.errors import BridgeError, Problem
from .._bridge.host.maps import range_in, range_workflow
from .._bridge.host.png import write_file
from .._bridge.host.recipe import RECIPE_TEXT, Recipe, sized
from .._bridge.host.shot import (
    AHEAD,
    SAMPLE_SIDE,
    SHOT_FILE,
    Shot,
    differs,
    frame_file,
    frames_in,
    is_frame_of,
    others_in,
    planned_shot,
    sampled,
)
from .._bridge.host.tasks import Task
from .._bridge.host.words import DISCONNECTED, NO_PICTURE
from .._bridge.protocol import Frame
from .axes import wire_camera
from .capture import rendered_frame
from .editor import CAMERA_CUT, Rendered
from .pixels import png_of_picture
from .references import with_references

if TYPE_CHECKING:
    from .studio import Studio

RENDERED = "rendered"
"""The folder of what Movie Render Queue writes, within that of the frames."""

SOURCE_FILE = "source.json"

PATIENCE_S = 120.0
"""How long a lost connection is waited for."""

MOST_TRIES = 3
"""Of a frame: one that costs the daemon its life each time is not sent for ever."""

LOST = frozenset({"connection_lost", "job_not_found", DISCONNECTED.code})
"""Why a frame failed that is worth sending again."""

DAMAGED = frozenset({"bad_image", "capture_failed", "size_mismatch"})
"""Why a frame failed whose rendered files are worth making anew."""


class Sequence:
    """A level sequence on its way to the disk.

    Args:
        studio: Whose connection and editor are used; connected.
        starts_over: Whether to make all frames anew, whatever the folder holds.

    Attributes:
        frames: Their numbers.
        done: How many of them are on the disk.
        words: What is going on.
        is_over: Whether nothing more will happen.
        problem: Why it ended early.

    Raises:
        BridgeError: ``no_sequence``, ``shot_differs``, ``bad_shot``, ``folder_unwritable``, ``mrq_missing``,
            or why it cannot be rendered.
    """

    def __init__(self, studio: Studio, starts_over: bool = False) -> None:
        self._studio, self._preset = studio, studio.choices.preset
        self.sequence = chosen_sequence(studio)
        self.frames, _ = studio.editor.reel.frames(self.sequence)
        self.folder = folder_of(studio, self.sequence)
        self.words, self.is_over = "", False
        self.problem: Problem | None = None
        self._shot = self._plan(starts_over)
        if starts_over:
            _delete_frames(self.folder)
        shot = self._shot
        self._todo = deque(n for n in self.frames if not is_frame_of(self.folder, n, shot.name))
        self.done = len(self.frames) - len(self._todo)
        wants_samples = shot.is_steady and not shot.has_range
        self._samples = deque(dict.fromkeys(sampled(self.frames)) if wants_samples else ())
        self._ranges: list[tuple[float, float]] = []
        self._under_way: list[int] = []
        self._pictures: dict[int, bytes] = {}
        self._tasks: dict[int, Task] = {}
        self._tries: Counter[int] = Counter()
        self._rendered: dict[int, Rendered] = {}
        self._sampling: Task | None = None
        self._lost_at: float | None = None
        self._is_rendering = False
        self._claim_rendered(starts_over)
        self._write(self.folder / SHOT_FILE, shot.to_json().encode("utf-8"))
        self._render_missing()

    @property
    def fraction(self) -> float:
        """How far it is, 0..1; rendering is the first half."""
        if self._is_rendering:
            return 0.5 * self._studio.editor.reel.progress()[1]
        return 0.5 + 0.5 * self.done / len(self.frames)

    def tick(self) -> None:
        """Go on; what goes wrong ends it and becomes the ``problem``."""
        if self.is_over:
            return
        try:
            self._go_on()
        except Exception as error:  # whatever it is, the artist must not wait for frames that never come
            self._end(self._studio.problem_from(error))

    def cancel(self) -> None:
        """End it; frames that are there stay, and the next start goes on after them."""
        if not self.is_over:
            self._end()
            self.words = f"Stopped after {self.done} of {len(self.frames)} frames"

    # ---- before anything is made -----------------------------------------------------------------

    def _plan(self, starts_over: bool) -> Shot:
        """Return what the frames have in common; what the folder holds goes on, if it is the same."""
        choices = self._studio.choices
        width, height = self._size()
        return planned_shot(
            self.folder,
            sized(choices.recipe, self._preset, width, height),
            self._preset,
            (width, height),
            wants_steady=choices["freezes_depth"],
            starts_over=starts_over,
        )

    def _size(self) -> tuple[int, int]:
        """Return the size of the frames: in the proportions of the sequence's camera, where it is open."""
        look = self._studio.choices.look
        if look.size is not None:
            return look.size
        reel = self._studio.editor.reel
        if reel.open_sequence() == self.sequence:
            try:
                view = self._studio.editor.eye.view(replace(look, kind=CAMERA_CUT))
            except BridgeError:  # no cut at the playhead
                return _wide(look.longest_side)
            return view.width, view.height
        return _wide(look.longest_side)

    def _claim_rendered(self, starts_over: bool) -> None:
        """See that the folder of rendered frames is of this sequence, level and size."""
        folder = self.folder / RENDERED
        level = self._studio.editor.eye.level()
        source = {"sequence": self.sequence, "level": level, "size": [self._shot.width, self._shot.height]}
        if starts_over:
            _delete_rendered(self._studio.editor.reel.rendered(folder))
        elif (known := _read_source(folder)) is not None and known != source:
            raise differs(self.folder, "holds frames that were rendered from another sequence or level")
        self._write(folder / SOURCE_FILE, json.dumps(source).encode("utf-8"))

    # ---- rendering -------------------------------------------------------------------------------

    @property
    def _missing(self) -> set[int]:
        return {*self._todo, *self._samples} - self._rendered.keys()

    def _render_missing(self) -> None:
        """Have Movie Render Queue make the next gap of frames that are needed and not there."""
        reel, folder = self._studio.editor.reel, self.folder / RENDERED
        self._rendered = {frame.number: frame for frame in reel.rendered(folder)}
        missing = self._missing
        if not missing:
            return
        first = last = min(missing)
        while last + 1 in missing:
            last += 1
        self._is_rendering = True  # first: while it begins the editor may tick
        self.words = "Rendering with Movie Render Queue…"
        try:
            reel.begin(self.sequence, range(first, last + 1), (self._shot.width, self._shot.height), folder)
        except BridgeError:
            self._is_rendering = False
            raise

    def _look_after_rendering(self) -> None:
        is_over, fraction, fault = self._studio.editor.reel.progress()
        self.words = f"Rendering with Movie Render Queue, {fraction:.0%}"
        if not is_over:
            return
        self._is_rendering = False
        before = self._missing
        self._render_missing()
        if fault or self._missing == before:
            raise BridgeError(
                fault or f"Movie Render Queue ended without frame {min(before)}",
                code="render_failed",
                hint="See the Output Log, render the sequence in Movie Render Queue once by hand, and go on.",
            )

    def _render_again(self, number: int) -> None:
        """Give up a frame's rendered files, which cannot be read, and have them made anew."""
        rendered = self._rendered.pop(number, None)
        if rendered is not None:
            _delete_rendered([rendered])
        if number in self._under_way:
            self._under_way.remove(number)
            self._put_back(number)

    # ---- painting --------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self._is_rendering:
            self._look_after_rendering()
        elif not self._is_connected():
            self.words = "The connection was lost; waiting for the daemon"
        elif self._missing and not self._tasks and self._sampling is None:
            self._render_missing()
        elif self._samples or self._sampling is not None:
            self._sample()
        elif self._todo and self._todo[0] in self._rendered and len(self._under_way) < AHEAD:
            self._send(self._todo.popleft())
        elif not self._todo and not self._under_way:
            self._end()

    def _is_connected(self) -> bool:
        """Tell whether frames can be sent; the session mends itself, and a daemon that is gone is started."""
        link = self._studio.link
        if link.is_ready:
            self._lost_at = None
            return True
        now = time.monotonic()
        self._lost_at = now if self._lost_at is None else self._lost_at
        if link.is_hopeless or now - self._lost_at > PATIENCE_S:
            raise error_from([link.trouble or DISCONNECTED])
        if not link.is_connected and link.connect(starts_daemon=True):
            self._studio.tasks.lose_all(DISCONNECTED)
        return False

    def _sample(self) -> None:
        """Look at one frame for the depth range; after the last, freeze it."""
        if self._sampling is None:
            number = self._samples[0]
            self.words = f"Looking for the depth range, frame {number}"
            looking = range_workflow(*_small(self._shot))
            request = self._studio.session.submit_workflow(self._frame(number), looking)
            self._sampling = self._studio.tasks.add(Task(request, on_end=self._sampled))

    def _sampled(self, task: Task) -> None:
        self._sampling = None
        if self.is_over:
            return
        try:
            self._take_sample(task)
        except Exception as error:  # as in tick
            self._end(self._studio.problem_from(error))

    def _take_sample(self, task: Task) -> None:
        number = self._samples[0]
        if task.problems and not self._may_try_again(number, task.problems[0]):
            if task.problems[0].code != "bad_depth":  # a frame of nothing but sky says nothing of the range
                raise _of_frame(number, task.problems[0])
            self._samples.popleft()
        elif not task.problems:
            self._samples.popleft()
            self._ranges.append(range_in(task.outputs))
        if not self._samples and self._ranges:
            self._shot = self._shot.with_range(self._ranges)
            self._write(self.folder / SHOT_FILE, self._shot.to_json().encode("utf-8"))

    def _send(self, number: int) -> None:
        recipe = self._shot.recipe
        self._under_way = sorted([*self._under_way, number])
        choices = self._studio.choices
        preset = choices.preset_named(recipe.preset) or choices.preset
        frame = with_references(self._frame(number), choices, preset)
        request = self._studio.session.submit(frame, recipe, wants_preview=False)
        task = Task(request, on_end=lambda task: self._painted(number, recipe, task))
        self._tasks[number] = self._studio.tasks.add(task)

    def _painted(self, number: int, recipe: Recipe, task: Task) -> None:
        self._tasks.pop(number, None)
        if self.is_over:
            return
        try:
            self._take_picture(number, recipe, task)
        except Exception as error:  # as in tick
            self._end(self._studio.problem_from(error))

    def _take_picture(self, number: int, recipe: Recipe, task: Task) -> None:
        if task.state == "cancelled":
            self.cancel()
        elif task.problems:
            if not self._may_try_again(number, task.problems[0]):
                raise _of_frame(number, task.problems[0])
            if number in self._under_way:
                self._under_way.remove(number)
                self._put_back(number)
        elif not task.pictures:
            raise _of_frame(number, NO_PICTURE)
        else:
            texts = {RECIPE_TEXT: recipe.drawn(task.texts).to_json(), **self._shot.text}
            self._pictures[number] = png_of_picture(task.pictures[0], texts)
            while self._under_way and self._under_way[0] in self._pictures:
                self._keep(self._under_way.pop(0))

    def _may_try_again(self, number: int, problem: Problem) -> bool:
        """Tell whether a frame that failed is worth another try; damaged files are made anew for it."""
        self._tries[number] += 1
        if problem.code not in LOST | DAMAGED or self._tries[number] >= MOST_TRIES:
            return False
        if problem.code in DAMAGED:
            self._render_again(number)
        return True

    def _put_back(self, number: int) -> None:
        self._todo = deque(sorted({*self._todo, number}))

    def _frame(self, number: int) -> Frame:
        rendered = self._rendered[number]
        try:
            color, depth = rendered.color.read_bytes(), rendered.depth.read_bytes()
        except OSError as error:
            raise BridgeError(
                f"a rendered frame cannot be read: {error}",
                code="render_failed",
                hint=f"Delete {rendered.color.name} and {rendered.depth.name}, and go on.",
            ) from error
        camera = wire_camera(rendered.view) if rendered.view is not None else None
        return rendered_frame(color, depth, camera)

    # ---- files -----------------------------------------------------------------------------------

    def _keep(self, number: int) -> None:
        self._write(frame_file(self.folder, number), self._pictures.pop(number))
        self.done += 1
        self.words = f"Frame {number}: {self.done} of {len(self.frames)}"

    def _write(self, file: Path, data: bytes) -> None:
        try:
            write_file(file, data)
        except OSError as error:
            raise BridgeError(
                f"{file} cannot be written: {error.strerror or error}",
                code="folder_unwritable",
                hint="Choose another folder, or make room on its disk.",
            ) from error

    def _end(self, problem: Problem | None = None) -> None:
        self.is_over, self.problem = True, problem
        if self._is_rendering:
            self._studio.editor.reel.cancel()
        sampling = [self._sampling] if self._sampling is not None else []
        for task in [*self._tasks.values(), *sampling]:
            self._studio.tasks.cancel(task, self._studio.link.session)
        if problem is None:
            self.words = f"{self.done} of {len(self.frames)} frames are in {self.folder}"


def chosen_sequence(studio: Studio) -> str:
    """Return the path of the sequence that is asked for, or of the one that is open.

    Raises:
        BridgeError: ``no_sequence``.
    """
    chosen, reel = str(studio.choices["sequence"]), studio.editor.reel
    if chosen and chosen in reel.sequences():
        return chosen
    opened = reel.open_sequence()
    if chosen or not opened:
        raise BridgeError(
            f"there is no level sequence {chosen}" if chosen else "no level sequence is open",
            code="no_sequence",
            hint="Open one in Sequencer, or choose one in the panel.",
        )
    return opened


def folder_of(studio: Studio, sequence: str) -> Path:
    """Return where the frames of a sequence go; a folder that is no full path lies in the project's."""
    chosen = str(studio.choices["frames_folder"]).strip()
    name = re.sub(r"\W", "_", sequence.rpartition("/")[2].partition(".")[0])
    return studio.editor.saved_folder / (Path(chosen).expanduser() if chosen else Path("Sequences", name))


def _wide(longest_side: int) -> tuple[int, int]:
    """Return 16:9 of this size, in multiples of 8."""
    return longest_side // 8 * 8, max(8, round(longest_side * 9 / 16 / 8) * 8)


def _small(shot: Shot) -> tuple[int, int]:
    """Return the size in which frames are looked at for the depth range."""
    scale = min(1.0, SAMPLE_SIDE / max(shot.width, shot.height))
    return max(8, round(shot.width * scale / 8) * 8), max(8, round(shot.height * scale / 8) * 8)


def _of_frame(number: int, problem: Problem) -> BridgeError:
    return error_from([replace(problem, message=f"frame {number}: {problem.message}")])


def _delete_frames(folder: Path) -> None:
    """Delete painted frames, those beyond the range, too: an image sequence is all that is in the folder."""
    try:
        others = set(others_in(folder))
        for file in (frame_file(folder, number) for number in frames_in(folder)):
            if file not in others:
                file.unlink(missing_ok=True)
    except (BridgeError, OSError):  # none, or in use: each is written over, or writing it tells why not
        return


def _delete_rendered(frames: Iterable[Rendered]) -> None:
    for frame in frames:
        for file in (frame.color, frame.depth):
            file.unlink(missing_ok=True)


def _read_source(folder: Path) -> object:
    try:
        return json.loads((folder / SOURCE_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
