import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from bridge.errors import Problem, WorkflowError
from bridge.protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    CloseStream,
    Failure,
    Finished,
    Frame,
    Free,
    Hello,
    Message,
    Plane,
    Progress,
    Query,
    Result,
    SetStream,
    State,
    StreamFrame,
    Submit,
    encode,
)
from bridge.server import socket

FrameOf = Callable[..., Frame]


async def test_hello_is_answered_with_welcome_and_state(site: Any) -> None:
    async with site.client() as peer:
        assert peer.session.version == 1
        assert peer.name == site.session
        assert site.service.is_warm, "who connects may want a picture soon"


WELL = {"worker": "ready", "worker_pid": 0, "queue_problem": "", "queue_is_kept": True}


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (Submit("1", workflow={"1": {}}), Accepted("1", job="job-1")),
        (SetStream("2", "live", preset="Stylize"), Accepted("2")),
        (Cancel("3", "running"), Answer("3", {"cancelled": True})),
        (Cancel("4", "finished"), Answer("4", {"cancelled": False})),
        (Attach("5", "mine"), Accepted("5", job="mine")),
        (Attach("6", "theirs"), Failure((Problem("job_not_found", "no such job"),), "6")),
        (Free("7"), Answer("7", {})),
        (Query("8", "status"), Answer("8", WELL)),
        (Query("9", "models"), Answer("9", {"models": {"checkpoints": ["demo"]}})),
    ],
)
async def test_each_request_gets_its_reply(site: Any, request_: Message, reply: Message) -> None:
    async with site.client() as peer:
        await peer.send(request_)
        assert await peer.receive() == reply


async def test_a_job_can_be_cancelled_while_memory_waits_to_be_given_back(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_ended = asyncio.Event()
    monkeypatch.setattr(site.service, "free", has_ended.wait)
    async with site.client() as peer:
        await peer.send(Free("1"))
        await peer.send(Cancel("2", "running"))
        assert await peer.receive() == Answer("2", {"cancelled": True})
        has_ended.set()
        assert await peer.receive() == Answer("1", {})


async def test_only_so_much_that_waits_is_under_way_at_once(
    site: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(socket, "MAX_UNFINISHED", 3)
    begun, go_on = 0, asyncio.Semaphore(0)

    async def free() -> None:
        nonlocal begun
        begun += 1
        await go_on.acquire()

    monkeypatch.setattr(site.service, "free", free)
    async with site.client() as peer:
        await peer.send(Cancel("0", "running"))
        assert await peer.receive() == Answer("0", {"cancelled": True})
        for number in range(6):
            await peer.send(Free(str(number)))
        await until(lambda: begun == 3)
        async with site.client() as other:
            await other.send(Cancel("x", "running"))
            await other.receive()  # by which time the first has had its chance
        assert begun == 3
        for _ in range(6):
            go_on.release()
        assert {(await peer.receive()).request for _ in range(6)} == set("012345")


async def test_a_cancel_waits_for_no_earlier_question(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "MAX_UNFINISHED", 1)
    monkeypatch.setattr(site.service, "free", asyncio.Event().wait)
    async with site.client() as peer:
        for number in range(3):
            await peer.send(Free(str(number)))
        await peer.send(Cancel("x", "running"))
        assert await peer.receive() == Answer("x", {"cancelled": True})


async def test_nodes_are_told_as_definitions(site: Any) -> None:
    async with site.client() as peer:
        await peer.send(Query("1", "nodes"))
        answer = await peer.receive()
        assert answer.data["nodes"]["Null"]["category"] == "test"


async def test_unknown_subject_names_the_known_ones(site: Any) -> None:
    async with site.client() as peer:
        await peer.send(Query("1", "secrets"))
        failure = await peer.receive()
        assert failure.problems[0].code == "unknown_subject"
        assert failure.problems[0].hint == "Ask for models, nodes, status."


async def test_every_fault_of_a_workflow_is_told(site: Any) -> None:
    problems = (Problem("unknown_node", "no A", node_id="1"), Problem("bad_link", "no 9", node_id="2"))
    site.service.fault = WorkflowError(problems)
    async with site.client() as peer:
        await peer.send(Submit("1", workflow={"1": {}}))
        assert await peer.receive() == Failure(problems, "1")


async def test_bug_in_a_request_is_told_without_a_traceback_and_ends_nothing(site: Any) -> None:
    site.service.fault = ZeroDivisionError("division by zero")
    async with site.client() as peer:
        await peer.send(Submit("1", workflow={"1": {}}))
        failure = await peer.receive()
        assert failure.request == "1"
        assert failure.problems[0].code == "internal_error"
        assert "Traceback" not in str(failure)
        await peer.send(Query("2", "status"))
        assert isinstance(await peer.receive(), Answer)


async def test_frames_reach_the_service_in_order(site: Any, frame: FrameOf, until: Any) -> None:
    async with site.client() as peer:
        for number in range(3):
            await peer.send(StreamFrame("live", frame(number)))
            await until(lambda number=number: number in site.service.frames)
        await peer.send(CloseStream("live"))
        await until(lambda: ("close_stream", peer.name, "live") in site.service.calls)
    assert site.service.frames == [0, 1, 2]


async def test_frame_of_an_unknown_stream_is_an_error_that_names_the_stream(
    site: Any, frame: FrameOf
) -> None:
    async with site.client() as peer:
        await peer.send(StreamFrame("other", frame()))
        failure = await peer.receive()
        assert (failure.stream, failure.problems[0].code) == ("other", "stream_not_found")


async def test_newest_frame_is_kept_while_a_request_takes_its_time(
    site: Any, frame: FrameOf, until: Any
) -> None:
    site.service.gate.clear()
    async with site.client() as peer:
        await peer.send(SetStream("1", "live", preset="Stylize"))
        for number in range(50):
            await peer.send(StreamFrame("live", frame(number)))
        # A pong means that everything before it has been read.
        await asyncio.wait_for(await peer.websocket.ping(), 10)
        site.service.gate.set()
        assert await peer.receive() == Accepted("1")
        await until(lambda: bool(site.service.frames))
    assert site.service.frames == [49]


async def test_messages_for_a_session_are_delivered(site: Any) -> None:
    picture = (Plane("image", (1, 1, 3), "u8", b"rgb"),)
    async with site.client() as peer:
        site.deliver(Progress("3", 1, 4, job="a"))
        assert await peer.receive() == Progress("3", 1, 4, job="a")
        site.deliver(Result("9", picture, job="a"))
        assert bytes((await peer.receive()).planes[0].data) == b"rgb"


async def test_two_clients_have_sessions_of_their_own(site: Any) -> None:
    async with site.client() as one, site.client() as two:
        assert one.name != two.name
        site.service.sinks[one.name](State("busy"))
        assert await one.receive() == State("busy")
        assert len(site.clients) == 2


async def test_client_that_comes_back_gets_its_session_again(site: Any, until: Any) -> None:
    async with site.client() as peer:
        first = peer.name
    await until(lambda: ("disconnect", first) in site.service.calls)
    async with site.client(session=first) as peer:
        assert peer.name == first


async def test_session_of_nobody_is_not_handed_out(site: Any) -> None:
    async with site.client(session="guessed") as peer:
        assert peer.name != "guessed"


async def test_newer_connection_takes_the_session_over(site: Any) -> None:
    async with site.client() as older, site.client(session=older.name) as newer:
        assert newer.name == older.name
        assert await older.close_code() == 4006
        site.deliver(State("busy"))
        assert await newer.receive() == State("busy")
        assert len(site.clients) == 1


async def test_message_that_arrives_as_the_session_is_taken_over_does_no_harm(
    site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.client() as peer:
        conversation = site.clients.connection(peer.name)
        site.deliver(State("busy"))
        conversation.take_over()
        assert await peer.close_code() == 4006
        assert peer.websocket.close_reason == "taken_over"
    assert "failed" not in caplog.text


async def test_leaving_disconnects_the_session_once(site: Any, until: Any) -> None:
    async with site.client() as peer:
        pass
    await until(lambda: len(site.clients) == 0)
    assert site.service.calls == [("connect", peer.name), ("disconnect", peer.name)]


async def test_too_many_clients_are_refused_with_a_reason(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.clients.MAX_CLIENTS", 1)
    async with site.client():
        with pytest.raises(InvalidStatus) as refusal:
            await site.websocket()
    assert refusal.value.response.status_code == 503
    assert b"too_many_clients" in refusal.value.response.body


@pytest.mark.parametrize(
    "nonsense", ["not json", '{"type": "foo"}', "[]", b"\x00\x01", b"FBR1\xff\xff\xff\xff{}"]
)
async def test_nonsense_is_answered_and_the_connection_lives_on(site: Any, nonsense: str | bytes) -> None:
    async with site.client() as peer:
        await peer.websocket.send(nonsense)
        assert isinstance(await peer.receive(), Failure)
        await peer.send(Query("1", "status"))
        assert isinstance(await peer.receive(), Answer)


async def test_ten_nonsensical_messages_in_a_row_end_the_connection(site: Any) -> None:
    async with site.client() as peer:
        for _ in range(10):
            await peer.websocket.send("nonsense")
        for _ in range(10):
            assert isinstance(await peer.receive(), Failure)
        assert await peer.close_code() == 4004


async def test_unknown_version_is_refused_with_the_known_ones(site: Any) -> None:
    async with site.websocket() as websocket:
        await websocket.send(encode(Hello((99,), "test")))
        assert '"unsupported_protocol"' in await websocket.recv()
        await websocket.wait_closed()
        assert websocket.close_code == 4001


@pytest.mark.parametrize("first", [encode(Query("1", "status")), "nonsense", b"\x00"])
async def test_client_that_does_not_say_hello_is_sent_away(site: Any, first: str | bytes) -> None:
    async with site.websocket() as websocket:
        await websocket.send(first)
        assert '"error"' in await websocket.recv()
        await websocket.wait_closed()
        assert websocket.close_code == 4003


async def test_hello_of_more_than_64_kib_is_refused(site: Any) -> None:
    async with site.websocket() as websocket:
        await websocket.send("x" * 65_537)
        assert '"message_too_large"' in await websocket.recv()
        await websocket.wait_closed()
        assert websocket.close_code == 1009


async def test_silent_client_is_sent_away(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.protocol.session.HELLO_TIMEOUT_S", 0.1)
    async with site.websocket() as websocket:
        assert '"hello_timeout"' in await websocket.recv()
        await websocket.wait_closed()
        assert websocket.close_code == 4002


async def test_what_cannot_be_sent_becomes_an_error(site: Any) -> None:
    broken = Result("9", (Plane("image", (1, 1, 3), "u8", b"too long"),), stream="live", frame=1)
    async with site.client() as peer:
        site.deliver(broken)
        failure = await peer.receive()
        assert isinstance(failure, Failure)
        assert failure.stream == "live"


async def test_bug_in_the_service_closes_with_1011_and_is_logged(
    site: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site.client() as peer:
        monkeypatch.setattr("bridge.server.socket.Conversation._encode", lambda *_: 1 // 0)
        await peer.send(Query("1", "status"))
        assert await peer.close_code() == 1011
    assert "a connection failed" in caplog.text


async def test_slow_reader_gets_the_newest_frame_and_every_job(site: Any) -> None:
    side = 512
    picture = (Plane("image", (side, side, 3), "u8", bytes(side * side * 3)),)
    async with site.client(max_queue=1) as peer:
        for number in range(200):
            site.deliver(Result("9", picture, stream="live", frame=number))
            site.deliver(Finished("done", stream="live", frame=number))
            if number % 50 == 0:
                site.deliver(Finished("done", job=str(number)))
            await asyncio.sleep(0)
        received = []
        while not received or received[-1].frame != 199 or not isinstance(received[-1], Finished):
            received.append(await peer.receive())
    frames = [message.frame for message in received if isinstance(message, Result)]
    jobs = [message.job for message in received if isinstance(message, Finished) and message.job]
    dropped = sum(message.dropped for message in received if isinstance(message, Finished))
    assert jobs == ["0", "50", "100", "150"]
    assert frames[-1] == 199
    assert len(frames) + dropped == 200
    assert len(frames) < 100


async def test_slow_reader_does_not_hold_up_another(site: Any) -> None:
    picture = (Plane("image", (1024, 1024, 3), "u8", bytes(3 * 1024**2)),)
    async with site.client(max_queue=1, close_timeout=0.1) as slow, site.client() as quick:
        for number in range(20):
            for name in (slow.name, quick.name):
                site.service.sinks[name](Result("9", picture, job=str(number)))
            assert (await quick.receive()).job == str(number)


async def test_hopeless_reader_is_sent_away(site: Any, monkeypatch: pytest.MonkeyPatch, until: Any) -> None:
    monkeypatch.setattr("bridge.server.outbox.MAX_WAITING_BYTES", 2**23)
    picture = (Plane("image", (1024, 1024, 3), "u8", bytes(3 * 1024**2)),)
    async with site.client(max_queue=1) as peer:
        for number in range(100):
            if site.service.sinks:
                site.deliver(Result("9", picture, job=str(number)))
            await asyncio.sleep(0)
        await until(lambda: len(site.clients) == 0)
        with contextlib.suppress(ConnectionClosedError):
            async for _ in peer.websocket:
                pass
        assert peer.websocket.close_code == 4005


async def test_server_that_stops_says_so(serve: Any) -> None:
    async with serve() as site:
        peer = await site.websocket().__aenter__()
        await peer.send(encode(Hello((1,), "test")))
        await peer.recv()
    await peer.wait_closed()
    assert peer.close_code == 1012
