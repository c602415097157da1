import asyncio

import pytest

from bridge.engine import current_job, current_node, running
from bridge.errors import Interrupted
from bridge.protocol import Plane, Preview, Progress, Result

PLANE = Plane("image", (1, 1, 3), "u8", bytes(3))


async def test_what_a_node_says_carries_its_job_and_its_id(job, messages):
    async with running(job, "7") as shown:
        assert current_job() is job
        job.progress(1, 4)
        job.preview(PLANE)
        job.send((PLANE,))
        job.show({"images": [1], "count": 1})
        job.show({"images": [2], "count": 2})
    assert messages == [
        Progress("7", 1, 4, job="job"),
        Preview("7", (PLANE,), job="job"),
        Result("7", (PLANE,), job="job"),
    ]
    assert shown == {"images": [1, 2], "count": 2}


async def test_a_node_may_speak_for_another(job, messages):
    async with running(job, "7"):
        job.progress(1, 4, "2")
    assert messages == [Progress("2", 1, 4, job="job")]


def test_outside_a_node_there_is_no_job():
    with pytest.raises(LookupError):
        current_job()
    assert current_node() == ""


async def test_nodes_running_at_once_do_not_mix_up(job, messages):
    async def node(name, other_began, began):
        with running(job, name):
            began.set()
            await other_began.wait()
            job.progress(1, 1)

    first, second = asyncio.Event(), asyncio.Event()
    await asyncio.gather(node("a", second, first), node("b", first, second))
    assert {message.node for message in messages} == {"a", "b"}
    assert current_node() == ""


def test_outside_a_node_nobody_can_warn(job):
    with pytest.raises(LookupError):
        job.warn("odd", "something is odd")


@pytest.mark.parametrize(
    ("value", "error"), [(object(), TypeError), (float("nan"), ValueError)], ids=["object", "nan"]
)
def test_only_json_can_be_shown(job, value, error):
    with running(job, "7") as shown, pytest.raises(error):
        job.show({"value": value})
    assert shown == {}


async def test_a_step_of_a_cancelled_job_does_not_begin(job):
    job.cancel()
    with pytest.raises(Interrupted):
        async with job.step():
            raise AssertionError("it never gets here")


async def test_a_job_cancelled_while_it_waits_for_its_turn_does_not_take_it(job):
    async with job.turns.take():
        step = asyncio.create_task(job.step().__aenter__())
        await asyncio.sleep(0)
        job.cancel()
    with pytest.raises(Interrupted):
        await step


async def test_a_job_cancelled_during_a_step_stops_at_its_end(job):
    with pytest.raises(Interrupted):
        async with job.step():
            job.cancel()
    assert job.is_cancelled
