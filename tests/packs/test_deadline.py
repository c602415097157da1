import asyncio
import threading

import pytest

from bridge.packs.deadline import answer_apart, answer_within


def add(a, b):
    return a + b


async def add_later(a, b):
    await asyncio.sleep(0)
    return a + b


@pytest.mark.parametrize("function", [add, add_later])
async def test_an_answer_comes_from_a_thread_of_its_own(function):
    assert await answer_within(5.0, function, {"a": 1, "b": 2}) == 3
    assert answer_apart(function, {"a": 1, "b": 2}).result(5.0) == 3


async def test_what_is_raised_reaches_whoever_waits():
    with pytest.raises(ZeroDivisionError):
        await answer_within(5.0, lambda: 1 / 0, {})


async def test_an_answer_that_comes_too_late_disturbs_nobody():
    gate, threads = threading.Event(), []

    def wait():
        threads.append(threading.current_thread())
        gate.wait(10.0)
        return "late"

    with pytest.raises(TimeoutError):
        await answer_within(0.05, wait, {})
    gate.set()
    threads[0].join(10.0)
    assert not threads[0].is_alive()
