"""Who may talk to the daemon: nobody who cannot name it exactly and show its token.

1. The check runs before routing: a path that does not exist answers a stranger like one that does.
2. HTTP requests of every method and WebSocket upgrades are checked alike; anything else is refused.
3. The ``Host`` header must name this machine and port. A page that points its own name at 127.0.0.1
   (DNS rebinding) still sends its own name.
4. An ``Origin`` header means a browser speaks for a page; only a page that we served may.
5. The token is compared in constant time. It never reaches a log, an answer, or a URL.
6. A header given twice is refused, because two readers could disagree about which one counts.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Headers = Iterable[tuple[bytes, bytes]]
"""Header lines as ASGI hands them over."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must show.

    Args:
        token: The secret of this run of the daemon.
        port: The port that the daemon listens on.
        open_paths: Paths that need no token; Host and Origin are checked there too.
    """

    token: str = field(repr=False)
    port: int
    open_paths: frozenset[str] = frozenset({"/health"})

    def refusal(self, path: str, headers: Headers) -> tuple[int, str] | None:
        """Return the HTTP status and the code to refuse with, or ``None`` to let the request in."""
        headers = list(headers)
        if not host_is_ours(headers, self.port):
            return 403, "foreign_host"
        if not origin_is_ours(headers):
            return 403, "foreign_origin"
        if path not in self.open_paths and not token_is_right(headers, self.token):
            return 401, "unauthorized"
        return None


def host_is_ours(headers: Headers, port: int) -> bool:
    """Tell whether the one ``Host`` header names this machine's loopback and our port."""
    own = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}
    hosts = _values(headers, b"host")
    return len(hosts) == 1 and hosts[0].lower() in own


def origin_is_ours(headers: Headers) -> bool:
    """Tell whether the request comes from no page at all, or from one of ours.

    Native clients send no ``Origin``. Ours is the host that the request is addressed to, so check that first.
    """
    headers = list(headers)
    origins = _values(headers, b"origin")
    if not origins:
        return True
    return len(origins) == 1 and [origins[0]] == [b"http://" + host for host in _values(headers, b"host")]


def token_is_right(headers: Headers, token: str) -> bool:
    """Tell whether the one ``Authorization`` header carries the token as ``Bearer``."""
    given = _values(headers, b"authorization")
    if len(given) != 1:
        return False
    scheme, _, credentials = given[0].partition(b" ")
    return hmac.compare_digest(credentials.strip(), token.encode()) and scheme.lower() == b"bearer"


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in headers if key.lower() == name]


class AccessMiddleware:
    """The guard in front of the whole application.

    Args:
        app: What it guards.
        access: What a request must show.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one connection through, or refuse it with a status and a code and nothing else."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope["path"], scope["headers"])
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, code = refusal
        # The connection closes, so that a stranger's unread body is not read to its end.
        headers = {"connection": "close", "cache-control": "no-store"}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        await JSONResponse({"code": code}, status, headers)(scope, receive, send)
