import asyncio

import pytest

from bridge.server import until_one_ends


async def test_the_first_that_ends_ends_all() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def leaves() -> None:
        await asyncio.sleep(0)

    await until_one_ends(waits(), leaves())
    assert ended == ["waits"]


async def test_what_the_first_raises_is_raised() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await until_one_ends(asyncio.Event().wait(), fails())
