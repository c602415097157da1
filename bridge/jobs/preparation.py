"""Having workers prepared for pictures, once somebody is here who may want one soon.

1. Each worker is prepared once; meanwhile nothing begins, so that no run is taken for hung, or for the cause.
2. A worker that dies meanwhile may have died of it: the next is left alone until somebody comes again.
3. One that is not prepared after ``START_S`` is killed.
"""

import asyncio
from collections.abc import Callable

from bridge.engine import Ready, WarmUp
from bridge.jobs.supervisor import START_S, Supervisor


class Preparation:
    """What one service knows of it.

    Args:
        supervisor: Of the workers.
        on_change: Called when it has begun, and when runs may begin again.
    """

    def __init__(self, supervisor: Supervisor, on_change: Callable[[], None]) -> None:
        self._supervisor = supervisor
        self._on_change = on_change
        self._is_wanted = False
        self._prepared: Ready | None = None  # what the last worker said that was prepared
        self._limit: asyncio.TimerHandle | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a worker is being prepared right now."""
        return self._limit is not None

    def want(self) -> None:
        """Prepare the worker, and those that come after it."""
        self._is_wanted = True
        self.begin()

    def begin(self) -> None:
        """Prepare the worker, if that is wanted and it is new."""
        ready = self._supervisor.ready
        if self._is_wanted and ready and ready is not self._prepared:
            self._prepared = ready
            self._supervisor.send(WarmUp())
            reason = f"it was not prepared for pictures after {START_S:g} s"
            self._limit = asyncio.get_running_loop().call_later(START_S, self._supervisor.kill, reason)
            self._on_change()

    def end(self) -> None:
        """Note that it is done with."""
        if self._limit:
            self._limit.cancel()
            self._limit = None
            self._on_change()

    def lose(self) -> None:
        """Note that the worker is gone (rule 2)."""
        if self._limit:
            self._is_wanted = False
            self.end()
