"""Turns at the device: jobs and live streams alternate, one model call each, first come first served.

1. A turn is one model call: whoever ends one queues behind those who asked meanwhile.
2. Before it asks again, whoever ended a turn lets the event loop go round twice: once to read what
   arrived during the call (a new frame), once for that to ask for its own turn. Without this, an
   arrival would wait for two calls of a long job instead of one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A fair lock for the device."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the ``async with`` block."""
        async with self._lock:  # asyncio's lock is first in, first out
            yield
        await give_way()


async def give_way() -> None:
    """Let the event loop read what has arrived, and let that begin (rule 2)."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
