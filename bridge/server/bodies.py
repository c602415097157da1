"""What a request may bring along: so much, and in so much time. Routes that take less say so themselves.

1. A body is counted while it arrives; one that announces too much is refused before any of it is read.
2. Each part must come within ``PART_S`` of the one before, and all of it within ``WHOLE_S``, so that nobody
   holds a connection by sending a byte now and then. (The head has its own deadline: ``transport``.)
3. A route that takes files of any size says so (``take_large_body``); each part is still waited for so long.
4. Only whoever was let in gets this far; a stranger's body is not read at all.
"""

import asyncio
import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 101 * 1024**2
"""ComfyUI's 100 MB of a file, and what a form has around it."""

PART_S = 20.0
WHOLE_S = 300.0


_LARGE = "framebridge.max_body_bytes"


def take_large_body(request: Request, most: int) -> None:
    """Let a request bring more along than others may; called before its body is read."""
    request.scope[_LARGE] = most


class BodyMiddleware:
    """Bounds the bodies of all requests; see the rules above.

    Args:
        app: What reads them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application read a body as far as it is bearable."""
        is_request = scope["type"] == "http"
        await self._app(scope, BoundedBody(scope, receive).receive if is_request else receive, send)


class BoundedBody:
    """The body of one request.

    Args:
        scope: The request.
        receive: Where its parts come from.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        self._scope = scope
        self._announced = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
        self._receive = receive
        self._received = 0
        self._deadline = 0.0
        self._is_complete = False

    async def receive(self) -> Message:
        """Return the next part, or whatever comes after the last one.

        Raises:
            HTTPException: 413 if it is too much, 408 if it takes too long.
        """
        if self._is_complete:
            return await self._receive()
        self._refuse_if_too_large(self._announced)
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + (math.inf if _LARGE in self._scope else WHOLE_S)
        try:
            async with asyncio.timeout_at(min(now + PART_S, self._deadline)):
                message = await self._receive()
        except TimeoutError:
            raise _refused(HTTPStatus.REQUEST_TIMEOUT, "the rest of the request does not come") from None
        self._received += len(message.get("body", b""))
        self._refuse_if_too_large(self._received)
        self._is_complete = not message.get("more_body", False)
        return message

    def _refuse_if_too_large(self, size: int) -> None:
        most = self._scope.get(_LARGE, MAX_BODY_BYTES)
        if size > most:
            limit = f"a request may bring {most // 2**20} MiB along"
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)


def _refused(status: HTTPStatus, why: str) -> HTTPException:
    """Return a refusal that ends the connection: the rest of the body is not waited for."""
    return HTTPException(status, why, {"connection": "close"})
