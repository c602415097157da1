"""Streams through a real worker process."""

import asyncio
from functools import partial

import psutil
import pytest
from fake_client import ECHO, SHOW, WAIT, Client, frame_of, steps

from bridge.errors import BridgeError, WorkflowError
from bridge.protocol import (
    Finished,
    Frame,
    Plane,
    Progress,
    Result,
    Started,
)


async def test_a_frame_comes_back_under_its_stream_and_number(client):
    await client.set_stream(**ECHO)
    client.push(frame_of(7, value=5))
    finished = await client.until(Finished)
    assert (finished.stream, finished.frame, finished.job, finished.dropped) == ("view", 7, "", 0)
    result = client.of(Result)[0]
    assert (result.stream, result.frame, result.job) == ("view", 7, "")
    assert bytes(result.planes[0].data) == bytes([5]) * 48


async def test_the_last_picture_of_a_stream_can_be_looked_at_until_it_ends(client, service):
    await client.set_stream(**ECHO)
    (stream,) = service.live_streams
    assert (stream.session, stream.name, stream.shown) == ("session", "view", None)
    client.push(frame_of(7, value=5))
    await client.until(Finished)
    assert stream.shown == client.of(Result)[-1]
    service.close_stream("session", "view")
    assert service.live_streams == ()


async def test_newer_frames_replace_those_that_wait_and_the_last_is_always_rendered(client):
    await client.set_stream(
        n1=("Steps", {"count": 1, "seconds": 0.02}), n2=("FrameNumber", {}), n3=("Echo", {"value": ["2", 0]})
    )
    for number in range(1000):
        client.push(frame_of(number))
        if number % 50 == 0:
            await asyncio.sleep(0.002)
    await client.until(Finished, frame=999)
    finished = client.of(Finished)
    assert all(message.state == "done" for message in finished)
    numbers = [message.frame for message in finished]
    assert numbers == sorted(set(numbers))
    assert len(finished) + sum(message.dropped for message in finished) == 1000


async def test_a_flood_of_frames_takes_no_memory(client, service):
    """1000 frames of 3/4 MiB each would be 750 MiB."""
    await client.set_stream(**ECHO)
    client.push(frame_of(2000, side=512))
    await client.until(Finished)
    processes = [psutil.Process(), psutil.Process(service.status()["worker_pid"])]
    before = [process.memory_info().rss for process in processes]
    growth = 0
    for number in range(1000):
        client.push(frame_of(number, side=512))
        if number % 20 == 0:
            await asyncio.sleep(0)
            client.messages[:] = [message for message in client.messages if isinstance(message, Finished)]
            now = [process.memory_info().rss for process in processes]
            growth = max(growth, *(after - first for after, first in zip(now, before, strict=True)))
    await client.until(Finished, frame=999)
    assert growth < 100 * 2**20


async def test_a_job_and_a_live_stream_alternate_by_step(client, service):
    artist = Client(service, "artist")
    order = []
    for who in (client, artist):
        service.connect(who.session, partial(watch, who, order))
    await artist.set_stream(
        n1=("FrameSteps", {"count": 4, "seconds": 0.01}), n2=("Echo", {"value": ["1", 0]})
    )
    job = await client.submit(**steps(30, 0.01))
    await client.until(Progress)
    number = 0
    while not client.of(Finished, job=job):
        number += 1
        artist.push(frame_of(number))
        await artist.until(Started, frame=number)
    steps_of_the_job = [index for index, (who, _) in enumerate(order) if who == "session"]
    shared = order[steps_of_the_job[0] : steps_of_the_job[-1]]
    assert len(steps_of_the_job) == 30
    assert len(shared) > 40
    last = -1
    for index, (who, frame) in enumerate(shared):
        if who == "artist":
            if last >= 0 and shared[last] == (who, frame):
                assert index - last == 2, (
                    f"between two steps of frame {frame} not one step of the job: {shared}"
                )
            last = index


def watch(client, order, message):
    if isinstance(message, Progress):
        order.append((client.session, message.frame))
    client.take(message)


async def test_a_changed_workflow_renders_the_newest_frame_again(client):
    await client.set_stream(n1=("Show", {"value": ["2", 0]}), n2=("Constant", {"value": 1}))
    client.push(frame_of(4))
    assert (await client.until(Finished)).outputs == {"1": {"values": [1]}}
    await client.set_stream(n1=("Show", {"value": ["2", 0]}), n2=("Constant", {"value": 2}))
    finished = await client.until(Finished, 2)
    assert (finished.frame, finished.outputs) == (4, {"1": {"values": [2]}})


async def test_an_unchanged_workflow_renders_nothing_again(client):
    for _ in range(2):
        await client.set_stream(**ECHO)
        client.push(frame_of(1))
        await client.until(Finished)
    await client.until(Finished, 2)
    await client.set_stream(**ECHO)
    await client.finished(await client.submit(**SHOW))
    assert len(client.of(Finished, stream="view")) == 2


async def test_a_changed_workflow_cancels_the_frame_that_is_being_rendered(client):
    await client.set_stream(**WAIT)
    client.push(frame_of(1))
    await client.until(Progress)
    client.push(frame_of(2))
    await client.set_stream(**ECHO)
    finished = await client.until(Finished, 2)
    states = [(message.state, message.frame) for message in client.of(Finished)]
    assert states == [("cancelled", 1), ("done", 2)]
    assert finished.dropped == 0


async def test_a_faulty_workflow_leaves_the_stream_as_it_was(client):
    await client.set_stream(**ECHO)
    with pytest.raises(WorkflowError):
        await client.set_stream(n1=("Nonsense", {}))
    client.push(frame_of(1))
    assert (await client.until(Finished)).state == "done"


async def test_a_failing_frame_does_not_end_the_stream(client):
    await client.set_stream(n1=("Fail", {}), n2=("Echo", {"value": ["1", 0]}))
    client.push(frame_of(1))
    assert (await client.until(Finished, frame=1)).problems[0].node_id == "1"
    client.push(frame_of(2))
    assert (await client.until(Finished, frame=2)).state == "failed"


async def test_a_frame_of_no_stream_is_refused(client):
    with pytest.raises(BridgeError) as caught:
        client.push(frame_of(1), stream="nothing")
    assert caught.value.code == "stream_not_found"


async def test_a_frame_too_large_for_the_worker_fails(client):
    """The workflow that goes with it makes it larger than a message may be."""
    await client.set_stream(n1=("Steps", {"label": "x" * 20_000}), n2=("Echo", {"value": ["1", 0]}))
    plane = Plane("color", (8192, 2730, 3), "u8", memoryview(bytes(8192 * 2730 * 3)))
    fitting = Frame({"color": plane}, number=1)
    client.push(fitting)
    finished = await client.until(Finished, frame=1)
    assert (finished.state, finished.problems[0].code) == ("failed", "message_too_large")


async def test_closing_a_stream_cancels_its_frame(client, service):
    await client.set_stream(**WAIT)
    client.push(frame_of(1))
    await client.until(Progress)
    client.push(frame_of(2))
    service.close_stream("session", "view")
    service.close_stream("session", "view")
    assert (await client.until(Finished)).state == "cancelled"
    with pytest.raises(BridgeError):
        client.push(frame_of(3))
    assert (await client.finished(await client.submit(**SHOW))).state == "done"
    assert not client.of(Started, frame=2)


async def test_streams_end_with_their_session_and_those_of_others_do_not(client, service):
    other = Client(service, "other")
    await other.set_stream(**ECHO)
    await client.set_stream(**WAIT)
    client.push(frame_of(1))
    await client.until(Progress)
    service.disconnect("session")
    assert service.status()["streams"] == 1
    other.push(frame_of(1))
    await other.until(Finished)
    client.connect()
    assert not client.of(Finished)
