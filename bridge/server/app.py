"""The application: which routes there are, and who may reach them.

Every route says what it asks of whoever wants in (``Kind``). Whatever is added later, here or by a benchmark,
is behind the same guard: it stands in front of the routing.
"""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from bridge import __version__
from bridge.client import PROOF_PATH
from bridge.errors import BridgeError
from bridge.jobs import JobService
from bridge.server.access import Access, AccessMiddleware, Kind
from bridge.server.bodies import BodyMiddleware
from bridge.server.clients import Clients
from bridge.server.entrance import ENTRANCE_PATH, Entrance
from bridge.server.faults import tell_bridge_error, tell_bug, tell_http_error
from bridge.server.health import Checks, Health
from bridge.server.kinds import RouteKinds
from bridge.server.page import Page
from bridge.server.replies import as_json
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
    socket = BridgeSocket(service, clients, answers or {}, handlers)
    entrance = Entrance(access)
    health = Health(service, clients, checks or {})
    page = Page(service, clients, (answers or {}).get("models", dict))
    kinds = RouteKinds(
        [
            (Kind.OPEN, _open_routes(health, entrance)),
            (Kind.NATIVE, _native_routes(health, entrance, Pages(service, clients, stop))),
            (Kind.NATIVE, [WebSocketRoute(SOCKET_PATH, socket.serve), *routes]),
            (Kind.PAGE, page.routes),
            (Kind.COMPATIBLE, compatible),
            (Kind.PAGE, [page.root]),
        ]
    )
    guard = Middleware(
        AccessMiddleware, access=access, kind_of=kinds.kind_of, on_refusal=service.metrics.refused
    )
    return Starlette(
        routes=kinds.routes,
        middleware=[guard, Middleware(BodyMiddleware)],
        exception_handlers={
            HTTPException: tell_http_error,
            BridgeError: tell_bridge_error,
            Exception: tell_bug,
        },
    )


def _open_routes(health: Health, entrance: Entrance) -> list[BaseRoute]:
    return [
        Route("/health", health.health),
        Route("/ready", health.ready),
        Route(PROOF_PATH, entrance.prove),
        Route(ENTRANCE_PATH, entrance.enter),
    ]


def _native_routes(health: Health, entrance: Entrance, pages: "Pages") -> list[BaseRoute]:
    return [
        Route("/status", pages.status),
        Route("/metrics", health.metrics),
        Route("/stop", pages.stop, methods=["POST"]),
        Route("/framebridge/key", entrance.new_key, methods=["POST"]),
    ]


class Pages:
    """The few things to ask over plain HTTP."""

    def __init__(self, service: JobService, clients: Clients, stop: Callable[[], None]) -> None:
        self._service = service
        self._clients = clients
        self._stop = stop

    async def status(self, request: Request) -> Response:
        """Say what the daemon is doing."""
        return as_json({"version": __version__, "clients": len(self._clients), **self._service.status()})

    async def stop(self, request: Request) -> Response:
        """Leave, once this is answered."""
        logger.info("asked to stop")
        self._stop()
        jobs = self._service.state.queue_remaining
        return as_json({"status": "stopping", "jobs": jobs}, HTTPStatus.ACCEPTED)
