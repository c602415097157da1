"""Small JSON bodies, and answers as ComfyUI's clients expect them."""

import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
"""Of a file, as clients are told in ``/features``; ``bridge.server.bodies`` sees to it."""

MAX_JSON_BYTES = 16 * 1024 * 1024


async def read_json(request: Request, most: int = MAX_JSON_BYTES) -> Any:
    """Return the JSON of a body.

    Args:
        request: Its body is read no further than it may go.
        most: How many bytes it may have.

    Raises:
        HTTPException: 413 if it has more, 400 if it is no JSON.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most} bytes")
    try:
        data = json.loads(body)
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()  # no NaN, no half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error
    return data


def as_json(data: Any, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON that nobody keeps."""
    return JSONResponse(data, status, {"cache-control": "no-store"})


def nothing(status: int) -> Response:
    """Answer with a status alone, as ComfyUI does."""
    return Response(status_code=status, headers={"cache-control": "no-store"})
