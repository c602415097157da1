"""Giving the device's memory back, once no job runs.

1. The worker is asked when no job runs; until then frames of streams go on, but no other job begins.
2. From then on nothing begins until the worker has answered, or is gone.
3. One that does not answer in time is killed.
"""

import asyncio
from collections.abc import Callable

from bridge.engine import FreeMemory
from bridge.jobs.supervisor import Supervisor


class Freeing:
    """What one service knows of it.

    Args:
        supervisor: Of the workers.
        limit_s: How long one may take to answer.
        on_change: Called when it is wanted, and when it is done with.
    """

    def __init__(self, supervisor: Supervisor, limit_s: float, on_change: Callable[[], None]) -> None:
        self._supervisor = supervisor
        self._limit_s = limit_s
        self._on_change = on_change
        self._freed: asyncio.Future[None] | None = None
        self._limit: asyncio.TimerHandle | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for it."""
        return self._freed is not None

    @property
    def is_under_way(self) -> bool:
        """Whether the worker has been asked."""
        return self._limit is not None

    def want(self) -> "asyncio.Future[None]":
        """Return what is done when memory has been given back."""
        if self._freed is None:
            self._freed = asyncio.get_running_loop().create_future()
            self._on_change()
        return self._freed

    def begin(self) -> None:
        """Ask the worker."""
        assert not self.is_under_way
        self._supervisor.send(FreeMemory())
        reason = f"it did not give memory back in {self._limit_s:g} s"
        self._limit = asyncio.get_running_loop().call_later(self._limit_s, self._supervisor.kill, reason)

    def end(self) -> None:
        """Note that the worker has answered, or is gone."""
        if self._limit:
            self._limit.cancel()
            self._limit = None
        if self._freed:
            self._freed.set_result(None)
            self._freed = None
            self._on_change()
