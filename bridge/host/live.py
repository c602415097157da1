"""The live stream: the newest frame, seen through the daemon; what a host shows of it is the host's affair.

``Pace`` decides when to capture; a host asks ``wants``, captures, and ``push``es.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

from .. import protocol
from ..errors import BridgeError, Problem
from .link import Link
from .pace import Pace
from .preset import Preset
from .recipe import Recipe
from .session import LIVE

REMEMBERED = 8
"""Frames that may still come back."""

Context = TypeVar("Context")
"""What a host wants to know of a frame when its picture comes: where it was seen from."""


class LiveStream(Generic[Context]):
    """The stream of one live view; it exists while Live is on.

    Args:
        link: Connected, or about to be.
        preset_named: Returns the preset of that name, if the daemon has it.

    Attributes:
        problem: What went wrong last; it is tried again after the next change.
    """

    def __init__(self, link: Link, preset_named: Callable[[str], Preset | None]) -> None:
        self.problem: Problem | None = None
        self._link, self._preset_named = link, preset_named
        self._pace = Pace()
        self._set: tuple[Recipe, str] | None = None
        self._texts: Mapping[str, Any] = {}
        self._frames: dict[int, tuple[Context, Recipe]] = {}
        self._has_picture = False
        self._progress = self._warning = ""

    @property
    def words(self) -> str:
        """How it goes, for a status line."""
        if not self._link.is_ready:
            return "Live waits for the daemon"
        if self._progress:
            return f"Live: {self._progress}"
        pace = self._pace.seconds_per_picture
        how = f"Live, {1 / pace:.1f} pictures a second" if pace else "Live"
        return f"{how}: {self._warning}" if self._warning else how

    @property
    def is_current(self) -> bool:
        """Whether what was captured last is what is seen now."""
        return self._pace.is_current

    def forget(self) -> None:
        """Note that what was sent is lost, as after a broken connection: it is captured anew."""
        self._pace.forget()
        self._set = None

    def apply(self, recipe: Recipe) -> bool:
        """Say how frames are to be seen from now on; tells whether that is another way than before.

        Raises:
            BridgeError: Why there is no connection; so does ``push``.
        """
        if self._link.session is None or (self._set is not None and self._set[0] == recipe):
            return False
        if self.problem is not None:  # the stream may not even be open
            self.problem = None
            self._pace.forget()
        self._set, self._texts = (recipe, self._link.session.set_live(recipe)), {}
        # The daemon paints the newest frame again under its number.
        self._frames = {number: (context, recipe) for number, (context, _) in self._frames.items()}
        return True

    def wants(self, seen: Hashable) -> bool:
        """Tell whether to capture now; see ``Pace.wants``."""
        return self._pace.wants(seen, time.monotonic())

    def push(self, seen: Hashable, capture: Callable[[int], tuple[protocol.Frame, Context]]) -> None:
        """Capture and send a frame.

        Args:
            seen: What it shows.
            capture: Makes the frame of that number; whatever it raises is passed on, and the frame is tried
                again after the next change.
        """
        assert self._link.session is not None
        assert self._set is not None
        began = time.monotonic()
        self._pace.captured(seen, began, began)
        try:
            number = self._link.session.next_number()
            frame, context = capture(number)
            self._link.session.push_live(frame)
        except Exception:
            self._pace.answered(began)
            raise
        self._frames[number] = context, self._set[0]
        while len(self._frames) > REMEMBERED:
            self._frames.pop(next(iter(self._frames)))
        self._pace.captured(seen, began, time.monotonic())

    def receive(self, message: protocol.Message) -> tuple[protocol.Plane, Recipe, Context] | None:
        """Take note of a message that is about the live stream; returns a picture that it brings."""
        match message:
            case protocol.Welcome():  # what was under way on another connection is lost
                self.forget()
            case protocol.Accepted(request=request, texts=texts) if self._set and self._set[1] == request:
                self._texts = texts
            case protocol.Result(stream=stream, planes=planes) if stream == LIVE and planes:
                return self._picture(message)
            case protocol.Progress(stream=stream) if stream == LIVE and self._set is not None:
                self._note_progress(message, self._set[0])
            case protocol.Finished(stream=stream, frame=frame) if stream == LIVE and self._is_newest(frame):
                self._progress = ""
                self._pace.answered(time.monotonic())
                first = message.problems[0] if message.problems else None
                self.problem = first if message.state == "failed" else None
                self._warning = first.message if first and message.state == "done" else ""
            case protocol.Failure() if message.stream == LIVE or self._is_about_set(message):
                self._pace.answered(time.monotonic())
                self.problem = message.problems[0]
        return None

    def stop(self) -> None:
        """End it, and tell the daemon if it can be told."""
        if self._link.session is not None:
            with contextlib.suppress(BridgeError):  # no connection: the daemon ends the stream by itself
                self._link.session.end_live()

    def _picture(self, message: protocol.Result) -> tuple[protocol.Plane, Recipe, Context] | None:
        known = self._frames.get(message.frame)
        if known is None:
            return None
        self._progress, self._has_picture = "", True
        context, recipe = known
        return message.planes[0], recipe.drawn(self._texts), context

    def _is_newest(self, number: int) -> bool:
        """Tell whether that frame is waited for; one that was sent before a break may still end."""
        return number == next(reversed(self._frames), None)

    def _note_progress(self, message: protocol.Progress, recipe: Recipe) -> None:
        """Say what is going on while there is no picture, or while a model is read."""
        preset = self._preset_named(recipe.preset)
        self._progress = ""
        if preset is not None and (not self._has_picture or message.node in preset.loaders):
            steps = recipe.values.get("steps")
            self._progress = preset.progress_words(message.node, message.value, message.maximum, steps)

    def _is_about_set(self, message: protocol.Failure) -> bool:
        return self._set is not None and message.request == self._set[1]
