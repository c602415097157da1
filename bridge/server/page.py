"""Our own page: what the daemon is doing, for whoever was let in (``Kind.PAGE``).

1. The page is three files that never change and hold nothing; what they show comes as JSON. No script or
   style is in the page itself, so that its policy can forbid both, whatever a prompt or a name says.
2. Names of sessions, and of streams, are secrets of their clients: the page gets short digests of them.
3. The daemon decodes no picture: raw ones are drawn by the page, the others by the browser.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bridge import __version__
from bridge.jobs import History, JobRecord, JobService, LiveStream
from bridge.protocol import Plane, Result
from bridge.server.clients import Clients
from bridge.server.replies import NO_STORE, as_bytes, as_json, whole_number

PAGE_PATH = "/framebridge"

MAX_TITLE = 120
HISTORY_PAGE = 24
"""Jobs of the history in one answer, unless another number is asked for."""

MOST_LISTED = 500
"""And the most."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:"
    "; require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    **NO_STORE,
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
_FILES = {
    "": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_PICTURE_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

Names = Mapping[str, Sequence[str]]


class Page:
    """Answers what the page asks.

    Args:
        service: Runs the jobs.
        clients: Who is connected.
        models: Lists the models of each kind; reads the disk.
    """

    def __init__(
        self, service: JobService, clients: Clients, models: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._service = service
        self._clients = clients
        self._models = models

    @property
    def routes(self) -> list[BaseRoute]:
        """Its routes, but for ``/``."""
        return [
            *(Route(PAGE_PATH + path, _file(*file)) for path, file in _FILES.items()),
            Route(f"{PAGE_PATH}/now", self.now),
            Route(f"{PAGE_PATH}/history", self.history),
            Route(f"{PAGE_PATH}/models", self.models),
            Route(f"{PAGE_PATH}/result/{{job:path}}", self.result),
            Route(f"{PAGE_PATH}/stream/{{stream}}", self.stream),
            Route(f"{PAGE_PATH}/cancel/{{job:path}}", self.cancel, methods=["POST"]),
            Route(f"{PAGE_PATH}/forget", self.forget, methods=["POST"]),
            Route(f"{PAGE_PATH}/forget/{{job:path}}", self.forget, methods=["POST"]),
        ]

    @property
    def root(self) -> Route:
        """The page where people look for it first, unless somebody else has taken the place."""
        return Route("/", _file(*_FILES[""]))

    async def now(self, request: Request) -> Response:
        """Say what runs, what waits, and who is here."""
        state, streams, jobs = self._service.state, self._service.live_streams, self._service.jobs()
        newest = await asyncio.to_thread(self._service.history.page, 1, newest_first=True)
        return as_json(
            {
                "version": __version__,
                "worker": state.worker,
                "detail": state.detail,
                "device": state.device,
                "memory": await self._service.measure(),
                "jobs": [_live_job(job) for job in jobs],
                "streams": [_live_stream(stream) for stream in streams],
                "sessions": [
                    {
                        "id": _short(session),
                        "program": program,
                        "jobs": sum(job.session == session for job in jobs),
                        "streams": sum(stream.session == session for stream in streams),
                    }
                    for session, program in self._clients.programs.items()
                ],
                "newest": newest[0].id if newest else "",
                "history": self._service.history.size(),
            }
        )

    async def history(self, request: Request) -> Response:
        """List jobs that have ended, newest first, one page of them.

        ``before``, which is the ``next`` of one page, leads to the next, whatever ends or is forgotten
        meanwhile; ``offset`` counts from the newest.
        """
        limit = min(whole_number(request, "limit", 1, HISTORY_PAGE), MOST_LISTED)
        offset = whole_number(request, "offset", 0, 0)
        before = whole_number(request, "before", 1, None)
        return await self._service.read_history(lambda history: _listed(history, limit, offset, before))

    async def models(self, request: Request) -> Response:
        """List the models of each kind that has any."""
        found: Names = (await asyncio.to_thread(self._models)).get("models", {})
        return as_json({"models": {kind: list(names) for kind, names in found.items() if names}})

    async def result(self, request: Request) -> Response:
        """Give the first picture that a job has handed to its host."""
        results = await self._service.results("", request.path_params["job"])
        return _picture(results[0] if results else None)

    async def stream(self, request: Request) -> Response:
        """Give the newest picture of a live stream."""
        wanted = request.path_params["stream"]
        return _picture(
            next((stream.shown for stream in self._service.live_streams if _key(stream) == wanted), None)
        )

    async def cancel(self, request: Request) -> Response:
        """Cancel anybody's job."""
        return as_json({"cancelled": await self._service.cancel("", request.path_params["job"])})

    async def forget(self, request: Request) -> Response:
        """Remove a job from the history, or all that have ended."""
        job = request.path_params.get("job")
        return as_json({"forgotten": await self._service.forget(None if job is None else [job])})


def title_of(prompt: Mapping[str, Any]) -> str:
    """Return the first text that a workflow's nodes are given, or what makes its picture."""
    nodes = [node for node in prompt.values() if isinstance(node, Mapping)]
    inputs = [node["inputs"] for node in nodes if isinstance(node.get("inputs"), Mapping)]
    for name in ("text", "prompt", "positive", "value"):
        for given in inputs:
            text = given.get(name)
            if isinstance(text, str) and text.strip():
                return " ".join(text.split())[:MAX_TITLE]
    kinds = [str(node.get("class_type", "")) for node in nodes]
    return kinds[-1][:MAX_TITLE] if kinds else "nothing"


def _listed(history: History, limit: int, offset: int, before: int | None) -> Response:
    """Read and write what may be many jobs."""
    jobs = history.page(limit, offset, before=before, newest_first=True)
    last = jobs[-1].ending if jobs else 0
    return as_json(
        {
            "jobs": [_ended_job(job) for job in jobs],
            "size": history.size(),
            "next": last if history.size(before=last) else None,
        }
    )


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    data = (files("bridge.server") / "web" / name).read_bytes()

    async def answer(request: Request) -> Response:
        return Response(data, media_type=media_type, headers=_HEADERS)

    return answer


def _live_job(job: JobRecord) -> dict[str, Any]:
    return {
        "id": job.id,
        "session": _short(job.session),
        "title": title_of(job.prompt),
        "state": job.state,
        "queued_at": job.queued_at,
        "began_at": job.began_at,
    }


def _ended_job(job: JobRecord) -> dict[str, Any]:
    return {
        "id": job.id,
        "session": _short(job.session),
        "title": title_of(job.prompt),
        "state": job.state,
        "ended_at": job.ended_at,
        "seconds": job.timings.get("run", max(job.ended_at - job.began_at, 0.0) if job.began_at else 0.0),
        "pictures": [_address(picture) for picture in _pictures(job)],
        "problem": job.problems[0].message if job.problems else "",
    }


def _pictures(job: JobRecord) -> list[Mapping[str, Any]]:
    """Return the pictures in folders that a job shows."""
    shown = [entry for outputs in job.shown.values() for entry in outputs.get("images", ())]
    return [entry for entry in shown if isinstance(entry, Mapping) and "filename" in entry]


def _address(picture: Mapping[str, Any]) -> str:
    names = ("filename", "subfolder", "type")
    return "/view?" + urlencode({name: str(picture.get(name, "")) for name in names})


def _live_stream(stream: LiveStream) -> dict[str, Any]:
    return {
        "id": _key(stream),
        "session": _short(stream.session),
        "title": title_of(stream.prepared.workflow),
        "frame": stream.shown.frame if stream.shown else 0,
        "problem": stream.refusal.message if stream.refusal else "",
    }


def _picture(result: Result | None) -> Response:
    """Answer with a picture: raw bytes whose shape a header tells, or a file of a kind that browsers know.

    Raises:
        HTTPException: 404 if there is none that can be shown.
    """
    plane: Plane | None = result.planes[0] if result and result.planes else None
    if plane and plane.codec == "raw" and plane.dtype == "u8":
        shape = ",".join(map(str, plane.shape))
        headers = {**_HEADERS, "x-shape": shape}
        return as_bytes(plane.data, "application/octet-stream", headers)
    if plane and plane.codec in _PICTURE_TYPES:
        return as_bytes(plane.data, _PICTURE_TYPES[plane.codec], _HEADERS)
    raise HTTPException(HTTPStatus.NOT_FOUND, "there is no picture")


def _key(stream: LiveStream) -> str:
    return _short(f"{stream.session}\0{stream.name}")


def _short(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:8]
