"""``GET /view``: pictures as they are, as previews, or one channel of them.

1. What a file is, its bytes say. Only PNG, JPEG and WebP are shown as pictures; everything else is handed out
   as a download of no type, so that no page or script of a stranger ever runs under our address.
2. Previews and channels are made in the picture process; a picture too large for it is refused, not decoded.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bridge.comfy.clerk import PictureClerk
from bridge.comfy.picture_head import HEAD_BYTES, picture_type
from bridge.comfy.places import Folders, file_at
from bridge.errors import InputError
from bridge.paths import open_in
from bridge.server import PIECE_BYTES, as_bytes

SHOWN_HEADERS = {
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'",
}
"""Of every file that is not ours."""


def view_routes(folders: Folders, clerk: PictureClerk) -> list[Route]:
    """Return the routes that show files.

    Args:
        folders: Where they are.
        clerk: Makes previews.
    """
    viewer = Viewer(folders, clerk)
    return [Route("/view", viewer.view)]


class Viewer:
    """Shows files of the input, output and preview folders."""

    def __init__(self, folders: Folders, clerk: PictureClerk) -> None:
        self._folders = folders
        self._clerk = clerk

    async def view(self, request: Request) -> Response:
        """Answer ``/view?filename=&type=&subfolder=&preview=&channel=``."""
        query = request.query_params
        if "filename" not in query:
            raise HTTPException(HTTPStatus.NOT_FOUND, "name a file with filename=")
        path = file_at(
            self._folders, query["filename"], query.get("type", "output"), query.get("subfolder", "")
        )
        channel = query.get("channel", "" if "preview" in query else "rgba")
        if "preview" not in query and channel not in ("rgb", "a"):
            return await file_answer(path)
        if not os.path.isfile(path):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {path.name}")
        media_type, data = await self._clerk.view(path, query.get("preview", ""), channel)
        return as_bytes(data, media_type, file_headers(path.name, media_type))


async def file_answer(path: Path) -> Response:
    """Answer with a file as it is, judged by its bytes.

    Raises:
        HTTPException: 404 if it cannot be read.
    """
    file, size, head = await asyncio.to_thread(_opened, path)
    media_type = picture_type(head)
    headers = {**file_headers(path.name, media_type), "content-length": str(size)}
    media_type = media_type or "application/octet-stream"
    if size <= len(head):
        file.close()
        return Response(head, media_type=media_type, headers=headers)
    return StreamingResponse(_chunks(file, head), media_type=media_type, headers=headers)


def file_headers(name: str, media_type: str) -> Mapping[str, str]:
    """Return the headers of an answer that is somebody's file.

    Args:
        name: What it is called.
        media_type: Of a picture; anything else is to be saved, not shown.
    """
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "_" for char in name)
    disposition = f'filename="{plain}"'
    if plain != name:
        disposition += f"; filename*=UTF-8''{quote(name)}"
    if not media_type:
        disposition = f"attachment; {disposition}"
    return {**SHOWN_HEADERS, "content-disposition": disposition}


def _opened(path: Path) -> tuple[BinaryIO, int, bytes]:
    """Open a file, and return its size and its first bytes; of a small file, all."""
    try:
        file = open_in(path.parent, path.name)
    except (OSError, InputError) as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {path.name}") from error
    size = os.fstat(file.fileno()).st_size
    return file, size, file.read(size if size <= PIECE_BYTES else HEAD_BYTES)


async def _chunks(file: BinaryIO, head: bytes) -> AsyncIterator[bytes]:
    with file:
        yield head
        while chunk := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield chunk
