import asyncio
import threading

import pytest

from bridge.daemon.threads import Threads
from bridge.errors import BridgeError


async def test_what_a_function_returns_or_raises_is_passed_on() -> None:
    def fail() -> None:
        raise BridgeError("it is not there", code="model_not_found")

    threads = Threads(1)
    assert await threads.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(BridgeError, match="it is not there"):
        await threads.call(fail)
    assert await threads.call(threading.current_thread) is not threading.current_thread()


async def test_others_wait_until_there_is_room() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> bool:
        begun.release()
        return go_on.wait(60)

    threads = Threads(2)
    calls = [asyncio.ensure_future(threads.call(hold)) for _ in range(3)]
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, timeout=60)
    assert not begun.acquire(blocking=False)
    go_on.set()
    assert await asyncio.gather(*calls) == [True] * 3


async def test_a_thread_is_counted_until_its_end_though_nobody_waits_for_it() -> None:
    go_on = threading.Event()
    threads = Threads(1)
    gone = asyncio.ensure_future(threads.call(go_on.wait, 60))
    await asyncio.sleep(0)
    gone.cancel()
    waiting = asyncio.ensure_future(threads.call(str, "later"))
    await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert not waiting.done()
    go_on.set()
    assert await waiting == "later"
