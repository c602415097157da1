"""Which routes of ComfyUI there are; each at ``/X`` and at ``/api/X``."""

from collections.abc import Collection, Iterable
from pathlib import Path

from starlette.routing import BaseRoute, Route, WebSocketRoute

from bridge.comfy.etn import etn_routes
from bridge.comfy.history import HistoryDesk
from bridge.comfy.hub import Hub
from bridge.comfy.jobs import JobsDesk
from bridge.comfy.kept_calls import KeptCalls
from bridge.comfy.prompt import PromptDesk
from bridge.comfy.queue import QueueDesk
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
    webhook_folder: Path,
    more: Iterable[Route | WebSocketRoute] = (),
    webhook_hosts: Collection[str] = (),
) -> list[BaseRoute]:
    """Return all routes of ComfyUI's API.

    Args:
        service: Runs the jobs.
        clients: Who is connected to the daemon.
        choices: Lists the names in a folder, for what is said about faults.
        catalogue: The models.
        webhook_folder: Where it is kept which webhooks are still to be called.
        more: Routes beside those about prompts, without ``/api``.
        webhook_hosts: Where results may be sent, besides this machine.
    """
    hub = Hub(service)
    prompts = PromptDesk(service, hub, choices)
    run = RunDesk(service, hub, prompts, Webhooks(webhook_hosts), KeptCalls(webhook_folder))
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
        Route("/prompt", prompts.remaining),
        Route("/prompt", prompts.post, methods=["POST"]),
        Route("/run", run.post, methods=["POST"]),
    ]


def _job_routes(service: JobService, hub: Hub) -> list[Route | WebSocketRoute]:
    queue, history, jobs = QueueDesk(service), HistoryDesk(service, hub), JobsDesk(service, hub)
    return [
        Route("/queue", queue.get),
        Route("/queue", queue.post, methods=["POST"]),
        Route("/interrupt", queue.interrupt, methods=["POST"]),
        Route("/free", queue.free, methods=["POST"]),
        Route("/history", history.get),
        Route("/history", history.post, methods=["POST"]),
        Route("/history/{job}", history.one),
        Route("/jobs", jobs.get),
        Route("/jobs/cancel", jobs.cancel_some, methods=["POST"]),
        Route("/jobs/{job}", jobs.one),
        Route("/jobs/{job}/cancel", jobs.cancel_one, methods=["POST"]),
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
