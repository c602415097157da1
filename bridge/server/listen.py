"""The one port: bound before anything is served on it, at loopback, HTTP and WebSocket together."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from bridge.errors import BridgeError
from bridge.protocol import MAX_MESSAGE_BYTES
from bridge.server.transport import HttpConnection, SocketConnection

if sys.platform != "win32":
    import resource

PING_INTERVAL_S = 20
"""A WebSocket peer is asked this often whether it is there, and has as long to answer."""

KEEP_ALIVE_S = 75
"""How long an HTTP connection may be idle; ComfyUI's server waits as long, and its clients count on it."""

MAX_CONNECTIONS = 512
"""For one more an idle one is cut off; where none is idle, it gets HTTP 503."""

MIN_CONNECTIONS = 16
"""With fewer no page can be shown."""

SPARE_FILES = 64
"""For each listener, open files that are not connections: the database, pictures, the worker's pipes."""

BACKLOG = 128
"""Connections that may wait to be accepted."""

_LOOPBACK = {
    "127.0.0.1": (socket.AF_INET, "127.0.0.1"),
    "localhost": (socket.AF_INET, "127.0.0.1"),
    "::1": (socket.AF_INET6, "::1"),
}


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the port; whoever connects waits until it is served.

    Args:
        host: ``127.0.0.1``, ``localhost`` or ``::1``.
        port: 0 takes any free port.

    Raises:
        BridgeError: ``unsafe_host`` for anything that other machines could reach, ``port_in_use``,
            or ``port_refused`` where the system does not hand the port out.
    """
    if host not in _LOOPBACK:
        raise BridgeError(
            f"refusing to listen on {host}: other machines could read and steer what is rendered here",
            code="unsafe_host",
            hint="Listen on 127.0.0.1, and give --listen, with TLS, for other machines.",
        )
    return listening(*_LOOPBACK[host], port)


def listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """Return a socket that listens at an address of this machine.

    Raises:
        BridgeError: ``port_in_use`` or ``port_refused``.
    """
    # Named, because asyncio sends small answers at once (TCP_NODELAY) on sockets only that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        _own_the_port(listener)
        listener.bind((address, port))
        listener.listen(BACKLOG)  # here, because the port may turn out to be taken as late as this
    except (OSError, OverflowError) as error:
        listener.close()
        raise _why_not(address, port, error) from error
    listener.setblocking(False)
    return listener


def _own_the_port(listener: socket.socket) -> None:
    if sys.platform == "win32":  # pragma: no cover
        # There SO_REUSEADDR would let any other program take the port over.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not blocked by TIME_WAIT


def _why_not(host: str, port: int, error: OSError | OverflowError) -> BridgeError:
    hint = "Choose another with --port N, or any free one with --port 0."
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return BridgeError(
            f"port {port} on {host} is in use by another program", code="port_in_use", hint=hint
        )
    return BridgeError(f"cannot listen on {host} port {port}: {error}", code="port_refused", hint=hint)


def connections_allowed() -> int:
    """Return how many connections one of two listeners may have, as the system lets us open files."""
    return min(MAX_CONNECTIONS, max(files_allowed(4 * MAX_CONNECTIONS) // 2 - SPARE_FILES, MIN_CONNECTIONS))


def files_allowed(most: int) -> int:
    """Ask the system to let this process have ``most`` files open, and return how many it lets it have."""
    allowed = most
    if sys.platform != "win32":  # there sockets are not counted
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = soft if soft != resource.RLIM_INFINITY else most
        if allowed < most:
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


class WebServer(uvicorn.Server):
    """uvicorn on a socket that is already bound; signals are left to whoever runs it.

    Args:
        app: What to serve.
        grace_s: Seconds that requests under way have to end when serving ends.
        certificate: Speak TLS, with these PEM files: certificate and key.
    """

    def __init__(
        self, app: ASGIApp, *, grace_s: int = 2, certificate: tuple[Path, Path] | None = None
    ) -> None:
        certificate_file, key_file = certificate or (None, None)
        config = uvicorn.Config(
            app,
            http=HttpConnection,
            ws=SocketConnection,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=PING_INTERVAL_S,
            ws_per_message_deflate=False,  # costs 60 times what raw pictures over loopback do
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level="warning",  # below that it logs paths with their queries, and headers
            access_log=False,
            proxy_headers=False,  # nobody may claim to speak for another address
            server_header=False,
            headers=[("x-content-type-options", "nosniff")],
            limit_concurrency=connections_allowed(),
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=grace_s,
            ssl_certfile=certificate_file,
            ssl_keyfile=key_file,
        )
        super().__init__(config)
        self._has_started = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on a socket while the block runs; then say goodbye to every client."""
        task = asyncio.create_task(self.serve([listener]))
        started = asyncio.create_task(self._has_started.wait())
        await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        try:
            if not task.done():
                yield
        finally:
            self.should_exit = True
            await task

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        self._has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn would die of the signal it caught, and the exit code would say so."""
        yield
