"""Calling a pack's code on a thread of its own, for so long and no longer.

The thread of a call that does not return is left behind: Python cannot end it. It is a daemon thread, so it
does not keep the worker from leaving.
"""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


def answer(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Call a function, ``async`` or not, and wait for what it returns; not on an event loop's thread."""
    result = function(**values)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


def answer_apart(function: Callable[..., Any], values: dict[str, Any]) -> Future[Any]:
    """Call a function, ``async`` or not, on a thread of its own; return what will have its result."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()  # so that whoever stops waiting does not take it away
    context = contextvars.copy_context()

    def call() -> None:
        try:
            future.set_result(context.run(answer, function, values))
        except BaseException as error:  # a pack's code; whoever waits gets it
            future.set_exception(error)

    threading.Thread(target=call, name="pack-answer", daemon=True).start()
    return future


async def answer_within(limit_s: float, function: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Call a function, ``async`` or not, on a thread of its own, and await what it returns.

    Raises:
        TimeoutError: If it takes longer.
        Exception: Whatever it raises.
    """
    async with asyncio.timeout(limit_s):
        return await asyncio.wrap_future(answer_apart(function, values))


async def _awaited(result: Any) -> Any:
    return await result
