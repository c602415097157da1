"""One conversation with the daemon, from connecting to the end of the connection.

1. Nothing is sent before ``welcome``; then first what a reconnect owes, then what waits in the outbox.
2. A message that cannot be sent is reported to the host as an ``error`` that answers it; the rest goes on.
3. While the inbox is full nothing is read, so that the daemon feels it.
4. The token is sent to a daemon that has shown that it knows it, and to nobody else.
5. However it ends, it ends with an error: ``ConnectionLost`` where trying again makes sense.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ..errors import BridgeError, ConnectionLost, LocalProtocolError, Problem, reason_of
from ..protocol import (
    MAX_MESSAGE_BYTES,
    Accepted,
    ClientSession,
    CloseCode,
    Failure,
    Hello,
    Message,
    Phase,
    StreamFrame,
    Welcome,
)
from .inbox import Inbox
from .ledger import Ledger, job_of, request_of
from .outbox import Outbox
from .proof import ask_for_proof
from .target import Target

logger = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 0.3
"""How long to wait for the daemon's half of the closing handshake."""

LEAVE_S = 0.2
"""How long what cancels jobs may take before we close."""

CLOSED_ABNORMALLY = 1006
"""WebSocket's word for a connection that broke without a word."""

START_HINT = "Start the daemon: framebridge serve"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What outlives a single connection.

    Args:
        inbox: For the host.
        outbox: From the host.
        ledger: What is under way.
        work: Set when there is something to send.
        room: Set when the inbox is not full any more.
    """

    inbox: Inbox
    outbox: Outbox
    ledger: Ledger
    work: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def deliver(self, message: Message) -> None:
        """Hand a message from the daemon to the host, unless nobody waits for it any more."""
        seen = self.ledger.received(message)
        if seen and self.ledger.is_given_up(seen):
            self._let_go(seen)
        elif seen:
            self.inbox.put(seen)

    def give_up(self, request: str) -> None:
        """Forget a request and what has come of it; one that was not sent will not be.

        A job that is owed is submitted nevertheless: its answer tells what there is to cancel.
        """
        if not request or (not self.ledger.is_owed(request) and self.outbox.remove(request)):
            return
        answers = self.inbox.drop(lambda message: request_of(message) == request)
        for answer in answers:
            self._let_go(answer)
        if not answers:
            self.ledger.give_up(request)

    def give_up_job(self, job: str) -> None:
        """Cancel a job, and forget what has come of it."""
        cancel = self.ledger.give_up_job(job)
        self.inbox.drop(lambda message: job_of(message) == job)
        self.outbox.put_first([cancel])

    def _let_go(self, answer: Message) -> None:
        """Drop an answer that nobody waits for."""
        if isinstance(answer, Accepted) and answer.job:
            self.give_up_job(answer.job)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One connection."""

    socket: ClientConnection
    session: ClientSession
    traffic: Traffic

    async def greet(self) -> Welcome:
        """Say hello.

        Raises:
            BridgeError: If the daemon does not welcome us.
        """
        for data in self.session.data_to_send():
            await self.socket.send(data)
        messages: list[Message] = []
        try:
            async with asyncio.timeout(self.session.timeout_s):
                messages = self.session.receive(await self.socket.recv())
        except TimeoutError:
            self.session.expire()
        if self.session.refusal:
            await self._close(self.session.close_code, self.session.close_reason)
            problem = self.session.refusal
            kind = BridgeError if problem.code == "unsupported_protocol" else ConnectionLost
            raise kind(problem.message, code=problem.code, hint=problem.hint)
        (welcome,) = messages
        assert isinstance(welcome, Welcome)
        return welcome

    async def talk(self) -> None:
        """Move messages both ways until the connection breaks, which raises."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def leave(self) -> None:
        """Close, after what cancels jobs: they would go on without us."""
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(LEAVE_S):
                for cancel in self.traffic.outbox.take_cancels():
                    await self._say(cancel)
        await self._close()

    async def _close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close, in time: the library would wait for ever for a daemon that reads nothing."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.socket.close(code, reason)
        except TimeoutError:
            self.socket.transport.abort()

    async def _send(self) -> NoReturn:
        while True:
            self.traffic.work.clear()
            while (message := self.traffic.outbox.take()) is not None:
                await self._say(message)
            await self.traffic.work.wait()

    async def _say(self, message: Message) -> None:
        try:
            data = self.session.send(message)
        except Exception as error:  # the host's data may be of any kind (rule 2)
            stream = message.stream if isinstance(message, StreamFrame) else ""
            self.traffic.deliver(Failure((_unsendable(message, error),), request_of(message), stream))
        else:
            self.traffic.ledger.sent(message)
            await self.socket.send(data)

    async def _receive(self) -> NoReturn:
        while True:
            for message in self.session.receive(await self.socket.recv()):
                self.traffic.deliver(message)
            if self.session.phase is Phase.ENDED:
                await self._close(self.session.close_code, self.session.close_reason)
                raise ConnectionLost(
                    "the daemon sends what this client does not understand",
                    code=self.session.close_reason,
                    hint="Update both, so that they fit.",
                )
            while self.traffic.inbox.is_full:
                await self.traffic.room.wait()
                self.traffic.room.clear()


async def converse(
    target: Target, hello: Hello, traffic: Traffic, on_welcome: Callable[[Welcome], None]
) -> None:
    """Connect, and move messages until the connection ends.

    Args:
        target: The daemon.
        hello: What to say first.
        traffic: What to move.
        on_welcome: Called when messages begin to pass.

    Raises:
        ConnectionLost: When it ends, or does not begin.
        BridgeError: If the daemon refuses us for good.
    """
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    try:
        await _meet(target)
        async with connect(
            target.url,
            additional_headers=headers,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=4,
            proxy=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
        ) as socket:
            exchange = Exchange(socket, ClientSession(hello), traffic)
            welcome = await exchange.greet()
            traffic.outbox.put_first(traffic.ledger.resumed())
            traffic.deliver(welcome)
            on_welcome(welcome)
            try:
                await exchange.talk()
            except asyncio.CancelledError:  # we leave; left to itself, the socket would say 1011: a bug
                await exchange.leave()
                raise
    except InvalidStatus as error:
        raise _describe_status(error.response.status_code, target) from None
    except ConnectionClosed as error:
        raise _describe_close(error.rcvd.code if error.rcvd else CLOSED_ABNORMALLY) from None
    except TimeoutError:
        raise ConnectionLost(f"{_place(target)} does not answer") from None
    except OSError as error:
        raise ConnectionLost(f"nothing answers at {_place(target)}: {error}", hint=START_HINT) from None
    except InvalidHandshake as error:
        raise _not_framebridge(target, str(error)) from None


def _unsendable(message: Message, error: Exception) -> Problem:
    """Say why a message cannot be sent."""
    if isinstance(error, LocalProtocolError):
        return error.problem
    logger.warning("a message cannot be sent", exc_info=error)
    return Problem(
        LocalProtocolError.code,
        f"{type(message).__name__} holds what cannot be sent: {reason_of(error)}",
        "Planes lie in a mapping by name; their data are bytes, and their shapes whole numbers.",
    )


async def _meet(target: Target) -> None:
    """Make sure that it is our daemon before the token goes there.

    Raises:
        BridgeError: ``not_allowed`` or ``not_framebridge`` if it is not.
        OSError: If nothing answers, or not in time.
    """
    if target.token:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            status = await ask_for_proof(target.url, target.token)
        if status == 0:
            raise _not_framebridge(target)
        if status != 200:
            raise _describe_status(status, target)


def _not_framebridge(target: Target, reason: str = "") -> ConnectionLost:
    message = f"{_place(target)} does not speak WebSocket{reason and ': '}{reason}"
    return ConnectionLost(message, code="not_framebridge", hint="Check the address.")


def _describe_status(status: int, target: Target) -> BridgeError:
    if status in (401, 403):
        return BridgeError(
            f"the daemon at {_place(target)} does not accept the token of this client (HTTP {status})",
            code="not_allowed",
            hint="The token is new with every start of the daemon: connect again, or check the token.",
        )
    message = f"{_place(target)} answers, but not as Framebridge does (HTTP {status})"
    if status >= 500:
        return ConnectionLost(message)
    return BridgeError(message, code="not_framebridge", hint="Check the address.")


def _describe_close(close_code: int) -> BridgeError:
    match close_code:
        case CloseCode.UNSUPPORTED_PROTOCOL:
            message = "the daemon speaks another version of the protocol"
            return BridgeError(message, code="unsupported_protocol", hint="Update the add-on and the daemon.")
        case CloseCode.TAKEN_OVER:
            message = "another connection took up this session"
            return BridgeError(message, code="taken_over", hint="Connect again to start a new one.")
        case CloseCode.TOO_LARGE:
            message = f"a message was too large for the daemon (the limit is {MAX_MESSAGE_BYTES // 2**20} MB)"
            return ConnectionLost(message, code="message_too_large", hint="Send smaller pictures.")
        case CloseCode.GOING_AWAY | CloseCode.RESTARTING:
            return ConnectionLost("the daemon was stopped", hint=START_HINT)
        case CloseCode.TOO_SLOW:
            return ConnectionLost("this client did not keep up with the daemon", code="too_slow")
    return ConnectionLost(f"the connection to the daemon broke (code {close_code})")


def _place(target: Target) -> str:
    return urlsplit(target.url).netloc
