"""Doing several things at once, of which the first that ends, ends all."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def until_one_ends(*activities: Coroutine[Any, Any, Any]) -> None:
    """Run activities until one ends; the others are cancelled, and have left when this returns.

    Raises:
        Exception: What the one that ended has raised.
    """
    tasks = [asyncio.create_task(activity) for activity in activities]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
