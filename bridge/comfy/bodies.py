"""Reading the JSON that clients of ComfyUI's API send, and answering with a status alone."""

import asyncio
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.errors import BridgeError
from bridge.protocol import MAX_JSON_BYTES
from bridge.server import NO_STORE

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
"""Of a file, as clients are told in ``/features``; ``bridge.server.bodies`` sees to it."""

SMALL_BYTES = 64 * 1024
"""JSON up to this size is read on the event loop."""


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request holds; an empty one where it holds nothing.

    Raises:
        BridgeError: ``bad_json``; ``message_too_large`` beyond what the worker takes.
    """
    body = await _read(request, MAX_JSON_BYTES)
    if not body.strip():
        return {}
    if len(body) > SMALL_BYTES:
        return await asyncio.to_thread(parse_object, body)
    return parse_object(body)


async def read_json(request: Request, most: int = MAX_JSON_BYTES) -> Any:
    """Return the JSON of a body that is kept and handed out again; NaN is none.

    Args:
        request: Its body is read no further than it may go.
        most: How many bytes it may have.

    Raises:
        BridgeError: ``bad_json``; ``message_too_large``.
    """
    body = await _read(request, most)
    return await asyncio.to_thread(_parse, body, allow_nan=False)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; ``null`` is an empty one.

    Raises:
        BridgeError: ``bad_json``; also where a text holds half of a surrogate pair, which nothing can store.
    """
    data = _parse(body, allow_nan=True)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _bad_json("it is no object")
    return data


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise BridgeError(
                f"the request holds more than {most // 2**20} MiB of JSON",
                code="message_too_large",
                hint="Upload pictures with /upload/image, and name them in the workflow.",
            )
    return bytes(body)


def _parse(body: bytes, *, allow_nan: bool) -> Any:
    try:
        data = json.loads(body)
        if not allow_nan or b"\\ud" in body or b"\\uD" in body:
            json.dumps(data, ensure_ascii=False, allow_nan=allow_nan).encode()
    except json.JSONDecodeError as error:
        raise _bad_json(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise _bad_json(f"byte {error.start} is not UTF-8") from None
    except UnicodeEncodeError:
        raise _bad_json("a text holds half of a surrogate pair") from None
    except (RecursionError, ValueError):
        raise _bad_json("it is nested too deeply, or holds a number that JSON has not") from None
    return data


def _bad_json(why: str) -> BridgeError:
    return BridgeError(
        f"the request is no JSON that can be used: {why}",
        code="bad_json",
        hint='Send JSON as UTF-8; a prompt is one object, {"prompt": {...}}.',
    )


def nothing(status: int) -> Response:
    """Answer with a status alone, as ComfyUI does."""
    return Response(status_code=status, headers=NO_STORE)
