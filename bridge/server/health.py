"""Whether the daemon lives, whether it can work, and what it counts: for people, supervisors and Prometheus.

1. Anybody on this machine may ask whether it lives and whether it is ready, and learns only that.
2. Whoever shows the token learns why not, and may have the metrics.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from bridge.jobs import JobService, resident_bytes
from bridge.server.access import IS_TRUSTED
from bridge.server.clients import Clients
from bridge.server.replies import NO_STORE, as_json

MIN_FREE_BYTES = 10**9
"""A disk with less is as good as full: one picture in 8 K with its workflow is 100 MB."""

Checks = Mapping[str, Callable[[], Awaitable[str]]]
"""What must be in order: a name → finds out what is wrong; an empty text if nothing is."""


class Health:
    """Answers these questions.

    Args:
        service: Runs the jobs.
        clients: Who is connected.
        checks: What must be in order besides the worker and the queue's file.
    """

    def __init__(self, service: JobService, clients: Clients, checks: Checks) -> None:
        self._service = service
        self._clients = clients
        self._checks = checks

    async def health(self, request: Request) -> Response:
        """Say that the daemon lives, and nothing else."""
        return as_json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Say whether jobs can be run; with the token also what keeps them from it, and how many wait."""
        problems = {name: problem for name, check in self._checks.items() if (problem := await check())}
        state = self._service.state
        if self._service.queue_problem:
            problems["queue"] = self._service.queue_problem
        if state.worker not in ("ready", "busy"):
            problems["worker"] = f"{state.worker}: {state.detail}" if state.detail else state.worker
        answer: dict[str, Any] = {"status": "not_ready" if problems else "ready"}
        if request.scope.get(IS_TRUSTED):
            answer |= {"problems": problems, "queue_depth": state.queue_remaining}
        code = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return as_json(answer, code)

    async def metrics(self, request: Request) -> Response:
        """Tell everything that is counted, as Prometheus reads it."""
        measured = await self._service.measure()
        state = self._service.state
        figures = {
            "queue_depth": state.queue_remaining,
            "ws_clients": len(self._clients),
            "worker_up": state.worker in ("ready", "busy"),
            "vram_bytes": measured.get("torch_vram_total_bytes", 0.0),
            "rss_bytes": resident_bytes(os.getpid(), self._service.worker_pid),
            "model_cache_hits": measured.get("model_cache_hits", 0.0),
        }
        text = self._service.metrics.text(figures)
        return Response(text, headers={**NO_STORE, "content-type": CONTENT_TYPE_LATEST})


def room_in(*folders: Path) -> Callable[[], Awaitable[str]]:
    """Return a check that the disks of some folders have room."""

    async def check() -> str:
        return await asyncio.to_thread(lambda: next(filter(None, map(_lack_of_room, folders)), ""))

    return check


def _lack_of_room(folder: Path) -> str:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    return f"{free / 1e9:.1f} GB are free in {folder}" if free < MIN_FREE_BYTES else ""
