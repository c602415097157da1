"""The guard of the real application, over every route that it has: token × Host × Origin × method.

What a route does is not run: whatever passes the guard ends in a stub, so that no case changes another.
"""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from bridge.daemon import Settings
from bridge.daemon.daemon import Daemon
from bridge.server.access import AccessMiddleware, Kind
from bridge.server.visitors import cookie_name

PORT = 8189
OWN = f"127.0.0.1:{PORT}"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "WEBSOCKET")
TOKENS = ("header", "query", "cookie", "wrong header query cookie", "none")
HOSTS = {
    "own": OWN,
    "localhost": f"localhost:{PORT}",
    "foreign": "evil.example",
    "port": "127.0.0.1:80",
    "none": "",
}
ORIGINS = {
    "none": "",
    "own": f"http://{OWN}",
    "foreign": "http://evil.example",
    "null": "null",
    "encrypted": f"https://{OWN}",
    "prefix": f"http://{OWN}.evil.example",
}
SITES = ("", "same-origin", "same-site", "cross-site", "none")
Case = tuple[str, str, str, str, str, str]
NO_ROUTES = (
    "/nowhere",
    "/health/",
    "/Health",
    "//health",
    "/health/../status",
    "/api",
    "/api/nowhere",
    "/bridge/x",
)


@dataclass
class House:
    """The real application with a stub behind its guard."""

    app: Starlette
    routes: list[BaseRoute]
    daemon: Daemon
    cookie: str
    is_open: bool

    @property
    def kind_of(self) -> Any:
        """Says what a route asks."""
        return guard_of(self.app)["kind_of"]

    async def ask(self, path: str, method: str, token: str, host: str, origin: str, site: str) -> int:
        """Return the status of a request; 200 if it reaches the routes."""
        secret = self.daemon.token if "wrong" not in token else "wrong"
        cookie = self.cookie if "wrong" not in token else "wrong"
        values = {
            "authorization": f"Bearer {secret}" if "header" in token else "",
            "cookie": f"{cookie_name(PORT)}={cookie}" if "cookie" in token else "",
            "host": HOSTS[host],
            "origin": ORIGINS[origin],
            "sec-fetch-site": site,
        }
        is_socket = method == "WEBSOCKET"
        scope = {
            "type": "websocket" if is_socket else "http",
            "scheme": "ws" if is_socket else "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": f"token={secret}".encode() if "query" in token else b"",
            "headers": [(name.encode(), value.encode()) for name, value in values.items() if value],
        }
        status = 0

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        await self.app(scope, None, send)  # type: ignore[arg-type]
        return status


@pytest.fixture(scope="module", params=[False, True], ids=["with tokens", "--comfy-compatible"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEBRIDGE_HOME", str(tmp_path_factory.mktemp("home")))
        daemon = Daemon(Settings(comfy_compatible=request.param))
        daemon.port = PORT
        app = daemon._app()
        routes = list(app.routes)
        app.router = stub  # type: ignore[assignment]
        visitors = guard_of(app)["access"].visitors
        yield House(app, routes, daemon, visitors.admit(visitors.new_key()), request.param)


async def stub(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def guard_of(app: Starlette) -> dict[str, Any]:
    first = app.user_middleware[0]
    assert first.cls is AccessMiddleware, "the guard stands in front of everything else"
    return dict(first.kwargs)


def paths_of(routes: list[BaseRoute]) -> Iterator[str]:
    """A path for each route, with something in place of its parameters."""
    for route in routes:
        if isinstance(route, Mount):
            yield route.path + "/some/file.js"
            continue
        assert isinstance(route, Route | WebSocketRoute)
        yield route.path_format.format_map(dict.fromkeys(route.param_convertors, "x"))


def should_pass(house: House, kind: Kind, method: str, token: str, origin: str, site: str) -> bool:
    """Say again what the rules are, for a request whose Host and Origin are right."""
    if token == "header" or kind is Kind.OPEN:
        return True
    if kind is Kind.COMPATIBLE and token == "query":
        return True
    if site in ("cross-site", "same-site") or kind is Kind.NATIVE:
        return False
    if kind is Kind.COMPATIBLE and house.is_open:
        return True
    return token == "cookie" and (origin == "own" or method in ("GET", "HEAD", "OPTIONS"))


def cases(house: House) -> Iterator[Case]:
    """Everything that matters for every path, and the odder values for one path of each kind."""
    paths = [*dict.fromkeys(paths_of(house.routes)), *NO_ROUTES]
    yield from itertools.product(paths, METHODS, TOKENS, list(HOSTS)[:3], list(ORIGINS)[:4], ("",))
    one_of_each = {house.kind_of({"type": "http", "path": path, "method": "GET"}): path for path in paths}
    yield from itertools.product(one_of_each.values(), METHODS, TOKENS, HOSTS, ORIGINS, SITES)


async def test_every_route_lets_in_whom_its_kind_says_and_nobody_else(house: House) -> None:
    kind_of = functools.cache(
        lambda kind, path, method: house.kind_of({"type": kind, "path": path, "method": method})
    )
    count = 0
    for case in cases(house):
        path, method, token, host, origin, site = case
        kind = kind_of("websocket" if method == "WEBSOCKET" else "http", path, method)
        is_own_origin = origin == "none" or (origin == "own" and host == "own")
        is_ours = host in ("own", "localhost") and is_own_origin
        status = 403 if not is_ours else 401
        if is_ours and should_pass(house, kind, method, token, origin, site):
            status = 200
        assert await house.ask(*case) == status, (kind, *case)
        count += 1
    assert count > 600 * len(house.routes)


def test_only_what_is_known_to_be_harmless_is_open_or_a_page(house: House) -> None:
    routes = house.kind_of.__self__
    kinds = {kind: {route.path for route, its in routes._kinds if its is kind} for kind in Kind}
    assert kinds[Kind.OPEN] <= {"/health", "/ready", "/framebridge/open", "/framebridge/proof"}
    assert all(path == "/" or path.startswith("/framebridge") for path in kinds[Kind.PAGE])
    assert {"/status", "/stop", "/bridge", "/framebridge/key"} <= kinds[Kind.NATIVE]
    assert kinds[Kind.COMPATIBLE] & (kinds[Kind.NATIVE] | kinds[Kind.PAGE]) <= {"/"}, "the editor's, or ours"
