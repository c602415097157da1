import asyncio

import pytest

from bridge.engine import Turns


async def test_two_runs_alternate_whatever_their_number_of_steps():
    turns, events = Turns(), []

    async def run(name, count):
        for index in range(count):
            async with turns.take():
                events.append(f"{name}{index}")

    await asyncio.gather(run("a", 4), run("b", 4))
    assert events == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]


async def test_what_arrives_during_a_call_gets_the_next_turn():
    turns, events = Turns(), []
    loop = asyncio.get_running_loop()
    arrived = []

    async def arrival():
        async with turns.take():
            events.append("frame")

    async def job():
        for index in range(3):
            async with turns.take():
                events.append(index)
                if index == 0:  # as the control thread does while the main thread is in a model call
                    loop.call_soon_threadsafe(lambda: arrived.append(loop.create_task(arrival())))

    await job()
    await arrived[0]
    assert events == [0, "frame", 1, 2]


async def test_a_failing_step_gives_its_turn_back():
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.take():
            raise ZeroDivisionError
    async with asyncio.timeout(1), turns.take():
        pass


async def test_a_waiting_run_that_is_cancelled_does_not_keep_the_turn():
    turns = Turns()

    async def wait():
        async with turns.take():
            raise AssertionError("it never gets here")

    async with turns.take():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1), turns.take():
        pass
