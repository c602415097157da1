"""Threads for questions that take long: a few at once, which nobody waits for when the daemon leaves."""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Answered = TypeVar("Answered")


class Threads:
    """Calls functions in threads of their own.

    Args:
        most: So many at once; others wait.
    """

    def __init__(self, most: int) -> None:
        self._room = asyncio.Semaphore(most)

    async def call(self, function: Callable[..., Answered], *arguments: Any) -> Answered:
        """Return what a function returns, or raise what it raises."""
        await self._room.acquire()  # given back by the thread, which goes on when whoever asked is gone
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()

        def settle(end: Callable[[], None]) -> None:
            self._room.release()
            if not future.done():  # else whoever asked is gone
                end()

        def work() -> None:
            try:
                end = functools.partial(future.set_result, function(*arguments))
            except Exception as error:  # raised again where it is awaited
                end = functools.partial(future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, end)

        threading.Thread(target=work, name="models", daemon=True).start()
        return await future
