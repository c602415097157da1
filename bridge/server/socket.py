"""The native WebSocket at ``/bridge``: one connection of one client.

1. A connection begins with ``hello`` and ``welcome`` (``bridge.protocol.ServerSession`` has the rules);
   from then on three tasks move its messages: one reads, one does what is asked, one writes.
2. Whoever ends first, ends all three. Jobs go on; their results wait for the session to come back.
3. Writing waits for a slow reader, and nothing else does: messages gather in an ``Outbox``, which keeps what
   matters and of the rest the newest. A reader too slow for that is sent away.
4. Cancelling is done as it is read: it waits for nothing that was asked before.
5. A message that makes no sense is answered; it ends nothing, unless ten come in a row.
"""

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge import __version__
from bridge.errors import BridgeError, LocalProtocolError
from bridge.jobs import JobService
from bridge.protocol import (
    Cancel,
    CancelPull,
    CloseCode,
    Failure,
    Free,
    Hello,
    Message,
    ServerSession,
    Welcome,
)
from bridge.server.clients import Clients
from bridge.server.faults import answer_to
from bridge.server.inbox import Inbox
from bridge.server.outbox import Outbox
from bridge.server.requests import Answers, Handlers, respond
from bridge.server.together import until_one_ends

logger = logging.getLogger(__name__)

MAX_UNFINISHED = 64
"""When so much that takes long is under way for a client, nothing more of it is begun."""

INTERNAL_ERROR = 1011
"""WebSocket's word for a bug of ours."""


class BridgeSocket:
    """The endpoint: makes a ``Conversation`` of each WebSocket that comes in.

    Args:
        service: Runs the jobs.
        clients: Who is connected.
        answers: What may be asked for.
        handlers: What somebody else answers.
    """

    def __init__(
        self, service: JobService, clients: Clients, answers: Answers, handlers: Handlers | None = None
    ) -> None:
        self._service = service
        self._clients = clients
        self._answers = answers
        self._handlers = handlers or {}

    async def serve(self, websocket: WebSocket) -> None:
        """Talk with one client until it leaves."""
        try:
            self._clients.raise_if_full()
        except BridgeError as error:
            await websocket.send_denial_response(answer_to(error))
            return
        conversation = Conversation(websocket, self._service, self._clients, self._answers, self._handlers)
        with contextlib.suppress(WebSocketDisconnect):  # however a client goes, it is gone
            await conversation.run()


class Conversation:
    """One connection, from ``hello`` to its end.

    Attributes:
        program: What the client calls itself.
    """

    def __init__(
        self,
        websocket: WebSocket,
        service: JobService,
        clients: Clients,
        answers: Answers,
        handlers: Handlers,
    ) -> None:
        self._websocket = websocket
        self._service = service
        self._clients = clients
        self._answers = answers
        self._handlers = handlers
        self._session = ServerSession()
        self.program = ""
        self._name = ""
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._is_over = asyncio.Event()

    async def run(self) -> None:
        """Greet the client, do what it asks, and say why it ends.

        Raises:
            WebSocketDisconnect: If the client ended it.
        """
        await self._websocket.accept()
        hello = await self._hello()
        if hello is not None:
            await self._converse(hello)
        await self._websocket.close(self._session.close_code, self._session.close_reason)

    def take_over(self) -> None:
        """End, because the client has a newer connection."""
        self._end(CloseCode.TAKEN_OVER, "taken_over")

    async def _hello(self) -> Hello | None:
        """Return the client's first message, or ``None`` if the session has ended over it."""
        messages: list[Message] = []
        try:
            async with asyncio.timeout(self._session.timeout_s):
                messages = self._session.receive(await self._next())
        except TimeoutError:
            self._session.expire()
        await self._send_dues()
        return next((message for message in messages if isinstance(message, Hello)), None)

    async def _converse(self, hello: Hello) -> None:
        self.program = hello.client[:40]
        self._name = self._clients.name(hello.session)
        welcome = Welcome(self._session.version, __version__, self._name)
        await self._send(self._session.send(welcome))
        logger.info("%.40r %.40r connected as %.6s…", hello.client, hello.client_version, self._name)
        if self._clients.enter(self._name, self):
            self._service.disconnect(self._name)
        try:
            self._service.connect(self._name, self._deliver)
            self._service.warm_up()
            self._outbox.put(self._service.state)
            await until_one_ends(self._read(), self._work(), self._write(), self._is_over.wait())
        except WebSocketDisconnect:
            raise
        except Exception as error:
            logger.error("a connection failed", exc_info=error)
            self._end(INTERNAL_ERROR, "internal_error")
        finally:
            if self._clients.leave(self._name, self):
                self._service.disconnect(self._name)
            logger.info("%.6s… left", self._name)

    async def _read(self) -> None:
        while not self._session.close_code:
            for message in self._session.receive(await self._next()):
                if isinstance(message, Cancel | CancelPull):
                    await self._answer(message)
                else:
                    await self._inbox.put(message)
            await self._send_dues()

    async def _work(self) -> None:
        room = asyncio.Semaphore(MAX_UNFINISHED)
        async with asyncio.TaskGroup() as waiting:
            while True:
                message = await self._inbox.get()
                # Some wait: ``free`` for running jobs, which the client may cancel.
                if isinstance(message, Free) or type(message) in self._handlers:
                    await room.acquire()
                    task = waiting.create_task(self._answer(message))
                    task.add_done_callback(lambda task: room.release())
                else:
                    await self._answer(message)

    async def _answer(self, message: Message) -> None:
        reply = await respond(self._service, self._answers, self._name, message, self._handlers)
        if reply is not None:
            self._deliver(reply)

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            if self._session.close_code:
                return
            await self._send(self._encode(message))

    def _encode(self, message: Message) -> str | bytes:
        try:
            return self._session.send(message)
        except LocalProtocolError as error:  # a result larger than a message may be, for one
            logger.error("%s cannot be sent: %s", message.type, error)
            request, stream = (str(getattr(message, name, "")) for name in ("request", "stream"))
            return self._session.send(Failure(error.problems, request, stream))

    def _deliver(self, message: Message) -> None:
        """Leave a message to be written; called by the service, at any time."""
        self._outbox.put(message)
        if self._outbox.is_hopeless:
            self._end(CloseCode.TOO_SLOW, "too_slow")

    def _end(self, code: int, reason: str) -> None:
        self._session.end(code, reason)
        self._is_over.set()

    async def _next(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        data: str | bytes | None = message.get("text")
        return message["bytes"] if data is None else data

    async def _send_dues(self) -> None:
        for data in self._session.data_to_send():
            await self._send(data)

    async def _send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            await self._websocket.send_text(data)
        else:
            await self._websocket.send_bytes(data)
