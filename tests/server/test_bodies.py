import asyncio
import contextlib
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge.server import bodies

TOKEN = "the-secret-token-of-this-run"
HEAD = f"POST /size HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {TOKEN}\r\n{{more}}\r\n\r\n"


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def peer(serve: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(bodies, "PART_S", 0.3)
    monkeypatch.setattr(bodies, "WHOLE_S", 0.8)
    async with serve(routes=[Route("/size", size, methods=["POST"])]) as site, site.raw() as peer:
        yield peer


async def answer(peer: Any) -> tuple[int, str]:
    """Return the status and the code, or the text, of the answer that comes."""
    async with asyncio.timeout(10):
        head = (await peer.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r")[0])
        body = (await peer.reader.readexactly(length)).decode()
    return int(head.split()[1]), body if body.isdecimal() else json.loads(body)["code"]


def begin(peer: Any, more: str) -> None:
    peer.writer.write(HEAD.format(host=peer.site.host, more=more).encode())


async def test_body_of_bearable_size_is_read_and_the_connection_goes_on(peer: Any) -> None:
    for _ in range(2):
        begin(peer, "Content-Length: 1000")
        peer.writer.write(bytes(1000))
        assert await answer(peer) == (200, "1000")


async def test_body_that_announces_too_much_is_refused_before_it_comes(peer: Any) -> None:
    begin(peer, "Content-Length: 1001")
    assert await answer(peer) == (413, "body_too_large")
    assert await asyncio.wait_for(peer.reader.read(), 10) == b"", "the connection ends"


async def test_body_that_announces_nothing_is_counted(peer: Any) -> None:
    begin(peer, "Transfer-Encoding: chunked")
    for _ in range(3):
        peer.writer.write(b"190\r\n" + bytes(400) + b"\r\n")
    assert await answer(peer) == (413, "body_too_large")
    assert await asyncio.wait_for(peer.reader.read(), 10) == b""


async def test_body_that_stops_is_waited_for_only_so_long(peer: Any) -> None:
    begin(peer, "Content-Length: 10")
    peer.writer.write(b"12345")
    assert await answer(peer) == (408, "request_timeout")
    assert await asyncio.wait_for(peer.reader.read(), 10) == b""


async def test_body_that_drips_is_ended_too(peer: Any) -> None:
    begin(peer, "Content-Length: 1000")

    async def drip() -> None:
        while True:
            peer.writer.write(b"x")
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    assert await answer(peer) == (408, "request_timeout")
    dripping.cancel()


async def test_what_comes_after_the_body_may_take_its_time(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PART_S", 0.05)
    left = asyncio.Event()

    async def wait(request: Request) -> PlainTextResponse:
        await request.body()
        await asyncio.sleep(0.2)
        message = await request.receive()
        assert message["type"] == "http.disconnect"
        left.set()
        return PlainTextResponse("")

    async with serve(routes=[Route("/size", wait, methods=["POST"])]) as site:
        async with site.raw() as peer:
            begin(peer, "Content-Length: 0")
            await asyncio.sleep(0.5)
            assert not left.is_set()
        await asyncio.wait_for(left.wait(), 10)


async def test_route_for_files_of_any_size_takes_more(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    monkeypatch.setattr(bodies, "WHOLE_S", 0.0)

    async def large(request: Request) -> PlainTextResponse:
        bodies.take_large_body(request, 1000)
        return await size(request)

    async with serve(routes=[Route("/size", large, methods=["POST"])]) as site, site.raw() as peer:
        begin(peer, "Content-Length: 1000")
        peer.writer.write(bytes(1000))
        assert await answer(peer) == (200, "1000")
        begin(peer, "Content-Length: 1001")
        assert await answer(peer) == (413, "body_too_large")


async def test_only_so_many_large_bodies_are_held_at_once(
    serve: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(bodies, "LARGE_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_LARGE", 2)
    held, most, go_on = 0, 0, asyncio.Event()

    async def hold(request: Request) -> PlainTextResponse:
        nonlocal held, most
        body = await request.body()
        if len(body) > 10:
            held += 1
            most = max(most, held)
            await go_on.wait()
            held -= 1
        return PlainTextResponse(str(len(body)))

    async with (
        serve(routes=[Route("/size", hold, methods=["POST"])]) as site,
        contextlib.AsyncExitStack() as all_,
    ):
        peers = [await all_.enter_async_context(site.raw()) for _ in range(6)]
        for number, peer in enumerate(peers):
            begin(peer, "Transfer-Encoding: chunked" if number % 2 else "Content-Length: 20")
            peer.writer.write(
                (b"14\r\n" if number % 2 else b"") + bytes(20) + b"\r\n0\r\n\r\n" * (number % 2)
            )
        await until(lambda: held == 2)
        async with site.raw() as small:
            begin(small, "Content-Length: 5")
            small.writer.write(bytes(5))
            assert await answer(small) == (200, "5")  # once it is answered, the others have had their chance
        go_on.set()
        assert [await answer(peer) for peer in peers] == [(200, "20")] * 6
    assert most == 2


async def test_large_body_whose_turn_does_not_come_is_refused(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_LARGE", 0)
    monkeypatch.setattr(bodies, "WHOLE_S", 0.5)
    async with serve(routes=[Route("/size", size, methods=["POST"])]) as site, site.raw() as peer:
        begin(peer, "Content-Length: 20")
        peer.writer.write(bytes(20))
        assert (await answer(peer))[0] == 503


async def test_bodies_that_are_only_announced_hold_up_nobody(
    serve: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(bodies, "LARGE_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_LARGE", 1)
    begun = 0

    async def counted(request: Request) -> PlainTextResponse:
        nonlocal begun
        begun += 1
        return await size(request)

    routes = [Route("/size", counted, methods=["POST"])]
    async with serve(routes=routes) as site, site.raw() as idle, site.raw() as peer:
        begin(idle, "Content-Length: 20")
        idle.writer.write(bytes(5))
        await until(lambda: begun == 1)
        begin(peer, "Content-Length: 20")
        peer.writer.write(bytes(20))
        assert await answer(peer) == (200, "20")


async def test_large_body_that_is_too_slow_gives_its_turn_back(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_LARGE", 1)
    monkeypatch.setattr(bodies, "PACE_S", 0.3)
    async with serve(routes=[Route("/size", size, methods=["POST"])]) as site, site.raw() as peer:
        begin(peer, "Content-Length: 1000")
        peer.writer.write(bytes(20))
        assert await answer(peer) == (408, "request_timeout")
        async with site.raw() as other:
            begin(other, "Content-Length: 20")
            other.writer.write(bytes(20))
            assert await answer(other) == (200, "20")


async def test_large_body_that_keeps_its_pace_is_read_to_its_end(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE_BYTES", 10)
    monkeypatch.setattr(bodies, "PACE_S", 2.0)
    monkeypatch.setattr(bodies, "PACE_BYTES", 100)
    async with serve(routes=[Route("/size", size, methods=["POST"])]) as site, site.raw() as peer:
        begin(peer, "Content-Length: 2500")
        for _ in range(25):
            peer.writer.write(bytes(100))
            await asyncio.sleep(0.1)
        assert await answer(peer) == (200, "2500")
