import asyncio

from bridge.protocol import Cancel, CloseStream, Frame, Message, Plane, Query, StreamFrame
from bridge.server.inbox import MAX_WAITING, MAX_WAITING_BYTES, Inbox


def view(number: int, stream: str = "live", size: int = 4) -> StreamFrame:
    plane = Plane("color", (1, size), "u8", bytes(size))
    return StreamFrame(stream, Frame({"color": plane}, number=number))


async def put(inbox: Inbox, *messages: Message) -> None:
    for message in messages:
        await asyncio.wait_for(inbox.put(message), 5)


async def test_requests_come_out_in_order() -> None:
    inbox = Inbox()
    messages = [Query("1", "status"), Cancel("2", "a"), CloseStream("live"), Query("3", "nodes")]
    await put(inbox, *messages)
    assert [await inbox.get() for _ in messages] == messages


async def test_newer_frame_replaces_waiting_one_of_its_stream() -> None:
    inbox = Inbox()
    await put(inbox, view(1), Query("1", "status"), view(2, "other"), view(2))
    assert [await inbox.get() for _ in range(3)] == [Query("1", "status"), view(2, "other"), view(2)]


async def test_full_inbox_makes_the_reader_wait_until_there_is_room() -> None:
    inbox = Inbox()
    await put(inbox, *(Query(str(number), "status") for number in range(MAX_WAITING)))
    waiting = asyncio.create_task(inbox.put(Query("last", "status")))
    await asyncio.sleep(0)
    assert not waiting.done()
    await inbox.get()
    await asyncio.wait_for(waiting, 5)


async def test_frame_that_replaces_another_finds_room_in_a_full_inbox() -> None:
    inbox = Inbox()
    await put(inbox, *(view(0, f"stream {number}") for number in range(MAX_WAITING)))
    await put(inbox, view(1, "stream 7"))


async def test_bytes_of_frames_count() -> None:
    inbox = Inbox()
    await put(inbox, view(1, size=MAX_WAITING_BYTES))
    assert not inbox.has_room
    await put(inbox, view(2, size=4))
    assert inbox.has_room


async def test_get_waits_for_a_message() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    await put(inbox, Query("1", "status"))
    assert await asyncio.wait_for(waiting, 5) == Query("1", "status")
