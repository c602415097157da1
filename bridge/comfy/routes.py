"""Which routes of ComfyUI there are; each at ``/X`` and at ``/api/X``."""

from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute, Route, WebSocketRoute

from bridge.comfy.history import HistoryDesk
from bridge.comfy.hub import Hub
from bridge.comfy.prompt import PromptDesk
from bridge.comfy.queue import QueueDesk
from bridge.comfy.socket import ComfySocket
from bridge.graph import ChoicesOf
from bridge.jobs import JobService


def comfy_routes(
    service: JobService, choices: ChoicesOf, more: Iterable[Route | WebSocketRoute] = ()
) -> list[BaseRoute]:
    """Return all routes of ComfyUI's API.

    Args:
        service: Runs the jobs.
        choices: Lists the names in a folder, for what is said about faults.
        more: Routes beside those about prompts, without ``/api``.
    """
    hub = Hub(service)
    return twice([*running_routes(service, hub, choices), *more])


def running_routes(service: JobService, hub: Hub, choices: ChoicesOf) -> Sequence[Route | WebSocketRoute]:
    """Return the routes about prompts: to queue, follow, list and end them."""
    prompts, queue, history = PromptDesk(service, hub, choices), QueueDesk(service), HistoryDesk(service, hub)
    return [
        WebSocketRoute("/ws", ComfySocket(hub).serve),
        Route("/prompt", prompts.remaining),
        Route("/prompt", prompts.post, methods=["POST"]),
        Route("/queue", queue.get),
        Route("/queue", queue.post, methods=["POST"]),
        Route("/interrupt", queue.interrupt, methods=["POST"]),
        Route("/free", queue.free, methods=["POST"]),
        Route("/history", history.get),
        Route("/history", history.post, methods=["POST"]),
        Route("/history/{job}", history.one),
    ]


def twice(routes: Iterable[Route | WebSocketRoute]) -> list[BaseRoute]:
    """Return routes, each also below ``/api``."""
    doubled: list[BaseRoute] = []
    for route in routes:
        doubled.append(route)
        if isinstance(route, WebSocketRoute):
            doubled.append(WebSocketRoute(f"/api{route.path}", route.endpoint))
        else:
            methods = sorted((route.methods or set()) - {"HEAD"})
            doubled.append(Route(f"/api{route.path}", route.endpoint, methods=methods))
    return doubled
