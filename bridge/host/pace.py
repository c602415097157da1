"""When a live view captures; no clock of its own.

Rules:
1. Nothing is captured unless what would be seen has changed since the last capture.
2. One picture is under way at a time; what changes meanwhile is captured when it is back, once, as it is
   then. There is no queue.
3. Where pictures take long, a view that is still moving is waited for: a slow picture of a place that
   the artist has left helps nobody. But it is not waited for for ever.
4. Capturing may take a share of the main thread, and no more.

Source: the live mode of Krita's AI Diffusion plugin, whose users' complaints rules 1 and 4 answer.
"""

from __future__ import annotations

from collections.abc import Hashable

SLOW_S = 1.5
"""Pictures that take longer are slow: rule 3 applies."""

STILL_S = 0.25
"""A view that has not moved for this long stands still."""

PATIENCE_S = 3.0
"""The longest that a moving view is waited for."""

SHARE = 0.25
"""Of the main thread's time that captures may take."""

SMOOTHING = 0.3
"""Weight of the newest picture in the mean time of a picture."""


class Pace:
    """Decides when to capture; times are seconds of any steady clock."""

    def __init__(self) -> None:
        self.seconds_per_picture = 0.0
        self._seen: Hashable = None
        self._seen_since = 0.0
        self._restless_since: float | None = None
        self._captured: Hashable = None
        self._sent_at: float | None = None
        self._rest_until = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether a picture is under way."""
        return self._sent_at is not None

    @property
    def is_current(self) -> bool:
        """Whether what was captured last is what is seen now."""
        return self._captured is not None and self._captured == self._seen

    def wants(self, seen: Hashable, now: float) -> bool:
        """Tell whether to capture now.

        Args:
            seen: Whatever decides what a capture would show; compared with ``==``.
            now: The time.
        """
        if seen != self._seen:
            self._seen, self._seen_since = seen, now
            if self._restless_since is None:
                self._restless_since = now
        if self.is_current:
            self._restless_since = None
        if self.is_current or self.is_waiting or now < self._rest_until:
            return False
        return self.seconds_per_picture <= SLOW_S or self._is_still(now)

    def captured(self, seen: Hashable, began: float, now: float) -> None:
        """Note that a capture was sent.

        Args:
            seen: What it shows.
            began: When the capture began.
            now: The time.
        """
        self._captured, self._sent_at, self._restless_since = seen, now, None
        self._rest_until = now + (now - began) * (1 / SHARE - 1)

    def answered(self, now: float) -> None:
        """Note that the picture came back, or was refused."""
        if self._sent_at is not None:
            took = now - self._sent_at
            known = self.seconds_per_picture
            self.seconds_per_picture = took if not known else known + SMOOTHING * (took - known)
        self._sent_at = None

    def forget(self) -> None:
        """Note that what was sent is lost, as after a broken connection: capture anew."""
        self._captured, self._sent_at = None, None

    def _is_still(self, now: float) -> bool:
        is_impatient = self._restless_since is not None and now - self._restless_since >= PATIENCE_S
        return now - self._seen_since >= STILL_S or is_impatient
