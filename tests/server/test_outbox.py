import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol import (
    Answer,
    Finished,
    Message,
    Plane,
    Preview,
    Progress,
    Result,
    Started,
    State,
)
from bridge.server.outbox import MAX_WAITING, MAX_WAITING_BYTES, Outbox


def picture(size: int = 4) -> tuple[Plane, ...]:
    return (Plane("image", (1, size), "u8", bytes(size)),)


def shown(frame: int, node: str = "9") -> Result:
    return Result(node, picture(), stream="live", frame=frame)


def ended(frame: int, dropped: int = 0) -> Finished:
    return Finished("done", stream="live", frame=frame, dropped=dropped)


async def drained(outbox: Outbox) -> list[Message]:
    return [await outbox.get() for _ in range(len(outbox))]


async def after(*messages: Message) -> list[Message]:
    outbox = Outbox()
    for message in messages:
        outbox.put(message)
    return await drained(outbox)


async def test_answers_and_results_of_jobs_are_kept_in_order() -> None:
    messages: list[Message] = [
        Answer("1", {}),
        Result("9", picture(), job="a"),
        Result("9", picture(), job="a"),
        Finished("done", job="a"),
        Result("9", picture(), job="b"),
        Finished("failed", job="b"),
        Answer("2", {}),
    ]
    assert await after(*messages) == messages


async def test_newest_state_progress_and_preview_wait_alone() -> None:
    old: list[Message] = [
        State("starting"),
        Started(job="a"),
        Progress("3", 1, 20, job="a"),
        Preview("3", picture(), job="a"),
    ]
    new: list[Message] = [
        State("ready"),
        Progress("3", 2, 20, job="a"),
        Preview("3", picture(8), job="a"),
    ]
    assert await after(*old, *new) == [Started(job="a"), *new]


async def test_progress_of_one_job_does_not_replace_that_of_another() -> None:
    messages: list[Message] = [
        Progress("3", 1, 20, job="a"),
        Progress("3", 1, 20, job="b"),
        Progress("3", 1, 20, stream="a"),
    ]
    assert await after(*messages) == messages


async def test_newer_picture_of_a_stream_replaces_all_that_waits_about_older_frames() -> None:
    waiting = await after(
        Started(stream="live", frame=1),
        Progress("3", 1, 1, stream="live", frame=1),
        shown(1),
        ended(1, dropped=2),
        Started(stream="live", frame=4),
        shown(4),
        ended(4, dropped=1),
    )
    # 2 and 1 were dropped before the worker, 1 here
    assert waiting == [Started(stream="live", frame=4), shown(4), ended(4, dropped=4)]


async def test_pictures_of_several_nodes_of_one_frame_travel_together() -> None:
    waiting = await after(shown(1, "9"), shown(1, "10"), ended(1), shown(2, "9"), shown(2, "10"), ended(2))
    assert waiting == [shown(2, "9"), shown(2, "10"), ended(2, dropped=1)]


async def test_frame_whose_picture_was_sent_is_not_counted_as_dropped() -> None:
    outbox = Outbox()
    outbox.put(shown(1))
    assert await outbox.get() == shown(1)
    outbox.put(ended(1))
    outbox.put(shown(2))
    outbox.put(ended(2))
    assert await drained(outbox) == [shown(2), ended(2)]


async def test_failure_of_a_newer_frame_does_not_remove_an_older_picture() -> None:
    failed = Finished("failed", stream="live", frame=2)
    assert await after(shown(1), ended(1), failed) == [shown(1), failed]


async def test_other_streams_and_jobs_are_left_alone() -> None:
    others: list[Message] = [
        Result("9", picture(), stream="other", frame=1),
        Result("9", picture(), job="a"),
        Finished("done", job="a"),
    ]
    assert await after(*others, shown(1), shown(2)) == [*others, shown(2)]


async def test_get_waits_for_the_next_message() -> None:
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put(Answer("1", {}))
    assert await waiting == Answer("1", {})


async def test_flood_of_frames_keeps_the_outbox_small() -> None:
    outbox = Outbox()
    for frame in range(1000):
        for message in (Started(stream="live", frame=frame), shown(frame), ended(frame)):
            outbox.put(message)
        assert len(outbox) <= 4
    assert not outbox.is_hopeless
    assert (await drained(outbox))[-1] == ended(999, dropped=999)


async def test_client_that_takes_none_of_its_results_is_hopeless() -> None:
    outbox = Outbox()
    for number in range(MAX_WAITING + 1):
        assert not outbox.is_hopeless
        outbox.put(Finished("done", job=str(number)))
    assert outbox.is_hopeless


async def test_bytes_of_waiting_pictures_count_and_are_given_back() -> None:
    outbox = Outbox()
    half = Result("9", (Plane("image", (1, 1), "u8", bytes(MAX_WAITING_BYTES // 2 + 1)),), job="a")
    outbox.put(half)
    assert not outbox.is_hopeless
    outbox.put(half)
    assert outbox.is_hopeless
    await outbox.get()
    assert not outbox.is_hopeless


@given(st.lists(st.booleans(), max_size=60))
def test_every_frame_is_shown_or_counted_as_dropped(takes: list[bool]) -> None:
    async def play() -> None:
        outbox, frame, received = Outbox(), 0, list[Message]()
        for is_taken in takes:
            if is_taken and len(outbox):
                received.append(await outbox.get())
            elif not is_taken:
                frame += 1
                outbox.put(shown(frame))
                outbox.put(ended(frame))
        received += await drained(outbox)
        pictures = [message.frame for message in received if isinstance(message, Result)]
        dropped = sum(message.dropped for message in received if isinstance(message, Finished))
        assert pictures == sorted(set(pictures))
        assert len(pictures) + dropped == frame
        assert frame == 0 or pictures[-1] == frame

    asyncio.run(play())
