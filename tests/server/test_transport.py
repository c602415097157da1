import asyncio
import contextlib
import json
from typing import Any

import psutil
import pytest
from starlette.responses import Response
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from bridge.protocol import MAX_MESSAGE_BYTES, Hello, Plane, Result, encode
from bridge.server.transport import HttpConnection, SocketConnection, StallWatch

TOKEN = "the-secret-token-of-this-run"

HELLO = str(encode(Hello((1,), "test"))).encode()


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"payload": b'{"type": "\xff"}'}, 1007),
        ({"payload": b"x", "mask": False}, 1002),
        ({"payload": b"x", "rsv": 1}, 1002),
        ({"payload": b"x", "rsv": 4}, 1002),
        ({"payload": b"x", "opcode": 3}, 1002),
        ({"payload": b"x", "opcode": 11}, 1002),
        ({"payload": b"x" * 126, "opcode": 9}, 1002),
        ({"payload": b"x", "opcode": 9, "fin": False}, 1002),
        ({"payload": b"x", "opcode": 0}, 1002),
        ({"payload": b"\x00", "opcode": 8}, 1002),
    ],
    ids=[
        "utf8",
        "unmasked",
        "rsv3",
        "rsv1",
        "opcode 3",
        "opcode 11",
        "long ping",
        "split ping",
        "stray",
        "close",
    ],
)
async def test_broken_frames_close_with_the_standard_code(
    site: Any, broken: dict[str, Any], code: int
) -> None:
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        peer.send(**broken)
        assert await peer.close_code() == code
    async with site.client():
        pass  # the server lives on


async def test_bad_text_in_fragments_closes_with_1007_and_no_traceback(
    site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(b"\xc3", 1, fin=False)
        peer.send(b"\x28", 0)
        assert await peer.close_code() == 1007
    assert caplog.text == ""


async def test_text_may_be_split_inside_a_letter(site: Any) -> None:
    hello = json.dumps({"type": "hello", "protocols": [1], "client": "é"}, ensure_ascii=False).encode()
    cut = hello.index(b"\xc3") + 1
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(hello[:cut], 1, fin=False)
        peer.send(hello[cut:], 0)
        assert b'"welcome"' in await asyncio.wait_for(peer.reader.readuntil(b"}"), 10)


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 2**40, 2**63 - 1])
async def test_oversized_message_is_refused_before_memory_is_taken(site: Any, size: int) -> None:
    before = psutil.Process().memory_info().rss
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        peer.writer.write(bytes([0x82, 0xFF]) + size.to_bytes(8, "big") + bytes(4) + bytes(1000))
        assert await peer.close_code() == 1009
    assert psutil.Process().memory_info().rss - before < 8 * 2**20


async def test_oversized_sum_of_fragments_is_refused(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        piece = bytes(MAX_MESSAGE_BYTES // 4)
        peer.send(piece, 2, fin=False)
        for _ in range(4):
            peer.send(piece, 0, fin=False)
        assert await peer.close_code() == 1009


async def test_reason_reaches_a_peer_that_is_still_sending(site: Any) -> None:
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        peer.writer.write(bytes([0x82, 0xFF]) + (2**27).to_bytes(8, "big") + bytes(4))
        peer.writer.write(bytes(2**24))
        await peer.writer.drain()
        assert await peer.close_code() == 1009


async def test_half_a_frame_and_silence_ends_with_the_hello_timeout(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.protocol.session.HELLO_TIMEOUT_S", 0.1)
    async with site.raw() as peer:
        await peer.upgrade()
        peer.writer.write(bytes([0x81, 0xFE, 0x10, 0x00]) + bytes(4) + b'{"type": "he')
        assert await peer.close_code() == 4002


async def test_half_a_frame_after_hello_ends_when_pings_stay_unanswered(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.listen.PING_INTERVAL_S", 0.1)
    async with serve() as site, site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        peer.writer.write(bytes([0x82, 0xFF]) + (2**20).to_bytes(8, "big") + bytes(1000))
        assert await peer.close_code() == 1011


async def test_half_a_request_is_cut_off(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.transport.HEAD_TIMEOUT_S", 0.1)
    async with site.raw() as peer:
        peer.writer.write(b"GET /health HTTP/1.1\r\nHost: ")
        assert await _end(peer.reader) == b""


async def test_silent_connection_is_cut_off(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.transport.FIRST_HEAD_TIMEOUT_S", 0.1)
    async with site.raw() as peer:
        assert await _end(peer.reader) == b""


async def test_trickling_second_request_is_cut_off(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.transport.HEAD_TIMEOUT_S", 0.3)
    async with site.raw() as peer:
        peer.writer.write(health(site, TOKEN))
        assert (await peer.reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
        trickle = asyncio.create_task(_trickle(peer.writer))
        assert await _end(peer.reader) == b""
        trickle.cancel()


SOME_KILOBYTES = 100
"""More than any head has."""

CHUNKED = f"POST / HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\nHost: "
"""Of a request whose body nobody waits for."""


@pytest.mark.parametrize(
    ("begun", "endless"),
    [
        ("GET /", "x"),
        ("GET / HTTP/1.1\r\nX: ", "x"),
        ("GET / HTTP/1.1\r\n", "X: y\r\n"),
        (CHUNKED + "HOST\r\n\r\n0\r\n", "X: y\r\n"),
        (CHUNKED + "HOST\r\n\r\n0\r\nX: ", "y"),
        (CHUNKED + "HOST\r\n\r\n1;", "x"),
        ("", "\r\n"),
    ],
    ids=["path", "header", "headers", "trailers", "trailer", "chunk extension", "empty lines"],
)
async def test_endless_head_is_refused_before_it_fills_the_memory(
    site: Any, begun: str, endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("HEAD_TIMEOUT_S", "FIRST_HEAD_TIMEOUT_S"):
        monkeypatch.setattr(f"bridge.server.transport.{limit}", 1000)
    async with site.raw() as peer:
        peer.writer.write(begun.replace("HOST", site.host).encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(SOME_KILOBYTES):
                peer.writer.write(endless.encode() * (1024 // len(endless)))
                await peer.writer.drain()
                await asyncio.sleep(0.001)
        answers = await _end(peer.reader)
    assert answers == b"" or b" 400 " in answers


@pytest.mark.parametrize(
    "more",
    ["X: " + 9000 * "x", 130 * "X: y\r\n" + "X: y", "Content-Length: 4", "Transfer-Encoding: chunked"],
    ids=["long header", "many headers", "body", "chunked body"],
)
async def test_upgrade_that_cannot_be_read_ends_at_once_and_holds_no_place(site: Any, more: str) -> None:
    asked = (
        "GET /ws HTTP/1.1\r\nHost: evil\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    async with site.raw() as peer:
        peer.writer.write(f"{asked}{more}\r\n\r\n".encode())
        async with asyncio.timeout(2):
            answer = await _end(peer.reader)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_requests_sent_ahead_are_answered_in_their_order(site: Any) -> None:
    status = health(site, TOKEN).replace(b"/health", b"/status")
    async with site.raw() as peer:
        peer.writer.write(status + health(site, TOKEN) + status)
        await peer.reader.readuntil(b'"version"')
        await peer.reader.readuntil(b'{"status":"ok"}')
        await peer.reader.readuntil(b'"version"')


async def test_websocket_outlives_the_deadline_for_requests(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.transport.HEAD_TIMEOUT_S", 0.1)
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_end(peer.reader), 0.5)


async def test_reader_that_stopped_is_cut_off(site: Any, monkeypatch: pytest.MonkeyPatch, until: Any) -> None:
    monkeypatch.setattr("bridge.server.transport.STALL_TIMEOUT_S", 0.2)
    picture = (Plane("image", (2048, 2048, 3), "u8", bytes(3 * 2048**2)),)
    async with site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        await until(lambda: bool(site.service.sinks))
        peer.writer.transport.pause_reading()
        for number in range(4):
            site.deliver(Result("9", picture, job=str(number)))
        await until(lambda: len(site.clients) == 0)


async def test_http_reader_that_stopped_is_cut_off_and_a_slow_one_is_not(
    serve: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    watches: list[StallWatch] = []

    class Watch(StallWatch):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            watches.append(self)

    monkeypatch.setattr("bridge.server.transport.STALL_TIMEOUT_S", 0.5)
    monkeypatch.setattr("bridge.server.transport.StallWatch", Watch)
    body = bytes(2**24)
    app = Route("/large", lambda request: Response(body))
    async with serve(routes=[app]) as site, site.raw() as stopped, site.raw() as slow:
        request = f"GET /large HTTP/1.1\r\nHost: {site.host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        stopped.writer.write(request.encode())
        stopped.writer.transport.pause_reading()
        await until(lambda: bool(watches))
        slow.writer.write(request.encode())
        received = b""
        async with asyncio.timeout(30):
            while len(received) < len(body):
                received += await slow.reader.read(2**20)
                await asyncio.sleep(0.005)
        await until(watches[0]._transport.is_closing)
        assert not watches[1]._transport.is_closing()


class FakeTransport:
    def __init__(self, *waiting: int) -> None:
        self.waiting = list(waiting)
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting.pop(0)

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize(
    ("waiting", "is_aborted"),
    [((9, 9), True), ((9, 10), True), ((9, 8, 8, 7, 7, 7), True), ((9, 8, 8, 7), False)],
)
async def test_peer_is_given_up_when_what_waits_for_it_stops_shrinking(
    waiting: tuple[int, ...], is_aborted: bool, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr("bridge.server.transport.STALL_TIMEOUT_S", 0.01)
    transport: Any = FakeTransport(*waiting)
    watch = StallWatch(transport, asyncio.get_running_loop())
    watch.start()
    await until(lambda: not transport.waiting)
    watch.stop()
    assert transport.is_aborted == is_aborted


async def test_connection_that_closes_ends_though_its_peer_leaves_a_rest(
    serve: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """A rest below the mark at which uvicorn would pause: nothing else watches it."""
    made: list[Any] = []

    class Connection(HttpConnection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=2**30)
            made.append(transport)

    monkeypatch.setattr("bridge.server.transport.STALL_TIMEOUT_S", 0.2)
    monkeypatch.setattr("bridge.server.listen.HttpConnection", Connection)
    app = Route("/large", lambda request: Response(bytes(2**25), headers={"Connection": "close"}))
    async with serve(routes=[app]) as site, site.raw() as peer:
        peer.writer.transport.pause_reading()
        request = f"GET /large HTTP/1.1\r\nHost: {site.host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        peer.writer.write(request.encode())
        await until(lambda: made and made[0].is_closing() and made[0].get_write_buffer_size() == 0)


async def test_strangers_connection_ends_with_its_answer(site: Any) -> None:
    async with site.raw() as peer:
        peer.writer.write(health(site))
        answer = await _end(peer.reader)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()


async def test_refused_upgrade_leaves_no_error_in_the_log(
    site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.websocket(additional_headers=site.headers(Authorization="Bearer of-no-worth")):
            pass
    assert refused.value.response.status_code == 401
    assert "handshake" not in caplog.text


async def test_surplus_connections_take_the_place_of_idle_strangers(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.listen.MAX_CONNECTIONS", 8)
    async with serve() as site, contextlib.AsyncExitStack() as crowd, site.raw() as ours:
        ours.writer.write(health(site, TOKEN))
        await ours.reader.readuntil(b'{"status":"ok"}')
        strangers = [await crowd.enter_async_context(site.raw()) for _ in range(30)]
        async with site.raw() as newest:
            newest.writer.write(health(site, TOKEN))
            assert (await newest.reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
        assert await _end(strangers[0].reader) == b""
        ours.writer.write(health(site, TOKEN))
        assert (await ours.reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")


async def test_close_does_not_wait_for_a_reader_that_takes_nothing(
    serve: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    made: list[SocketConnection] = []

    class Connection(SocketConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            made.append(self)

    monkeypatch.setattr("bridge.server.transport.STALL_TIMEOUT_S", 1000)
    monkeypatch.setattr("bridge.server.outbox.MAX_WAITING", 2)
    monkeypatch.setattr("bridge.server.transport.LINGER_S", 0.1)
    monkeypatch.setattr("bridge.server.listen.SocketConnection", Connection)
    picture = (Plane("image", (2048, 2048, 3), "u8", bytes(3 * 2048**2)),)
    async with serve() as site, site.raw() as peer:
        await peer.upgrade()
        peer.send(HELLO)
        await until(lambda: bool(site.service.sinks))
        peer.writer.transport.pause_reading()
        site.deliver(Result("9", picture, job="0"))
        await until(lambda: not made[0].writable.is_set())
        for number in range(1, 5):
            site.deliver(Result("9", picture, job=str(number)))
        await until(lambda: made[0].disconnected)


def health(site: Any, token: str = "") -> bytes:
    shown = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET /health HTTP/1.1\r\nHost: {site.host}\r\n{shown}\r\n".encode()


async def _end(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes before the connection ends."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""


async def _trickle(writer: asyncio.StreamWriter) -> None:
    for letter in b"GET /health HTTP/1.1\r\nHost: " * 10:
        writer.write(bytes([letter]))
        await asyncio.sleep(0.05)
