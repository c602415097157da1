"""Reading what clients of ComfyUI's API send, and answering so that they understand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import BridgeError
from bridge.protocol import MAX_JSON_BYTES

SMALL_BYTES = 64 * 1024
"""JSON up to this size is read on the event loop."""

Handler = Callable[[Request], Awaitable[Response]]
"""Answers a request."""

STATUSES: Mapping[str, HTTPStatus] = {
    "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_clients": HTTPStatus.SERVICE_UNAVAILABLE,
    "queue_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "worker_failed": HTTPStatus.SERVICE_UNAVAILABLE,
    "worker_crashed": HTTPStatus.SERVICE_UNAVAILABLE,
    "message_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "job_exists": HTTPStatus.CONFLICT,
    "job_not_found": HTTPStatus.NOT_FOUND,
}
"""Code of an error → status; all others are ``400``."""


def status_of(error: BridgeError) -> HTTPStatus:
    """Return the status to answer an error with."""
    return STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)


def refusal(error: BridgeError) -> Response:
    """Return the answer for a request that cannot be met: code, message and hint."""
    problem = error.problem
    told = {"code": problem.code, "message": problem.message, "hint": problem.hint}
    return JSONResponse(told, status_of(error))


def telling_faults(handler: Handler) -> Handler:
    """Return a handler that answers errors as ``refusal`` does."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BridgeError as error:
            return refusal(error)

    return answer


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request holds; an empty one where it holds nothing.

    Raises:
        BridgeError: ``bad_json``; ``message_too_large`` beyond what the worker takes.
    """
    body = await _read(request)
    if not body.strip():
        return {}
    if len(body) > SMALL_BYTES:
        return await asyncio.to_thread(parse_object, body)
    return parse_object(body)


async def _read(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_JSON_BYTES:
            raise BridgeError(
                f"the request holds more than {MAX_JSON_BYTES // 2**20} MiB of JSON",
                code="message_too_large",
                hint="Upload pictures with /upload/image, and name them in the workflow.",
            )
        chunks.append(chunk)
    return b"".join(chunks)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; ``null`` is an empty one.

    Raises:
        BridgeError: ``bad_json``; also where a text holds half of a surrogate pair, which nothing can store.
    """
    try:
        data = json.loads(body)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _bad_json(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise _bad_json(f"byte {error.start} is not UTF-8") from None
    except UnicodeEncodeError:
        raise _bad_json("a text holds half of a surrogate pair") from None
    except (RecursionError, ValueError):
        raise _bad_json("it is nested too deeply, or holds a number too long") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _bad_json("it is no object")
    return data


def _bad_json(why: str) -> BridgeError:
    return BridgeError(
        f"the request is no JSON that can be used: {why}",
        code="bad_json",
        hint='Send one object, {"prompt": {...}}, as UTF-8.',
    )
