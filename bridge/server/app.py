"""The application: which routes there are, who may reach them, and how faults are told.

Every route says what it asks of whoever wants in (``Kind``). Whatever is added later, here or by a benchmark,
is behind the same guard: it stands in front of the routing.
"""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from bridge import __version__
from bridge.client import PROOF_PATH
from bridge.errors import BridgeError, Problem, problem_of
from bridge.jobs import JobService
from bridge.server.access import Access, AccessMiddleware, Kind
from bridge.server.bodies import BodyMiddleware
from bridge.server.clients import Clients
from bridge.server.entrance import ENTRANCE_PATH, Entrance
from bridge.server.health import Checks, Health
from bridge.server.kinds import RouteKinds
from bridge.server.page import Page
from bridge.server.requests import Answers, Handlers
from bridge.server.socket import BridgeSocket

logger = logging.getLogger(__name__)

SOCKET_PATH = "/bridge"


def create_app(
    service: JobService,
    access: Access,
    *,
    answers: Answers | None = None,
    handlers: Handlers | None = None,
    clients: Clients | None = None,
    stop: Callable[[], None] = lambda: None,
    routes: Sequence[BaseRoute] = (),
    compatible: Sequence[BaseRoute] = (),
    checks: Checks | None = None,
) -> Starlette:
    """Build the daemon's web application.

    Args:
        service: Runs the jobs.
        access: What a request must show.
        answers: Subjects of ``query`` besides ``nodes`` and ``status``.
        handlers: What somebody else answers.
        clients: Who is connected; for whoever wants to know.
        stop: Called when a client asks the daemon to leave.
        routes: More routes that need the token.
        compatible: Routes of ComfyUI's contract; see ``Kind.COMPATIBLE``.
        checks: What must be in order for ``/ready``, besides the worker.
    """
    clients = clients if clients is not None else Clients()
    pages = Pages(service, clients, stop)
    socket = BridgeSocket(service, clients, answers or {}, handlers)
    entrance = Entrance(access)
    health = Health(service, clients, checks or {})
    page = Page(service, clients, (answers or {}).get("models", dict))
    open_to_all = [
        Route("/health", health.health),
        Route("/ready", health.ready),
        Route(PROOF_PATH, entrance.prove),
        Route(ENTRANCE_PATH, entrance.enter),
    ]
    native = [
        Route("/status", pages.status),
        Route("/metrics", health.metrics),
        Route("/stop", pages.stop, methods=["POST"]),
        Route("/framebridge/key", entrance.new_key, methods=["POST"]),
        WebSocketRoute(SOCKET_PATH, socket.serve),
        *routes,
    ]
    kinds = RouteKinds(
        [
            (Kind.OPEN, open_to_all),
            (Kind.NATIVE, native),
            (Kind.PAGE, page.routes),
            (Kind.COMPATIBLE, compatible),
            (Kind.PAGE, [page.root]),
        ]
    )
    return Starlette(
        routes=kinds.routes,
        middleware=[
            Middleware(
                AccessMiddleware,
                access=access,
                kind_of=kinds.kind_of,
                on_refusal=service.metrics.refused,
            ),
            Middleware(BodyMiddleware),
        ],
        exception_handlers={
            HTTPException: _tell_http_error,
            BridgeError: _tell_bridge_error,
            Exception: _tell_bug,
        },
    )


class Pages:
    """The few things to ask over plain HTTP."""

    def __init__(self, service: JobService, clients: Clients, stop: Callable[[], None]) -> None:
        self._service = service
        self._clients = clients
        self._stop = stop

    async def status(self, request: Request) -> Response:
        """Say what the daemon is doing."""
        return _json({"version": __version__, "clients": len(self._clients), **self._service.status()})

    async def stop(self, request: Request) -> Response:
        """Leave, once this is answered."""
        logger.info("asked to stop")
        self._stop()
        jobs = self._service.state.queue_remaining
        return _json({"status": "stopping", "jobs": jobs}, HTTPStatus.ACCEPTED)


def _json(data: Any, status: int = HTTPStatus.OK) -> Response:
    return JSONResponse(data, status, {"cache-control": "no-store"})


_PHRASES = {
    HTTPStatus.NOT_FOUND: Problem("no_such_route", "there is nothing at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: Problem("wrong_method", "this path is not asked like that"),
}
_CODES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.REQUEST_TIMEOUT: "request_timeout",
}


async def _tell_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(HTTPStatus(error.status_code), "bad_request")
    problem = _PHRASES.get(HTTPStatus(error.status_code), Problem(code, str(error.detail)))
    return _json(_told(problem), error.status_code)


async def _tell_bridge_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BridgeError)
    return _json(_told(error.problem), HTTPStatus.BAD_REQUEST)


async def _tell_bug(request: Request, error: Exception) -> Response:
    return _json(_told(problem_of(error)), HTTPStatus.INTERNAL_SERVER_ERROR)


def _told(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "message": problem.message, "hint": problem.hint}
