"""Connections as uvicorn drives them, made to give up on a peer that stalls.

uvicorn itself waits for ever for the rest of a request's head, and for a reader that has stopped reading.

1. The head of a request must arrive within ``HEAD_TIMEOUT_S`` of its first byte, and that of the first
   one within ``FIRST_HEAD_TIMEOUT_S`` of connecting.
2. A peer that takes nothing of what waits for it for ``STALL_TIMEOUT_S`` is cut off.
3. After a message that breaks the WebSocket rules the reason (1002, 1007, 1009) is sent, and what the
   peer still has under way is read and thrown away for a moment; a socket closed with unread bytes is
   reset, and the reason with it.
4. A connection that would be one too many takes the place of one that waits for a request: of a stranger's
   before one that has shown the token, and of the one that was made first.
5. A WebSocket whose peer takes nothing is closed without a word, if the word cannot be sent soon.
6. An upgrade request that cannot be read is answered, if that can be, and its connection ends.
7. A refusal of an upgrade ends its handshake; uvicorn takes it for one that the application left open.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, cast

from starlette.websockets import WebSocket
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from bridge.server.access import IS_TRUSTED
from bridge.server.cork import CorkedTransport

HEAD_TIMEOUT_S = 10.0
FIRST_HEAD_TIMEOUT_S = 3.0
STALL_TIMEOUT_S = 20.0
LINGER_S = 1.0

TEXTS = "framebridge.texts"
"""Key of ASGI's ``websocket.send``: several texts, a message each."""


class HttpConnection(H11Protocol):
    """An HTTP connection with deadlines; see the rules above."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request."""
        self._make_room()
        self._stall = StallWatch(transport, self.loop)
        corked = CorkedTransport(transport, self.loop, self._stall.start)
        super().connection_made(cast("asyncio.Transport", corked))
        self._made_at = self.loop.time()
        self._await_head(FIRST_HEAD_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        """Take bytes; once they make a whole head, the deadline is off until the next request."""
        super().data_received(data)
        is_upgraded = self.transport.get_protocol() is not self
        if not is_upgraded and self.is_idle:
            self._await_head(HEAD_TIMEOUT_S)
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_waiting()
        self._stall.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the peer does not keep up."""
        super().pause_writing()
        self._stall.start()

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self._stall.relax()
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Cut an idle connection off where uvicorn would answer the next request with 503."""
        if self.limit_concurrency is None or len(self.connections) + 1 < self.limit_concurrency:
            return
        idle = [one for one in self.connections if isinstance(one, HttpConnection) and one.is_idle]
        idle = [one for one in idle if not one.transport.is_closing()]
        if idle:
            min(idle, key=HttpConnection._worth).transport.abort()

    def _worth(self) -> tuple[bool, float]:
        return bool(self.scope and self.scope.get(IS_TRUSTED)), self._made_at

    def _await_head(self, limit_s: float) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(limit_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket connection with deadlines; see the rules above."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection of an upgrade request."""
        super().connection_made(transport)
        self._stall = StallWatch(self.transport, self.loop)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that websockets cannot read ends the connection (rule 6)."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stall.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the peer does not keep up."""
        super().pause_writing()
        self._stall.start()

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self._stall.relax()
        super().resume_writing()

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says; the last word, only if the peer takes it soon."""
        if texts := cast("dict[str, Any]", message).get(TEXTS):
            *earlier, last = texts
            await self.writable.wait()
            if self.conn.state is State.OPEN:
                for text in earlier:
                    self.conn.send_text(text.encode())
            message = {"type": "websocket.send", "text": last}
        if message["type"] == "websocket.close":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self.writable.wait()
            if not self.writable.is_set():
                self.transport.abort()  # which ends the wait
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on, if a text is UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.frames = []
            self.conn.fail(1007, "text is not UTF-8")
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Say why, and read on for a moment so that the peer can hear it."""
        if self.close_sent:
            return
        self.close_sent = True
        close = self.conn.close_sent
        assert close is not None, "websockets has failed the connection"
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)


class StallWatch:
    """Cuts a connection off when the bytes that wait for its peer stop becoming fewer."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look again after the time limit."""
        self.stop()
        waiting = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(STALL_TIMEOUT_S, self._look, waiting)

    def relax(self) -> None:
        """Stop looking while little waits, unless that is the rest of a connection that is closing."""
        if not self._transport.is_closing():
            self.stop()

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, waiting_before: int) -> None:
        if self._transport.get_write_buffer_size() >= waiting_before:
            self._transport.abort()
        else:
            self.start()


async def send_texts(websocket: WebSocket, texts: Sequence[str]) -> None:
    """Send several messages in the time of one; only ``SocketConnection`` understands it.

    Raises:
        WebSocketDisconnect: If the peer is gone.
    """
    await websocket.send({"type": "websocket.send", TEXTS: texts})


def _is_utf8(fragments: list[bytes]) -> bool:
    try:
        b"".join(fragments).decode()
    except UnicodeDecodeError:
        return False
    return True
