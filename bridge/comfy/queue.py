"""``/queue``, ``/interrupt`` and ``/free``: what runs and waits, and ending it.

Unlike ComfyUI, what waits is listed in the order of its turns. Jobs of other clients than those of this API
are neither listed nor ended here.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.comfy.bodies import read_object
from bridge.comfy.hub import PREFIX
from bridge.errors import BridgeError
from bridge.jobs import JobRecord, JobService
from bridge.server import as_json


def item(record: JobRecord) -> list[Any]:
    """Return a job as ComfyUI lists it."""
    extra: dict[str, Any] = {"create_time": int(record.queued_at * 1000)}
    if record.extra:
        extra["extra_pnginfo"] = record.extra
    if client_id := record.session.removeprefix(PREFIX):
        extra["client_id"] = client_id
    return [record.number, record.id, record.prompt, extra, list(record.outputs)]


class QueueDesk:
    """Answers about the queue.

    Args:
        service: Has it.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._freeing: set[asyncio.Task[None]] = set()

    async def get(self, request: Request) -> Response:
        """List the jobs that run and wait."""
        told = {
            "queue_running": [item(record) for record in self._live("running")],
            "queue_pending": [item(record) for record in self._live("waiting")],
        }
        return await asyncio.to_thread(as_json, told)  # workflows may be large, and many

    async def post(self, request: Request) -> Response:
        """Take jobs that wait out of the queue: all, or those named."""
        data = await read_object(request)
        waiting = [record.id for record in self._live("waiting")]
        if data.get("clear"):
            await cancel(self._service, waiting)
        named = data.get("delete")
        if isinstance(named, list):
            names = {name for name in named if isinstance(name, str)}  # may be thousands, as what waits
            await cancel(self._service, [job for job in waiting if job in names])
        return Response()

    async def interrupt(self, request: Request) -> Response:
        """End what runs; where a prompt is named, only that one."""
        named = (await read_object(request)).get("prompt_id")
        running = [record.id for record in self._live("running") if named in (None, "", record.id)]
        await cancel(self._service, running)
        return Response()

    async def free(self, request: Request) -> Response:
        """Give memory back once nothing runs; the answer does not wait for it."""
        data = await read_object(request)
        if data.get("unload_models") or data.get("free_memory"):
            task = asyncio.create_task(self._service.free())
            self._freeing.add(task)
            task.add_done_callback(self._freeing.discard)
        return Response()

    def _live(self, state: str) -> list[JobRecord]:
        return [job for job in self._service.jobs() if job.state == state and is_ours(job)]


async def cancel(service: JobService, job_ids: Sequence[str]) -> list[str]:
    """End jobs that run or wait; return those for which it was not too late."""
    cancelled = []
    for job_id in job_ids:
        with contextlib.suppress(BridgeError):  # it has been forgotten meanwhile
            if await service.cancel("", job_id):
                cancelled.append(job_id)
    return cancelled


def is_ours(record: JobRecord | None) -> bool:
    """Whether a job belongs to a client of this API."""
    return record is not None and record.session.startswith(PREFIX)


def meta(record: JobRecord) -> Mapping[str, Any]:
    """Return which nodes show something, as the history has it."""
    return {
        node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
        for node_id in record.shown
    }
