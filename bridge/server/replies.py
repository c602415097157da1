"""How answers are written, and numbers of a question read."""

import re
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import BridgeError

MOST = 10**9
"""A larger number is taken for this one: there is never so much of anything."""

NO_STORE = {"cache-control": "no-store"}

Default = TypeVar("Default", int, None)


def as_json(data: Any, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON that nobody keeps."""
    return JSONResponse(data, status, NO_STORE)


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


def _whole(text: str) -> int | None:
    if not re.fullmatch("-?[0-9]+", text):
        return None
    return int(text) if len(text) < 10 else (-MOST if text.startswith("-") else MOST)
