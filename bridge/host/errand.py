"""What is done as soon as the daemon is there, which may have to be started first."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import BridgeError, Problem
from .link import Link
from .words import NO_ANSWER

START_S = 60.0
"""How long a daemon may take to start, and to tell its presets."""


class Errand:
    """The one thing that waits for the daemon, if something does.

    Args:
        link: What is waited for.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: tuple[Callable[[], None], float] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether something waits."""
        return self._waiting is not None

    def wait_with(self, action: Callable[[], None]) -> None:
        """Have something wait, in place of what does."""
        self._waiting = action, time.monotonic() + START_S

    def forget(self) -> None:
        """Have nothing wait any more."""
        self._waiting = None

    def tick(self) -> Problem | None:
        """Do what waits if the daemon is there; returns why it could not be done, or will not be."""
        if self._waiting is None:
            return None
        action, deadline = self._waiting
        if self._link.is_ready:
            self._waiting = None
            try:
                action()
            except BridgeError as error:
                return error.problem
        elif self._link.is_hopeless or time.monotonic() > deadline:
            self._waiting = None
            return self._link.trouble or NO_ANSWER
        return None
