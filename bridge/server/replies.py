"""How answers are written, and numbers of a question read."""

import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from bridge.errors import BridgeError
from bridge.protocol import Buffer

MOST = 10**9
"""A larger number is taken for this one: there is never so much of anything."""

PIECE_BYTES = 1024 * 1024
"""A body up to this size goes in one piece."""

NO_STORE = {"cache-control": "no-store"}

Default = TypeVar("Default", int, None)


def as_json(data: Any, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON that nobody keeps."""
    return JSONResponse(data, status, NO_STORE)


def as_bytes(data: Buffer, media_type: str, headers: Mapping[str, str]) -> Response:
    """Answer with bytes that others hold too; of many, a slow reader has one piece at a time to itself."""
    body = memoryview(data).cast("B")
    if len(body) <= PIECE_BYTES:
        return Response(bytes(body), media_type=media_type, headers=headers)
    headers = {**headers, "content-length": str(len(body))}
    return StreamingResponse(_pieces(body), media_type=media_type, headers=headers)


def whole_number(request: Request, name: str, least: int, default: Default) -> int | Default:
    """Return a number of a request's query; the default where it is not given.

    Raises:
        BridgeError: ``bad_value``.
    """
    text = request.query_params.get(name)
    if not text:
        return default
    number = _whole(text)
    if number is None or number < least:
        raise BridgeError(
            f"{name} is not {text[:40]}", code="bad_value", hint=f"It is a whole number from {least} on."
        )
    return min(number, MOST)


async def _pieces(body: memoryview) -> AsyncIterator[memoryview]:
    for begin in range(0, len(body), PIECE_BYTES):
        yield body[begin : begin + PIECE_BYTES]


def _whole(text: str) -> int | None:
    if not re.fullmatch("-?[0-9]+", text):
        return None
    return int(text) if len(text) < 10 else (-MOST if text.startswith("-") else MOST)
