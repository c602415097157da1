"""One picture: captured, sent, painted, and put where the artist wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._bridge import protocol
from .._bridge.errors import BridgeError, Problem
from .._bridge.host.objects import bindings_of
from .._bridge.host.preset import Preset
from .._bridge.host.recipe import PROMPT, Recipe, sized
from .._bridge.host.tasks import Task
from .._bridge.host.words import NO_PICTURE, oddity, of_preset, progress_of, sentence, spent
from .capture import frame_of
from .placing import Scenery, keep, passes_for, with_selection
from .references import with_references

if TYPE_CHECKING:
    from .studio import Studio


@dataclass(frozen=True)
class Captured:
    """What is repainted, and where it was seen from."""

    frame: protocol.Frame
    scenery: Scenery


@dataclass(frozen=True)
class Asked:
    """What the panel asked for, and what was captured for it."""

    taken: Captured
    preset: Preset
    recipe: Recipe


def asked(studio: Studio) -> Asked:
    """Capture what the panel asks for; draws a seed if that is the mode.

    Raises:
        BridgeError: Why it cannot be.
    """
    choices, eye = studio.choices, studio.editor.eye
    choices.draw_seed()
    view, preset = eye.view(choices.look), choices.preset
    recipe = with_selection(choices.recipe, preset, eye)
    frame = frame_of(eye.capture(view, passes_for(choices), bound=bindings_of(recipe)))
    taken = Captured(with_references(frame, choices, preset), Scenery(eye.level(), view))
    return Asked(taken, preset, recipe)


class Picture:
    """A picture on its way; the result comes by itself.

    Args:
        studio: Whose connection and editor are used; connected.
        wanted: What is painted; what the panel asks for now if ``None``.

    Attributes:
        is_over: Whether nothing more will happen.
        problem: Why there is no result, or why it is not everywhere it was to go.
        notice: What is worth knowing, and no fault.

    Raises:
        BridgeError: Why it cannot begin; nothing was changed but a random seed.
    """

    def __init__(self, studio: Studio, wanted: Asked | None = None) -> None:
        self.is_over = False
        self.problem: Problem | None = None
        self.notice = ""
        is_of_panel = wanted is None
        wanted = wanted or asked(studio)
        taken, self._preset = wanted.taken, wanted.preset
        self._studio, self._scenery = studio, taken.scenery
        view = taken.scenery.view
        self._recipe = sized(wanted.recipe, self._preset, view.width, view.height)
        request = studio.session.submit(taken.frame, self._recipe)
        self._pictures: list[protocol.Plane] = []
        self._task = studio.tasks.add(Task(request, on_end=self._painted, on_preview=self._show_preview))
        if is_of_panel:
            studio.choices.advance_seed()
            self._remember(str(wanted.recipe.values.get(PROMPT, "")))

    def _remember(self, prompt: str) -> None:
        try:
            self._studio.book.remember(prompt)
        except BridgeError as error:
            self.notice = error.message

    @property
    def progress(self) -> tuple[float, str]:
        """How far it is, 0..1, and in words."""
        if self._pictures:
            return 1.0, "Waiting for Play In Editor to end"
        return progress_of(self._task, self._preset, self._recipe)

    def cancel(self) -> None:
        """Give it up; nothing of it comes any more."""
        if self._pictures:
            self._pictures = []
            self._end(notice="Cancelled")
        self._studio.tasks.cancel(self._task, self._studio.link.session)

    def _show_preview(self, task: Task) -> None:
        if task.preview is not None:
            self._studio.gallery.show("preview", task.preview)

    def _painted(self, task: Task) -> None:
        self._studio.gallery.drop("preview")
        if task.state == "cancelled" or task.wants_cancel:
            self._end(notice="Cancelled")
        elif task.problems:
            self._end(of_preset(task.problems[0], self._preset.title))
        elif not task.pictures:
            self._end(NO_PICTURE)
        else:
            self.notice = sentence(task.warnings[0]) if task.warnings else ""
            self._recipe = self._recipe.drawn(task.texts)
            self._pictures = task.pictures
            self.tick()

    def tick(self) -> None:
        """Take in what has come, once the level is not played."""
        if not self._pictures or self._studio.editor.is_playing:
            return
        pictures, self._pictures = self._pictures, []
        try:
            self._take_in(pictures)
            self._end(notice=self.notice)
        except Exception as error:  # the picture is there; what it is worth depends on being told
            self._end(self._studio.problem_from(error))

    def _take_in(self, planes: list[protocol.Plane]) -> None:
        """Keep the pictures first, then show the first, unless the artist has gone to another level."""
        editor, view = self._studio.editor, self._scenery.view
        with editor.transaction("Framebridge Result"):
            assets = [keep(editor, plane, self._recipe, self._preset, view) for plane in planes]
            self._studio.chosen = assets[0]
            self._studio.spent = assets[0], spent(self._task.timings)
            self.notice = oddity(planes[0].shape, view.width, view.height) or self.notice
            if self._is_elsewhere():
                self.notice = "Another level was opened meanwhile: the result is in the content browser"
            else:
                self._studio.place(assets[0], view)

    def _is_elsewhere(self) -> bool:
        try:
            return self._studio.editor.eye.level() != self._scenery.level
        except BridgeError:
            return True

    def _end(self, problem: Problem | None = None, notice: str = "") -> None:
        self.is_over, self.problem, self.notice = True, problem, notice
