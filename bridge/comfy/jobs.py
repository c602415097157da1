"""``/jobs``: jobs in any state in one list, as newer clients of ComfyUI read them, and cancelling them by id.

1. A job waits (``pending``), runs (``in_progress``), or has ended: ``completed``, ``failed``, ``cancelled``.
2. Cancelling is by id, and one that has ended already, or never was, stays as it is.
3. Of ended jobs the newest ``MAX_LISTED`` can be listed, but none that was cancelled before it began, as in
   ``/history``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.comfy.bodies import read_object
from bridge.comfy.hub import PREFIX, Hub
from bridge.comfy.queue import cancel, is_ours, item, meta
from bridge.errors import BridgeError
from bridge.jobs import History, JobRecord, JobService
from bridge.server import as_json, whole_number

MAX_LISTED = 1000

STATUSES = {
    "waiting": "pending",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""Our state → ComfyUI's status."""

ENDED = frozenset({"completed", "failed", "cancelled"})

_SHOWN_AS_PREVIEW = ("images", "video", "audio")


class JobsDesk:
    """Answers about jobs in any state.

    Args:
        service: Has them.
        hub: Knows what was said about the last ones.
    """

    def __init__(self, service: JobService, hub: Hub) -> None:
        self._service = service
        self._hub = hub

    async def get(self, request: Request) -> Response:
        """List jobs."""
        asked = request.query_params
        wanted = _statuses(asked.get("status"))
        is_descending = _one_of(asked, "sort_order", ("desc", "asc")) == "desc"
        sort_by = _one_of(asked, "sort_by", ("created_at", "execution_duration"))
        limit, offset = whole_number(request, "limit", 1, None), whole_number(request, "offset", 0, 0)
        ended = await self._service.read_history(self._ended) if wanted & ENDED else []
        live = [self.summary(record) for record in self._service.jobs() if is_ours(record)]
        jobs = [job for job in (*live, *ended) if job["status"] in wanted]
        if workflow_id := asked.get("workflow_id"):
            jobs = [job for job in jobs if job.get("workflow_id") == workflow_id]
        jobs.sort(key=_duration if sort_by == "execution_duration" else _created, reverse=is_descending)
        page = jobs[offset:][:limit]
        shown = {"offset": offset, "limit": limit or len(page), "total": len(jobs)}
        has_more = offset + len(page) < len(jobs)
        return as_json({"jobs": page, "pagination": {**shown, "has_more": has_more}})

    async def one(self, request: Request) -> Response:
        """Show one job with its workflow and what it shows."""
        record = self._service.record(request.path_params["job"])
        if record is None or not is_ours(record):
            raise BridgeError(
                "there is no such job", code="job_not_found", hint="GET /jobs lists what is known."
            )
        _, _, prompt, extra, _ = item(record)
        told = {**self.summary(record), "workflow": {"prompt": prompt, "extra_data": extra}}
        if record.ended_at:
            told |= {"outputs": record.shown, "execution_meta": meta(record)}
            told["execution_status"] = {"messages": list(self._hub.milestones(record))}
        return as_json(told)

    async def cancel_one(self, request: Request) -> Response:
        """Cancel a job; tell whether it was not too late."""
        return as_json({"cancelled": bool(await self._cancel([request.path_params["job"]]))})

    async def cancel_some(self, request: Request) -> Response:
        """Cancel the jobs named; tell which were not too late."""
        named = (await read_object(request)).get("job_ids")
        if not isinstance(named, list) or not all(isinstance(job, str) for job in named):
            raise BridgeError("job_ids is no list of ids", code="bad_value", hint='Send {"job_ids": ["…"]}.')
        cancelled = await self._cancel(named)
        return as_json({"cancelled": bool(cancelled), "job_ids": cancelled})

    def summary(self, record: JobRecord) -> dict[str, Any]:
        """Return what a list says about a job."""
        count, preview = _outputs(record.shown)
        told: dict[str, Any] = {
            "id": record.id,
            "status": STATUSES[record.state],
            "priority": record.number,
            "create_time": int(record.queued_at * 1000),
            "execution_start_time": int(record.began_at * 1000) or None,
            "execution_end_time": int(record.ended_at * 1000) or None,
            "execution_error": self._failure(record),
            "preview_output": preview,
            "workflow_id": _workflow_id(record.extra),
        }
        return {"outputs_count": count, **{name: value for name, value in told.items() if value is not None}}

    def _failure(self, record: JobRecord) -> Mapping[str, Any] | None:
        if record.state != "failed":
            return None
        milestones = self._hub.milestones(record)
        return next((data for kind, data in reversed(milestones) if kind == "execution_error"), None)

    def _ended(self, history: History) -> list[dict[str, Any]]:
        records = history.newest(MAX_LISTED, PREFIX)
        return [self.summary(each) for each in records if each.began_at or each.state != "cancelled"]

    async def _cancel(self, job_ids: Sequence[str]) -> list[str]:
        return await cancel(self._service, [job for job in job_ids if is_ours(self._service.record(job))])


def _outputs(shown: Mapping[str, Any]) -> tuple[int, Mapping[str, Any] | None]:
    """Count what nodes show, and choose one of it: saved before temporary, a picture before what is none."""
    files = [
        (kind, {**entry, "nodeId": node_id, "mediaType": kind})
        for node_id, output in shown.items()
        for kind, entries in output.items()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, Mapping)
    ]
    previews = [entry for kind, entry in files if kind in _SHOWN_AS_PREVIEW]
    saved = [entry for entry in previews if entry.get("type") == "output"]
    return len(files), next(iter([*saved, *previews]), None)


def _workflow_id(extra: Mapping[str, Any]) -> str | None:
    workflow = extra.get("workflow")
    found = workflow.get("id") if isinstance(workflow, Mapping) else None
    return found if isinstance(found, str) else None


def _created(job: Mapping[str, Any]) -> float:
    return float(job["create_time"])


def _duration(job: Mapping[str, Any]) -> float:
    return float(job.get("execution_end_time", 0)) - float(job.get("execution_start_time", 0))


def _statuses(asked: str | None) -> set[str]:
    known = set(STATUSES.values())
    wanted = {part.strip() for part in asked.split(",") if part.strip()} if asked else known
    if wanted - known:
        raise BridgeError(
            f"{', '.join(sorted(wanted - known))[:80]} is no status",
            code="bad_value",
            hint=f"Ask for {', '.join(sorted(known))}.",
        )
    return wanted


def _one_of(asked: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    value = asked.get(name) or known[0]
    if value not in known:
        raise BridgeError(
            f"{name} is not {value[:40]}", code="bad_value", hint=f"It is {' or '.join(known)}."
        )
    return value
