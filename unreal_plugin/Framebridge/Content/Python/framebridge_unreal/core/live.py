"""The live view: the newest state of the level, seen through the daemon, for as long as it is on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from .._bridge import protocol
from .._bridge.errors import Problem
from .._bridge.host.faults import FaultLog
from .._bridge.host.link import Link
from .._bridge.host.live import LiveStream
from .._bridge.host.objects import bindings_of
from .._bridge.host.recipe import Recipe, sized
from .axes import View
from .capture import frame_of
from .choices import Choices
from .editor import Editor
from .gallery import Gallery
from .placing import Scenery, passes_for, with_selection
from .references import with_references

LIVE = "live"
"""The picture of the gallery that the newest one replaces."""


class LiveView:
    """A live view; it exists while Live is on, whatever level is open.

    Args:
        link: Connected, or about to be.
        editor: What is looked at.
        choices: How.
        gallery: Where pictures are shown.
        faults: Takes what nobody expected.

    Attributes:
        picture: The newest picture and what it was made with, for those who want to keep it.
    """

    def __init__(
        self, link: Link, editor: Editor, choices: Choices, gallery: Gallery, faults: FaultLog
    ) -> None:
        self.picture: tuple[protocol.Plane, Recipe, Scenery] | None = None
        self._link, self._editor, self._choices = link, editor, choices
        self._gallery, self._faults = gallery, faults
        self._blind = ""
        self._stream: LiveStream[Scenery] = LiveStream(link, choices.preset_named)

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
        return self._stream.words

    def tick(self) -> None:
        """Look, and capture if it is time to; what goes wrong becomes the ``problem``."""
        try:
            self._look()
        except Exception as error:  # whatever it is, Live is there to be looked at and turned off
            if repr(error) != self._blind:  # once, not at every tick
                self.problem = self._faults.problem_from(error)
            self._blind = repr(error)
        else:
            if self._blind:
                self.problem, self._blind = None, ""

    def receive(self, message: protocol.Message) -> None:
        """Take note of a message that is about the live stream."""
        picture = self._stream.receive(message)
        if picture is not None:
            self.picture = picture
            self._gallery.show(LIVE, picture[0])

    def stop(self) -> None:
        """End it, and tell the daemon if it can be told."""
        self._gallery.drop(LIVE)
        self._stream.stop()

    def _look(self) -> None:
        if not self._link.is_ready:
            self._stream.forget()
            return
        eye, choices = self._editor.eye, self._choices
        view = eye.view(choices.look)
        recipe = with_selection(choices.recipe, choices.preset, eye)
        self._stream.apply(sized(recipe, choices.preset, view.width, view.height))
        passes, bound = passes_for(choices), bindings_of(recipe)
        files = tuple(choices.picture(choices.preset, picture.name) for picture in choices.preset.pictures)
        seen = (eye.level(), eye.seen(view), passes, bound, files)
        if self._stream.wants(seen):
            self._push(seen, view, passes, bound)

    def _push(
        self, seen: Hashable, view: View, passes: frozenset[str], bound: Sequence[protocol.Binding]
    ) -> None:
        eye = self._editor.eye

        def capture(number: int) -> tuple[protocol.Frame, Scenery]:
            files = eye.capture(view, passes, bound=bound, is_live=True)
            frame = with_references(frame_of(files, number), self._choices, self._choices.preset)
            return frame, Scenery(eye.level(), view)

        self._stream.push(seen, capture)
