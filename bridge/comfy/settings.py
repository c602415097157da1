"""``/settings``: what the editor remembers of its own look and behaviour, in one JSON file."""

import asyncio
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.bodies import nothing, read_json
from bridge.comfy.places import keeping
from bridge.files import replace_file
from bridge.server import as_json

logger = logging.getLogger(__name__)

FILE = "comfy.settings.json"

MAX_SETTINGS_BYTES = 1024 * 1024


def settings_routes(user: Path) -> list[Route]:
    """Return the routes of the editor's settings.

    Args:
        user: The folder of the user's files; need not exist.
    """
    settings = EditorSettings(user / FILE)
    return [
        Route("/settings", settings.all, methods=["GET"]),
        Route("/settings", settings.merge, methods=["POST"]),
        Route("/settings/{id}", settings.one, methods=["GET"]),
        Route("/settings/{id}", settings.put, methods=["POST"]),
    ]


class EditorSettings:
    """The settings in a file; a change is written at once, whole or not at all."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()  # a change reads, then writes

    async def all(self, request: Request) -> Response:
        """Answer with all settings."""
        return as_json(await asyncio.to_thread(self._read))

    async def one(self, request: Request) -> Response:
        """Answer with one setting, ``null`` where it is not set."""
        return as_json((await asyncio.to_thread(self._read)).get(request.path_params["id"]))

    async def merge(self, request: Request) -> Response:
        """Take over the settings of the body."""
        changes = await read_json(request, MAX_SETTINGS_BYTES)
        if not isinstance(changes, dict):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "settings are a JSON object")
        return await self._change(changes)

    async def put(self, request: Request) -> Response:
        """Take over one setting."""
        return await self._change({request.path_params["id"]: await read_json(request, MAX_SETTINGS_BYTES)})

    async def _change(self, changes: Mapping[str, Any]) -> Response:
        async with self._turn:
            known = await asyncio.to_thread(self._read)
            data = json.dumps({**known, **changes}, indent=4).encode()
            if len(data) > MAX_SETTINGS_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "there are too many settings")
            with keeping(FILE):
                await asyncio.to_thread(replace_file, self._file, data)
        return nothing(HTTPStatus.OK)

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("%s holds no settings, and is written anew with the next change: %s", FILE, error)
            return {}
        return known if isinstance(known, dict) else {}
