"""ComfyUI's own graph editor, served from the package that the extra ``framebridge[editor]`` brings.

1. The package is a static site; nothing of it is changed, and none of it is part of ours (it is GPL-3.0).
2. The page may load and ask nothing but this daemon: it reaches no other server, whatever it tries.
"""

import asyncio
import importlib.util
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bridge.comfy.pack_files import pack_scripts
from bridge.comfy.places import below
from bridge.jobs import JobService
from bridge.server import as_json

PACKAGE = "comfyui_frontend_package"

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # it compiles its own templates
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
}
"""Of files that a browser refuses under another type; Windows may have others in its registry."""


def editor_folder() -> Path | None:
    """Return the folder of the editor; ``None`` where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / "static"
    return folder if (folder / "index.html").is_file() else None


def editor_routes(folder: Path, service: JobService) -> list[BaseRoute]:
    """Return the routes of the editor's own files; its page is ``/``.

    Args:
        folder: See ``editor_folder``.
        service: Knows the packs of nodes, which may bring scripts.
    """
    own = sorted(f"/{path.relative_to(folder).as_posix()}" for path in folder.glob("extensions/**/*.js"))

    async def page(request: Request) -> Response:
        headers = {"cache-control": "no-cache", "content-security-policy": POLICY}
        return FileResponse(folder / "index.html", media_type="text/html", headers=headers)

    async def extensions(request: Request) -> Response:
        return as_json([*own, *await asyncio.to_thread(pack_scripts, service.packs)])

    async def extension(request: Request) -> Response:
        pack, name = request.path_params["pack"], request.path_params["name"]
        web = service.packs.get(pack, {}).get("web")
        path = below(Path(web), name) if web else below(folder / "extensions", f"{pack}/{name}")
        if not path.is_file():
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {path.name}")
        return FileResponse(path, media_type=_TYPES.get(path.suffix))

    async def style(request: Request) -> Response:
        return Response(media_type="text/css")  # the editor asks for it; nobody's style is changed here

    return [
        Route("/", page),
        Route("/user.css", style),
        Route("/extensions", extensions),
        Route("/api/extensions", extensions),
        Route("/extensions/{pack}/{name:path}", extension),
        *(
            _served(path)
            for path in sorted(folder.iterdir())
            if path.name not in ("index.html", "extensions")
        ),
    ]


def _served(path: Path) -> BaseRoute:
    if path.is_dir():
        return Mount(f"/{path.name}", _Assets(directory=path))

    async def file(request: Request) -> Response:
        return FileResponse(path, media_type=_TYPES.get(path.suffix))

    return Route(f"/{path.name}", file)


class _Assets(StaticFiles):
    """Files whose type does not depend on the system."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        media_type = _TYPES.get(Path(path).suffix)
        if media_type:
            response.headers["content-type"] = f"{media_type}; charset=utf-8"
        return response
