"""A daemon without anything behind it: the rules of the session, and answers that a test decides on."""

import asyncio
import http
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.client import PROOF_PATH, Client, Locator, proof_of
from bridge.protocol import (
    MAX_MESSAGE_BYTES,
    Accepted,
    Answer,
    Cancel,
    Finished,
    Free,
    Hello,
    Message,
    Plane,
    Query,
    Result,
    ServerSession,
    SetStream,
    Started,
    StreamFrame,
    Submit,
    Welcome,
)

PICTURE = Plane("image", (1, 1, 3), "u8", b"\1\2\3")


def answers(message: Message) -> list[Message | str | bytes]:
    """What a daemon with nothing to compute says."""
    match message:
        case Submit():
            job = message.job or f"job-{message.request}"
            return [
                Accepted(message.request, job),
                Started(job),
                Result("9", (PICTURE,), job=job),
                Finished("done", job=job, timings={"run": 0.5}),
            ]
        case SetStream():
            return [Accepted(message.request)]
        case StreamFrame():
            number = message.frame.number
            return [
                Result("9", tuple(message.frame.planes.values()), stream=message.stream, frame=number),
                Finished("done", stream=message.stream, frame=number),
            ]
        case Cancel():
            return [Answer(message.request, {"cancelled": True})]
        case Query():
            return [Answer(message.request, {"subject": message.subject})]
        case Free():
            return [Answer(message.request, {})]
    return []


class FakeDaemon:
    """Listens on a port of its own, in a thread of its own.

    Attributes:
        answer: What to say to a message.
        welcome: What to say to hello; ``None`` to say nothing.
        heard: All messages of all connections.
        closed: The close codes of connections that have ended.
        is_paused: Makes it read nothing.
    """

    def __init__(self, port: int = 0, token: str = "secret") -> None:
        self.token = token
        self.answer: Callable[[Message], list[Any]] = answers
        self.welcome: Callable[[Hello], Any] = lambda hello: Welcome(1, "test", hello.session or "s1")
        self.heard: list[Message] = []
        self.closed: list[int | None] = []
        self.port = port
        self.status = 0
        self.is_paused = False
        self._changed = threading.Condition()
        self._sockets: set[ServerConnection] = set()
        self._listening = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._listening.wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"ws://{self.address}/bridge"

    def stop(self) -> None:
        self.is_paused = False
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    def say(self, *messages: Message | str | bytes) -> None:
        """Send something to every client, unasked."""
        asyncio.run_coroutine_threadsafe(self._say(messages), self._loop).result()

    def drop(self) -> None:
        """Break all connections without a word."""
        self._loop.call_soon_threadsafe(lambda: [socket.transport.abort() for socket in self._sockets])

    def close(self, code: int) -> None:
        """Close all connections with a code."""

        async def close() -> None:
            for socket in list(self._sockets):
                await socket.close(code)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result()

    def wait(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait until something is true of what was heard."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), self.heard

    def of(self, kind: type[Any]) -> list[Any]:
        """What was heard of a kind."""
        return [message for message in self.heard if isinstance(message, kind)]

    def _run(self) -> None:
        # A runner also ends the handshakes that were under way when the server closed.
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _say(self, messages: tuple[Message | str | bytes, ...]) -> None:
        for socket in list(self._sockets):
            for message in messages:
                await socket.send(socket.session.send(message) if isinstance(message, Message) else message)

    async def _serve(self) -> None:
        async with serve(
            self._handle,
            "127.0.0.1",
            self.port,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            process_request=self._check,
            close_timeout=0.2,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._listening.set()
            await self._stopped.wait()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        assert "Origin" not in request.headers
        if self.status:
            return connection.respond(http.HTTPStatus(self.status), "")
        if request.path.startswith(PROOF_PATH):
            nonce = request.path.partition("=")[2]
            return connection.respond(http.HTTPStatus.OK, proof_of(self.token, self.address, nonce))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "")
        return None

    async def _handle(self, socket: ServerConnection) -> None:
        session = ServerSession()
        socket.session = session  # type: ignore[attr-defined]
        self._sockets.add(socket)
        try:
            async for data in socket:
                for message in session.receive(data):
                    for reply in self._replies(message):
                        await socket.send(session.send(reply) if isinstance(reply, Message) else reply)
                for reply in session.data_to_send():
                    await socket.send(reply)
                if session.close_code:
                    await socket.close(session.close_code, session.close_reason)
                while self.is_paused:
                    await asyncio.sleep(0.01)
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)
            with self._changed:
                self.closed.append(socket.close_code)
                self._changed.notify_all()

    def _replies(self, message: Message) -> list[Any]:
        with self._changed:
            self.heard.append(message)
            self._changed.notify_all()
        if isinstance(message, Hello):
            welcome = self.welcome(message)
            return [] if welcome is None else [welcome]
        return self.answer(message)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and no delays worth noticing."""
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bridge.client.connection.FIRST_DELAY_S", 0.01)
    return tmp_path / "home"


@pytest.fixture
def start_fake() -> Iterator[Callable[..., FakeDaemon]]:
    """Starts daemons, which end with the test."""
    daemons: list[FakeDaemon] = []

    def start(**options: Any) -> FakeDaemon:
        daemons.append(FakeDaemon(**options))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture
def daemon(start_fake: Callable[..., FakeDaemon]) -> FakeDaemon:
    return start_fake()


@pytest.fixture
def start_client() -> Iterator[Callable[..., Client]]:
    """Starts clients, which are closed with the test, in time and without a thread left."""
    clients: list[Client] = []

    def start(address: str, token: str = "secret") -> Client:
        clients.append(Client(Locator(address, token), name="test"))
        clients[-1].start()
        return clients[-1]

    yield start
    began = time.monotonic()
    for client in clients:
        client.close()
    assert time.monotonic() - began < len(clients) + 0.5
    assert not [thread for thread in threading.enumerate() if thread.name == "framebridge"]


@pytest.fixture
def client(daemon: FakeDaemon, start_client: Callable[..., Client]) -> Client:
    """A client that is ready."""
    client = start_client(daemon.address)
    client.wait_ready(10)
    return client


@pytest.fixture
def drain() -> Callable[..., Message]:
    """Pump a client until a message of a kind comes; returns that one."""

    def drain(client: Client, kind: type[Message], timeout_s: float = 60.0) -> Message:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for message in client.pump():
                if isinstance(message, kind):
                    return message
            time.sleep(0.002)
        raise AssertionError(f"no {kind.__name__} within {timeout_s} s")

    return drain
