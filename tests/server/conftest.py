"""A daemon's web side in this process: the real server, sockets and session, and a service that is a fake."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bridge.errors import BridgeError
from bridge.graph import NodeDefinition
from bridge.jobs import JobRecord, Metrics
from bridge.protocol import (
    Accepted,
    ClientSession,
    Frame,
    Hello,
    Message,
    Plane,
    Result,
    SetStream,
    State,
    StreamFrame,
    Submit,
)
from bridge.server import Access, Clients, WebServer, bind, create_app

LIVE = ("waiting", "running")
TOKEN = "the-secret-token-of-this-run"


class FakeService:
    """Stands in for ``JobService``: remembers what it was asked, and delivers what a test says."""

    def __init__(self) -> None:
        self.sinks: dict[str, Callable[[Message], None]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.frames: list[int] = []
        self.state = State("ready", device="cpu")
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.records: list[JobRecord] = []
        self.pictures: dict[str, list[Result]] = {}
        self.live_streams: list[Any] = []
        self.metrics = Metrics()
        self.measured: Mapping[str, float] = {}
        self.queue_problem = ""
        self.worker_pid = 0
        self.is_warm = False
        self.history = SimpleNamespace(page=self.page, size=self.size)

    def connect(self, session: str, deliver: Callable[[Message], None]) -> None:
        self.calls.append(("connect", session))
        self.sinks[session] = deliver

    def warm_up(self) -> None:
        self.is_warm = True

    def disconnect(self, session: str) -> None:
        self.calls.append(("disconnect", session))
        self.sinks.pop(session, None)

    async def submit(self, session: str, message: Submit) -> Accepted:
        self.calls.append(("submit", session, message))
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return Accepted(message.request, job=f"job-{message.request}")

    async def set_stream(self, session: str, message: SetStream) -> Accepted:
        self.calls.append(("set_stream", session, message))
        await self.gate.wait()
        return Accepted(message.request)

    def push_frame(self, session: str, message: StreamFrame) -> None:
        if message.stream != "live":
            raise BridgeError(f'there is no stream "{message.stream}"', code="stream_not_found")
        self.frames.append(message.frame.number)

    def close_stream(self, session: str, stream: str) -> None:
        self.calls.append(("close_stream", session, stream))

    async def cancel(self, session: str, job: str) -> bool:
        self.calls.append(("cancel", session, job))
        return job == "running"

    async def attach(self, session: str, job: str) -> None:
        if job != "mine":
            raise BridgeError("no such job", code="job_not_found")

    async def free(self) -> None:
        self.calls.append(("free",))

    def jobs(self) -> list[JobRecord]:
        return [job for job in self.records if job.state in LIVE]

    def page(
        self, limit: int, offset: int = 0, *, newest_first: bool = False, before: int | None = None
    ) -> list[JobRecord]:
        ended = [job for job in self.records if job.state not in LIVE and (not before or job.ending < before)]
        return ended[::-1][offset : offset + limit] if newest_first else ended[offset : offset + limit]

    def size(self, *, before: int | None = None) -> int:
        return len(self.page(1000, before=before))

    async def read_history(self, read: Callable[[Any], Any]) -> Any:
        return read(self.history)

    async def forget(self, job_ids: Any) -> int:
        before = len(self.records)
        self.records = [
            record
            for record in self.records
            if record.state in LIVE or (job_ids is not None and record.id not in job_ids)
        ]
        return before - len(self.records)

    async def results(self, session: str, job: str) -> list[Result]:
        if job not in {record.id for record in self.records}:
            raise BridgeError("no such job", code="job_not_found")
        return self.pictures.get(job, [])

    def status(self) -> dict[str, Any]:
        is_kept = not self.queue_problem
        return {
            "worker": "ready",
            "worker_pid": self.worker_pid,
            "queue_problem": self.queue_problem,
            "queue_is_kept": is_kept,
        }

    async def measure(self) -> Mapping[str, float]:
        return self.measured

    async def definitions(self) -> Mapping[str, NodeDefinition]:
        return {"Null": NodeDefinition("Null", "test")}


@dataclass
class Site:
    """A running server."""

    port: int
    service: FakeService
    clients: Clients
    app: Any
    stopped: list[bool] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def raw(self) -> "RawPeer":
        return RawPeer(self)

    @property
    def session(self) -> str:
        """The newest session."""
        return next(reversed(self.service.sinks))

    def deliver(self, message: Message) -> None:
        """Say something to the newest session."""
        self.service.sinks[self.session](message)

    def headers(self, **changes: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}", **changes}

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{self.host}", headers=self.headers(), trust_env=False)

    def websocket(self, **options: Any) -> Any:
        path = options.pop("uri", "/bridge")
        settings = {
            "additional_headers": self.headers(),
            "compression": None,
            "max_size": 2**26,
            "proxy": None,
        }
        return connect(f"ws://{self.host}{path}", **{**settings, **options})

    @contextlib.asynccontextmanager
    async def client(self, session: str = "", **options: Any) -> AsyncIterator["Peer"]:
        async with self.websocket(**options) as websocket:
            peer = Peer(websocket, ClientSession(Hello((1,), "test", session=session)))
            await peer.greet()
            yield peer


class Peer:
    """A client that speaks the protocol, and can also say what it should not."""

    def __init__(self, websocket: ClientConnection, session: ClientSession) -> None:
        self.websocket = websocket
        self.session = session
        self.name = ""

    async def greet(self) -> None:
        for data in self.session.data_to_send():
            await self.websocket.send(data)
        welcome: Any = await self.receive()
        self.name = welcome.session
        assert isinstance(await self.receive(), State)

    async def send(self, message: Message) -> None:
        await self.websocket.send(self.session.send(message))

    async def receive(self) -> Message:
        async with asyncio.timeout(10):
            messages = self.session.receive(await self.websocket.recv())
        assert len(messages) == 1, messages
        return messages[0]

    async def close_code(self) -> int | None:
        async with asyncio.timeout(10):
            await self.websocket.wait_closed()
        return self.websocket.close_code


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Site]:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    service, clients = FakeService(), Clients()
    stopped: list[bool] = []
    app = create_app(
        service,  # type: ignore[arg-type]
        Access(TOKEN, port),
        clients=clients,
        stop=lambda: stopped.append(True),
        **options,
    )
    async with WebServer(app, grace_s=1).serving(listener):
        yield Site(port, service, clients, app, stopped)


@pytest.fixture
def serve() -> Callable[..., contextlib.AbstractAsyncContextManager[Site]]:
    return serving


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving(answers={"models": lambda: {"models": {"checkpoints": ["demo"]}}}) as running:
        yield running


@pytest.fixture
def frame() -> Callable[..., Frame]:
    return make_frame


@pytest.fixture
def until() -> Callable[..., Any]:
    return wait_until


def make_frame(number: int = 0, side: int = 8) -> Frame:
    return Frame({"color": Plane("color", (side, side, 3), "u8", bytes(side * side * 3))}, number=number)


async def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class RawPeer:
    """A TCP connection that may break every rule of HTTP and WebSocket."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def __aenter__(self) -> "RawPeer":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.site.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def upgrade(self) -> None:
        self.writer.write(
            f"GET /bridge HTTP/1.1\r\nHost: {self.site.host}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 101"), head

    def send(
        self, payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, mask: bool = True
    ) -> None:
        """Send a WebSocket frame, sound or not (the mask is zero, which is legal)."""
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        flag = 0x80 if mask else 0
        if len(payload) < 126:
            head += bytes([flag | len(payload)])
        elif len(payload) < 65536:
            head += bytes([flag | 126]) + len(payload).to_bytes(2, "big")
        else:
            head += bytes([flag | 127]) + len(payload).to_bytes(8, "big")
        self.writer.write(head + (bytes(4) if mask else b"") + payload)

    async def close_code(self) -> int | None:
        """Return the code of the close frame that comes, skipping texts; ``None`` if there is none."""
        async with asyncio.timeout(10):
            while True:
                try:
                    first, length = await self.reader.readexactly(2)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return None
                if length == 126:
                    length = int.from_bytes(await self.reader.readexactly(2), "big")
                payload = await self.reader.readexactly(length)
                if first & 0x0F == 8:
                    return int.from_bytes(payload[:2], "big")
