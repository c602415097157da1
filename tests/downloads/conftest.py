"""A web that misbehaves, on this machine: public addresses whose sockets are those of a local server.

``Network`` is told so by its constructor; no setting of a user reaches it. The certificate is self-signed,
for these tests alone.
"""

import gzip
import hashlib
import json
import random
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.downloads import Credentials, Network, Patience, Planner, Puller, Web, credentials

CERTIFICATE = Path(__file__).parent / "certificate.pem"
PUBLIC = "93.184.216.34"
ADDRESSES = {
    "router.example": "192.168.1.1",
    "me.example": "127.0.0.1",
    "cloud.example": "169.254.169.254",
    "carrier.example": "100.64.0.1",
    "six.example": "::ffff:10.0.0.1",
}
"""Names that lead where nothing may be fetched from."""

IMPATIENT = Patience(connect_s=2.0, silence_s=1.0, slow_s=0.3, slow_bytes=10_000, pauses_s=(0.0, 0.0, 0.0))


def lora(rank: int = 256, seed: int = 0, metadata: Mapping[str, str] | None = None) -> bytes:
    """A sound LoRA for Stable Diffusion 1.x of about ``rank`` × 2.2 kB."""
    stem, end = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 0
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, shape in (("lora_down", [rank, 768]), ("lora_up", [320, rank])):
        size = 2 * shape[0] * shape[1]
        header[f"{stem}.{name}.weight"] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + random.Random(seed).randbytes(end)


@dataclass
class Request:
    host: str
    path: str
    headers: Mapping[str, str]
    number: int  # of the requests for this path

    @property
    def start(self) -> int:
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-") or 0)


@dataclass
class Response:
    """What is sent, byte for byte, and what happens then."""

    status: str = "200 OK"
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    drip_s: float = 0.0
    chunk: int = 65536

    def send(self, connection: socket.socket) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        connection.sendall(f"HTTP/1.1 {self.status}\r\n{head}\r\n".encode("latin-1"))
        body = self.body if self.cut_after is None else self.body[: self.cut_after]
        for start in range(0, len(body), self.chunk):
            connection.sendall(body[start : start + self.chunk])
            if self.drip_s:
                time.sleep(self.drip_s)


Answer = Callable[[Request], Response]


def whole(data: bytes, *, tag: str = '"v1"', **headers: Any) -> Answer:
    """A server that does everything right."""

    def answer(request: Request) -> Response:
        said = {"ETag": tag, "Accept-Ranges": "bytes", **headers}
        is_same = request.headers.get("if-range", tag) == tag
        if "range" not in request.headers or not is_same:
            return Response("200 OK", {**said, "Content-Length": len(data)}, data)
        start = request.start
        if start >= len(data):
            return Response("416 Range Not Satisfiable", {"Content-Range": f"bytes */{len(data)}"})
        extent = f"bytes {start}-{len(data) - 1}/{len(data)}"
        length = len(data) - start
        return Response(
            "206 Partial Content", {**said, "Content-Range": extent, "Content-Length": length}, data[start:]
        )

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Another answer each time; the last stays."""
    return lambda request: answers[min(request.number, len(answers) - 1)](request)


def always(status: str = "200 OK", body: bytes = b"", **headers: Any) -> Answer:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: Response(status, {"Content-Length": len(body), **said}, body)


def leads_to(place: str, status: str = "302 Found", **headers: Any) -> Answer:
    return always(status, Location=place, **headers)


def cut(answer: Answer, after: int) -> Answer:
    def shortened(request: Request) -> Response:
        response = answer(request)
        response.cut_after = after
        return response

    return shortened


def as_json(data: Any) -> Answer:
    return always(body=json.dumps(data).encode(), Content_Type="application/json")


def gzipped(data: bytes) -> Answer:
    return always(body=gzip.compress(data), Content_Encoding="gzip")


class Site:
    """What answers under which name, and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def put(self, url: str, answer: Answer) -> str:
        host, _, path = url.removeprefix("https://").partition("/")
        self.answers[host, "/" + path] = answer
        return url

    def answer(self, host: str, path: str, headers: Mapping[str, str]) -> Response:
        with self._lock:
            number = sum(1 for each in self.requests if (each.host, each.path) == (host, path))
            request = Request(host, path, headers, number)
            self.requests.append(request)
        found = self.answers.get((host, path)) or self.answers.get((host, path.partition("?")[0]))
        return found(request) if found else Response("404 Not Found", {"Content-Length": 0})


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        try:
            with server.context.wrap_socket(self.request, server_side=True) as connection:
                lines = self._head(connection).decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                pairs = (line.partition(": ") for line in lines[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                server.site.answer(headers["host"], path, headers).send(connection)
                connection.close()
        except (OSError, IndexError, KeyError):
            return  # the client has left

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                break
            head += part
        return head


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@pytest.fixture(scope="session")
def _server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.context = context  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def site(_server: _Server) -> Site:
    _server.site = Site()  # type: ignore[attr-defined]
    return _server.site  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def port(_server: _Server) -> int:
    return int(_server.server_address[1])


def local_network(port: int, patience: Patience = IMPATIENT) -> Network:
    """A network all of whose public addresses lead to the test's server."""

    def look_up(host: str) -> Sequence[str]:
        is_address = host.replace(".", "").isdigit() or ":" in host
        return [host] if is_address else [ADDRESSES.get(host, PUBLIC)]

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        assert address[0] == PUBLIC, f"a connection to {address} was opened"
        return socket.create_connection(("127.0.0.1", port), timeout)

    return Network(look_up, dial, ssl.create_default_context(cafile=str(CERTIFICATE)), patience)


class Kit:
    """Everything to pull with, on a folder of models of its own."""

    def __init__(self, port: int, root: Path, free: int = 10**12) -> None:
        self.port = port
        self.root = root
        self.free = free
        self.sleeps: list[float] = []
        self.network = local_network(port)
        self.planner = Planner(self.web, root, lambda folder: self.free)

    def web(self, given: dict[str, str] | None = None) -> Web:
        return Web(self.network, credentials(given))

    def puller(self, keys: Credentials | None = None) -> Puller:
        web = Web(self.network, keys) if keys else self.web()
        return Puller(web, lambda folder: self.free, sync_bytes=64 * 1024, sleep=self.sleeps.append)

    def files(self) -> set[str]:
        """What lies below the folder of models."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def kit(port: int, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "CIVITAI_TOKEN", "CIVITAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    root = tmp_path / "models"
    root.mkdir()
    return Kit(port, root)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
