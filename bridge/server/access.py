"""Who may talk to the daemon: nobody who cannot name it exactly and show what lets it in.

1. The check runs before routing, and denies by default: a path that does not exist answers a stranger like
   one that does, and a new route is closed until it is registered as something else (``Kind``).
2. HTTP requests of every method and WebSocket upgrades are checked alike; anything else is refused.
3. The ``Host`` header must name this machine and port. A page that points its own name at 127.0.0.1
   (DNS rebinding) still sends its own name.
4. An ``Origin`` header means a browser speaks for a page; only a page that we served may.
5. The token is compared in constant time. It never reaches a log or an answer, and a URL only on compatible
   routes, whose handlers do not see it.
6. What a browser sends by itself, a cookie or nothing at all, counts only where the browser, if it says so,
   acts for a page of ours (``Sec-Fetch-Site``), and a cookie changes things only with our ``Origin``.
7. A header, or a token in a query, given twice is refused, because two readers could disagree.
8. Who shows nothing where nothing is asked keeps no connection: it is closed after the answer.
"""

import functools
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.server.refusal import refusal
from bridge.server.visitors import Visitors

Headers = Iterable[tuple[bytes, bytes]]
"""Header lines as ASGI hands them over."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

IS_TRUSTED = "framebridge.is_trusted"
"""Key of the scope: whether the request showed what it takes; on open routes it need not."""

MAX_QUERY_PARTS = 1000

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Kind(Enum):
    """What a route asks of whoever wants in; each lets in what the one below it does."""

    OPEN = auto()
    """Nothing but our Host and no foreign Origin."""
    COMPATIBLE = auto()
    """The token by header or query, or the cookie of our page; nothing, if the user has said so."""
    PAGE = auto()
    """The token by header, or the cookie of our page."""
    NATIVE = auto()
    """The token by header."""


@dataclass(frozen=True, slots=True)
class Address:
    """One way to name the daemon.

    Args:
        port: The port.
        names: Names and addresses of this machine, lower case, IPv6 in brackets.
        is_encrypted: Whether it is reached by TLS.
    """

    port: int
    names: tuple[str, ...] = LOOPBACK_NAMES
    is_encrypted: bool = False

    @property
    def scheme(self) -> str:
        """Of its pages."""
        return "https" if self.is_encrypted else "http"

    @property
    def hosts(self) -> frozenset[bytes]:
        """What a ``Host`` header may say; browsers leave the scheme's own port out."""
        return _hosts(self)


@functools.lru_cache(8)
def _hosts(address: Address) -> frozenset[bytes]:
    usual = 443 if address.is_encrypted else 80
    endings = (f":{address.port}", "") if address.port == usual else (f":{address.port}",)
    return frozenset((name + ending).encode() for name in address.names for ending in endings)


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must show.

    Args:
        token: The secret of this run of the daemon.
        port: The port that the daemon listens on at loopback.
        outside: How other machines reach it; ``None`` if they do not.
        is_compatible_open: Compatible routes need no token from this machine.
        visitors: The browsers that have been let in.
    """

    token: str = field(repr=False)
    port: int
    outside: Address | None = None
    is_compatible_open: bool = False
    visitors: Visitors = field(default_factory=Visitors, repr=False)

    def refusal(self, scope: Scope, kind_of: Callable[[Scope], Kind]) -> tuple[int, str] | None:
        """Return the HTTP status and the code to refuse with, or ``None`` to let the request in.

        Args:
            scope: The request.
            kind_of: Says what the route asks that it would reach; called only where that matters.
        """
        address = self.outside if scope.get("scheme") in ("https", "wss") else Address(self.port)
        headers = list(scope["headers"])
        if address is None or not host_is_ours(headers, address):
            return 403, "foreign_host"
        if not origin_is_ours(headers, address.scheme):
            return 403, "foreign_origin"
        is_let_in = token_is_right(headers, self.token) or self._is_enough(scope, kind_of(scope), address)
        return None if is_let_in else (401, "unauthorized")

    def _is_enough(self, scope: Scope, kind: Kind, address: Address) -> bool:
        """Tell whether a request without the token in its header shows what a route of this kind asks."""
        headers = list(scope["headers"])
        if kind in (Kind.OPEN, Kind.NATIVE):
            return kind is Kind.OPEN
        if kind is Kind.COMPATIBLE and query_token_is_right(scope["query_string"], self.token):
            return True
        if not _is_by_our_page(headers):
            return False
        if kind is Kind.COMPATIBLE and self.is_compatible_open and not address.is_encrypted:
            return True
        return self._is_visitor(scope, headers)

    def _is_visitor(self, scope: Scope, headers: Headers) -> bool:
        is_safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        has_origin = bool(_values(headers, b"origin"))
        return (is_safe or has_origin) and self.visitors.knows(_values(headers, b"cookie"), self.port)


def host_is_ours(headers: Headers, address: Address) -> bool:
    """Tell whether the one ``Host`` header names this machine and our port."""
    hosts = _values(headers, b"host")
    return len(hosts) == 1 and hosts[0].lower() in address.hosts


def origin_is_ours(headers: Headers, scheme: str = "http") -> bool:
    """Tell whether the request comes from no page at all, or from one of ours.

    Native clients send no ``Origin``. Ours is the host that the request is addressed to, so check that first.
    """
    headers = list(headers)
    origins = _values(headers, b"origin")
    if not origins:
        return True
    own = [scheme.encode() + b"://" + host for host in _values(headers, b"host")]
    return len(origins) == 1 and [origins[0]] == own


def token_is_right(headers: Headers, token: str) -> bool:
    """Tell whether the one ``Authorization`` header carries the token as ``Bearer``."""
    given = _values(headers, b"authorization")
    if len(given) != 1:
        return False
    scheme, _, credentials = given[0].partition(b" ")
    return hmac.compare_digest(credentials.strip(), token.encode()) and scheme.lower() == b"bearer"


def query_token_is_right(query: bytes, token: str) -> bool:
    """Tell whether the one ``token`` of a query is ours."""
    given = [value for name, value in _pairs(query) if name == "token"]
    return len(given) == 1 and hmac.compare_digest(given[0].encode("latin-1"), token.encode())


def without_token(query: bytes) -> bytes:
    """Return a query without its token, for whoever comes after the guard."""
    pairs = _pairs(query)
    kept = [(name, value) for name, value in pairs if name != "token"]
    return query if kept == pairs else urlencode(kept, encoding="latin-1").encode()


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        text = query.decode("latin-1")
        return parse_qsl(text, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_QUERY_PARTS)
    except ValueError:  # more parts than that
        return []


def _is_by_our_page(headers: Headers) -> bool:
    """Tell whether the browser, if it is one that tells, acts for a page of ours or for its user."""
    return all(value in (b"same-origin", b"none") for value in _values(headers, b"sec-fetch-site"))


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in headers if key.lower() == name]


class AccessMiddleware:
    """The guard in front of the whole application.

    Args:
        app: What it guards.
        access: What a request must show.
        kind_of: Says what the route asks that a request would reach.
        on_refusal: Called when one is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        kind_of: Callable[[Scope], Kind],
        on_refusal: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._access = access
        self._kind_of = kind_of
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one connection through, or refuse it with a status and a code and nothing else."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        reason = self._access.refusal(scope, self._kind_of)
        if reason is not None:
            self._on_refusal()
            await refusal(*reason, scope)(scope, receive, send)
            return
        scope[IS_TRUSTED] = token_is_right(scope["headers"], self._access.token)
        is_stranger = not scope[IS_TRUSTED] and self._kind_of(scope) is Kind.OPEN
        scope["query_string"] = without_token(scope["query_string"])
        await self._app(scope, receive, _closing(send) if is_stranger else send)


def _closing(send: Send) -> Send:
    """Send an answer after which the connection ends (rule 8)."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return send_last
