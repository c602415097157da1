"""``/internal``: what ComfyUI's editor asks for itself: log, folders, newest files."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.client import last_lines
from bridge.comfy.bodies import nothing
from bridge.comfy.places import Folders
from bridge.graph import PICTURE_FOLDERS
from bridge.models import FOLDERS, Catalogue
from bridge.server import as_json

MAX_LOG_BYTES = 64 * 1024
"""Of the log's end; it names no prompts and no tokens."""

MAX_FILES = 10_000


def internal_routes(folders: Folders, catalogue: Catalogue, log: Path) -> list[Route]:
    """Return the routes for the editor alone.

    Args:
        folders: Of pictures.
        catalogue: Of models.
        log: The daemon's log file; need not exist.
    """
    desk = EditorDesk(folders, catalogue, log)
    return [
        Route("/internal/logs", desk.logs),
        Route("/internal/logs/raw", desk.raw_logs),
        Route("/internal/logs/subscribe", desk.subscribe, methods=["PATCH"]),
        Route("/internal/folder_paths", desk.folder_paths),
        Route("/internal/files/{folder}", desk.files),
    ]


class EditorDesk:
    """Answers the editor."""

    def __init__(self, folders: Folders, catalogue: Catalogue, log: Path) -> None:
        self._folders = folders
        self._catalogue = catalogue
        self._log = log

    async def logs(self, request: Request) -> Response:
        """Answer with the end of the log."""
        return as_json(
            "".join(f"{line}\n" for line in await asyncio.to_thread(last_lines, self._log, MAX_LOG_BYTES))
        )

    async def raw_logs(self, request: Request) -> Response:
        """Answer with the end of the log as a terminal shows it."""
        lines = await asyncio.to_thread(last_lines, self._log, MAX_LOG_BYTES)
        return as_json({"entries": [{"t": "", "m": f"{line}\n"} for line in lines], "size": _SIZE})

    async def subscribe(self, request: Request) -> Response:
        """Agree; whoever wants to see more of the log asks again."""
        return nothing(HTTPStatus.OK)

    async def folder_paths(self, request: Request) -> Response:
        """Answer with where each kind of models lies."""
        roots = [str(folder.path) for folder in self._catalogue.folders]
        return as_json(dict.fromkeys(FOLDERS, roots))

    async def files(self, request: Request) -> Response:
        """Answer with the names in a folder of pictures, the newest first."""
        folder = request.path_params["folder"]
        if folder not in PICTURE_FOLDERS:
            return as_json({"error": "Invalid directory type"}, HTTPStatus.BAD_REQUEST)
        return as_json(await asyncio.to_thread(_newest, self._folders[folder]))


_SIZE: Mapping[str, Any] = {"cols": 120, "rows": 40}


def _newest(folder: Path) -> list[str]:
    files = []
    with os.scandir(folder) as found:
        for entry in islice(found, MAX_FILES):
            with contextlib.suppress(OSError):  # it is gone meanwhile
                if entry.is_file() and not entry.name.startswith("."):
                    files.append((entry.stat().st_mtime, entry.name))
    return [name for _, name in sorted(files, reverse=True)]
