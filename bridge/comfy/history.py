"""``/history``: jobs that have ended, as ComfyUI's clients read them; oldest first.

A job that was cancelled before it began is not in it, as in ComfyUI.
"""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.comfy.bodies import read_object
from bridge.comfy.hub import PREFIX, Hub
from bridge.comfy.queue import is_ours, item, meta
from bridge.jobs import LIVE_STATES, History, JobRecord, JobService
from bridge.server import as_json, whole_number

MAX_ITEMS = 10_000


class HistoryDesk:
    """Answers about ended jobs.

    Args:
        service: Remembers them.
        hub: Knows what was said about the last ones.
    """

    def __init__(self, service: JobService, hub: Hub) -> None:
        self._service = service
        self._hub = hub

    async def get(self, request: Request) -> Response:
        """List jobs: the last ``max_items``, or as many from ``offset`` on; fewer, if they are large."""
        asked = whole_number(request, "max_items", -1, MAX_ITEMS)
        limit, offset = max(0, min(asked, MAX_ITEMS)), whole_number(request, "offset", -1, -1)
        return await self._service.read_history(lambda history: self._answer(history, limit, offset))

    async def one(self, request: Request) -> Response:
        """Show one job; nothing if there is none, or it has not ended."""
        record = self._service.record(request.path_params["job"])
        if record is None or not is_ours(record) or record.state in LIVE_STATES or not record.began_at:
            return as_json({})
        return as_json({record.id: self._entry(record)})

    async def post(self, request: Request) -> Response:
        """Forget jobs: all, or those named."""
        data = await read_object(request)
        if data.get("clear"):
            await self._service.forget(None, PREFIX)
        named = data.get("delete")
        if isinstance(named, list):
            await self._service.forget({job for job in named if isinstance(job, str)}, PREFIX)
        return Response()

    def _answer(self, history: History, limit: int, offset: int) -> Response:
        """Read and write what may be many jobs."""
        records = _page(history, limit, offset)
        return as_json({record.id: self._entry(record) for record in records if record.began_at})

    def _entry(self, record: JobRecord) -> dict[str, Any]:
        is_done = record.state == "done"
        return {
            "prompt": item(record),
            "outputs": record.shown,
            "status": {
                "status_str": "success" if is_done else "error",
                "completed": is_done,
                "messages": list(self._hub.milestones(record)),
            },
            "meta": meta(record),
        }


def _page(history: History, limit: int, offset: int) -> Sequence[JobRecord]:
    if offset >= 0:
        return history.page(limit, offset, session_prefix=PREFIX)
    return history.page(limit, newest_first=True, session_prefix=PREFIX)[::-1]
