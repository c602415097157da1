"""Which routes of ComfyUI there are; each at ``/X`` and at ``/api/X``."""

from collections.abc import Collection, Iterable

from starlette.routing import BaseRoute, Route, WebSocketRoute

from bridge.comfy.etn import etn_routes
from bridge.comfy.history import HistoryDesk
from bridge.comfy.hub import Hub
from bridge.comfy.jobs import JobsDesk
from bridge.comfy.prompt import PromptDesk
from bridge.comfy.queue import QueueDesk
from bridge.comfy.replies import Handler, telling_faults
from bridge.comfy.run import RunDesk
from bridge.comfy.socket import ComfySocket
from bridge.comfy.webhook import Webhooks
from bridge.graph import ChoicesOf
from bridge.jobs import JobService
from bridge.models import Catalogue
from bridge.server import Clients


def comfy_routes(
    service: JobService,
    clients: Clients,
    choices: ChoicesOf,
    catalogue: Catalogue,
    more: Iterable[Route | WebSocketRoute] = (),
    webhook_hosts: Collection[str] = (),
) -> list[BaseRoute]:
    """Return all routes of ComfyUI's API.

    Args:
        service: Runs the jobs.
        clients: Who is connected to the daemon.
        choices: Lists the names in a folder, for what is said about faults.
        catalogue: The models.
        more: Routes beside those about prompts, without ``/api``.
        webhook_hosts: Where results may be sent, besides this machine.
    """
    hub = Hub(service)
    prompts = PromptDesk(service, hub, choices)
    run = RunDesk(service, hub, prompts, Webhooks(webhook_hosts))
    return twice(
        [
            *_prompt_routes(hub, prompts, run, clients),
            *_job_routes(service, hub),
            *etn_routes(hub, catalogue),
            *more,
        ]
    )


def _prompt_routes(
    hub: Hub, prompts: PromptDesk, run: RunDesk, clients: Clients
) -> list[Route | WebSocketRoute]:
    return [
        WebSocketRoute("/ws", ComfySocket(hub, prompts, clients).serve),
        _get("/prompt", prompts.remaining),
        _post("/prompt", prompts.post),
        _post("/run", run.post),
    ]


def _job_routes(service: JobService, hub: Hub) -> list[Route | WebSocketRoute]:
    queue, history, jobs = QueueDesk(service), HistoryDesk(service, hub), JobsDesk(service, hub)
    return [
        _get("/queue", queue.get),
        _post("/queue", queue.post),
        _post("/interrupt", queue.interrupt),
        _post("/free", queue.free),
        _get("/history", history.get),
        _post("/history", history.post),
        _get("/history/{job}", history.one),
        _get("/jobs", jobs.get),
        _post("/jobs/cancel", jobs.cancel_some),
        _get("/jobs/{job}", jobs.one),
        _post("/jobs/{job}/cancel", jobs.cancel_one),
    ]


def _get(path: str, handler: Handler) -> Route:
    return Route(path, telling_faults(handler))


def _post(path: str, handler: Handler) -> Route:
    return Route(path, telling_faults(handler), methods=["POST"])


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
