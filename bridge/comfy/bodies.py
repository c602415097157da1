"""Bodies of requests, bounded while they arrive, and answers as ComfyUI's clients expect them."""

import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
"""Of a whole body; clients are told in ``/features``."""

MAX_JSON_BYTES = 16 * 1024 * 1024


def bounded(request: Request, most: int = MAX_UPLOAD_BYTES) -> Request:
    """Return the request with a body that raises HTTP 413 as soon as it turns out too large."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    return Request(request.scope, receive)


async def read_json(request: Request, most: int = MAX_JSON_BYTES) -> Any:
    """Return the JSON of a body.

    Raises:
        HTTPException: 413 if it is too large, 400 if it is none.
    """
    body = await bounded(request, most).body()
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error


def as_json(data: Any, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON that nobody keeps."""
    return JSONResponse(data, status, {"cache-control": "no-store"})


def nothing(status: int) -> Response:
    """Answer with a status alone, as ComfyUI does."""
    return Response(status_code=status, headers={"cache-control": "no-store"})


def _too_large(most: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most} bytes")
