"""What a request may bring along: so much, and in so much time. Routes that take less say so themselves.

1. A body is counted while it arrives; one that announces too much is refused before any of it is read.
2. Each part must come within ``PART_S`` of the one before, and all of it within ``WHOLE_S``, so that nobody
   holds a connection by sending a byte now and then. (The head has its own deadline: ``transport``.)
3. A route that takes files of any size says so (``take_large_body``); each part is still waited for so long.
4. Only whoever was let in gets this far; a stranger's body is not read at all.
5. At most ``MAX_LARGE`` bodies that are large are held at once; others wait for one of them to be dealt with.
   What has come counts, not what is announced; and whoever others may wait for must keep a pace.
"""

import asyncio
import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.protocol import MAX_JSON_BYTES

MAX_BODY_BYTES = 101 * 1024**2
"""ComfyUI's 100 MB of a file, and what a form has around it."""

LARGE_BYTES = MAX_JSON_BYTES
MAX_LARGE = 4

PACE_S = 20.0
PACE_BYTES = 1_280_000
"""A large body brings so much along in each ``PACE_S``: 64 kB a second."""

PART_S = 20.0
WHOLE_S = 300.0


_LARGE = "framebridge.max_body_bytes"


def announced_bytes(scope: Scope) -> int:
    """Return how long a request says that its body is; 0 if it does not."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


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
        self._turns = asyncio.Semaphore(MAX_LARGE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application read a body as far as it is bearable."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = BoundedBody(scope, receive, self._turns)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.leave()


class BoundedBody:
    """The body of one request.

    Args:
        scope: The request.
        receive: Where its parts come from.
        turns: Shared by all; a large body takes one.
    """

    def __init__(self, scope: Scope, receive: Receive, turns: asyncio.Semaphore) -> None:
        self._scope = scope
        self._announced = announced_bytes(scope)
        self._receive = receive
        self._turns = turns
        self._has_turn = False
        self._received = 0
        self._deadline = 0.0
        self._paced = 0
        self._pace_deadline = math.inf
        self._is_complete = False

    async def receive(self) -> Message:
        """Return the next part, or whatever comes after the last one.

        Raises:
            HTTPException: 413 if it is too much, 408 if it takes too long, 503 if its turn does not come.
        """
        if self._is_complete:
            return await self._receive()
        self._refuse_if_too_large(self._announced)
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + (math.inf if _LARGE in self._scope else WHOLE_S)
        try:
            async with asyncio.timeout_at(min(now + PART_S, self._deadline, self._pace_deadline)):
                message = await self._receive()
        except TimeoutError:
            why = "the rest of the request does not come, or too slowly"
            raise _refused(HTTPStatus.REQUEST_TIMEOUT, why) from None
        self._received += len(message.get("body", b""))
        self._refuse_if_too_large(self._received)
        await self._wait_if_large(self._received)
        self._keep_pace()
        self._is_complete = not message.get("more_body", False)
        return message

    def leave(self) -> None:
        """Let another large body in; this one has been dealt with."""
        if self._has_turn:
            self._has_turn = False
            self._turns.release()

    async def _wait_if_large(self, size: int) -> None:
        if size <= LARGE_BYTES or self._has_turn or _LARGE in self._scope:
            return
        began_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(WHOLE_S):
                await self._turns.acquire()
        except TimeoutError:
            raise _refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at once") from None
        self._has_turn = True
        self._deadline += asyncio.get_running_loop().time() - began_at

    def _keep_pace(self) -> None:
        """Give a body that has a turn the time for its next ``PACE_BYTES``, once the last ones are here."""
        if self._has_turn and self._received >= self._paced:
            self._paced = self._received + PACE_BYTES
            self._pace_deadline = asyncio.get_running_loop().time() + PACE_S

    def _refuse_if_too_large(self, size: int) -> None:
        most = self._scope.get(_LARGE, MAX_BODY_BYTES)
        if size > most:
            limit = f"a request may bring {most // 2**20} MiB along"
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)


def _refused(status: HTTPStatus, why: str) -> HTTPException:
    """Return a refusal that ends the connection: the rest of the body is not waited for."""
    return HTTPException(status, why, {"connection": "close"})
