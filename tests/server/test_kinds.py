from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from bridge.server.access import Kind
from bridge.server.kinds import RouteKinds

ANSWER = PlainTextResponse("x")
KINDS = RouteKinds(
    [
        (Kind.OPEN, [Route("/health", ANSWER)]),
        (Kind.NATIVE, [Route("/stop", ANSWER, methods=["POST"])]),
        (Kind.COMPATIBLE, [Route("/view/{name}", ANSWER), WebSocketRoute("/ws", ANSWER), Mount("/", ANSWER)]),
    ]
)


def kind_of(path: str, method: str = "GET", kind: str = "http") -> Kind:
    scope: dict[str, Any] = {"type": kind, "path": path, "method": method, "headers": []}
    return KINDS.kind_of(scope)


def test_routes_are_of_the_kind_they_were_registered_as() -> None:
    assert kind_of("/health") is Kind.OPEN
    assert kind_of("/view/a") is Kind.COMPATIBLE
    assert kind_of("/ws", kind="websocket") is Kind.COMPATIBLE


def test_first_route_that_knows_the_path_decides_whatever_the_method() -> None:
    assert kind_of("/stop", "POST") is Kind.NATIVE
    assert kind_of("/stop", "GET") is Kind.NATIVE, "though the mount behind it would answer"


def test_what_no_route_answers_may_be_asked_for_by_compatible_clients() -> None:
    kinds = RouteKinds([(Kind.OPEN, [Route("/health", ANSWER)])])
    for path in ("/health/", "//health", "/Health", "/", "/healthy"):
        assert (
            kinds.kind_of({"type": "http", "path": path, "method": "GET", "headers": []}) is Kind.COMPATIBLE
        )
    assert kinds.kind_of({"type": "websocket", "path": "/health", "headers": []}) is Kind.NATIVE
    assert kinds.kind_of({"type": "webtransport", "path": "/health", "headers": []}) is Kind.NATIVE
