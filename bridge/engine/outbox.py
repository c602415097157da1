"""Messages on their way into a pipe, written by a thread of their own.

1. Whoever puts never waits: the event loop has better to do than to watch a pipe drain. What is small and
   finds the pipe empty enough is written on the spot, because waking a thread takes longer than that.
2. What is droppable (previews, progress) is dropped while more than ``FULL_BYTES`` wait. Everything
   else is kept; the protocol bounds it, as each run ends before the next begins.
3. What is held goes along with the next message, or when somebody says so: several small messages in one
   write cost what one does, at both ends of the pipe.
4. Once the other end is gone, whatever is put disappears; the reading side notices the end.
"""

import io
import logging
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from bridge.engine.pipe import ByteSink, framed, write_pieces
from bridge.protocol import Buffer, Message, Preview, Progress

log = logging.getLogger(__name__)

FULL_BYTES = 8 * 1024 * 1024
"""How much may wait before droppable messages are dropped."""

SMALL_BYTES = 4096
"""What a pipe takes without waiting once it says that it can be written: PIPE_BUF of Linux."""

MESSAGE_BYTES = 1024
"""What a message counts for beyond its size."""


class Outbox:
    """A queue of messages and the thread that writes them.

    Args:
        sink: Where they go; nobody else writes to it until ``close`` has returned.
        name: Of the thread.
    """

    def __init__(self, sink: ByteSink, name: str) -> None:
        self._sink = sink
        self._waiting: deque[tuple[list[Buffer], int]] = deque()
        self._bytes = 0
        self._held: list[Buffer] = []
        self._is_closed = False
        self._is_writing = False  # the thread is
        self._takes_now = _takes_now(sink)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name=name, daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Send a message.

        Raises:
            LocalProtocolError: If it cannot be written.
        """
        pieces = framed(message)
        size = _size(pieces)
        with self._changed:
            is_full = self._bytes + size > FULL_BYTES
            if self._is_closed or (is_full and isinstance(message, (Preview, Progress))):
                return
            self._held += pieces
            self._send_held()

    def hold(self, message: Message) -> None:
        """Send a message later (rule 3).

        Raises:
            LocalProtocolError: If it cannot be written.
        """
        pieces = framed(message)
        with self._changed:
            self._held += pieces

    def flush(self) -> None:
        """Send what is held."""
        with self._changed:
            if self._held and not self._is_closed:
                self._send_held()

    def close(self, timeout_s: float) -> None:
        """Write what waits, within a time, and end the thread."""
        self.flush()
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _send_held(self) -> None:
        pieces, self._held = self._held, []
        size = _size(pieces)
        if self._has_room_now(size) and self._write_now(pieces):
            return
        self._waiting.append((pieces, size))
        self._bytes += size
        self._changed.notify()

    def _has_room_now(self, size: int) -> bool:
        return size <= SMALL_BYTES and not (self._waiting or self._is_writing) and self._takes_now()

    def _write_now(self, pieces: list[Buffer]) -> bool:
        """Write something small as a whole; return whether that was possible."""
        with suppress(OSError, ValueError):  # the thread will see it too, and say so
            write_pieces(self._sink, [b"".join(pieces)])
            return True
        return False

    def _write(self) -> None:
        while (pieces := self._next()) is not None:
            try:
                write_pieces(self._sink, pieces)
            except (OSError, ValueError) as error:  # ValueError: the owner closed the file
                log.info("the other end of the pipe is gone: %s", error)
                self._give_up()

    def _next(self) -> list[Buffer] | None:
        with self._changed:
            self._is_writing = False
            while not self._waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            pieces, size = self._waiting.popleft()
            self._bytes -= size
            self._is_writing = True
            return pieces

    def _give_up(self) -> None:
        with self._changed:
            self._is_closed = True
            self._waiting.clear()


def _size(pieces: list[Buffer]) -> int:
    return MESSAGE_BYTES + sum(len(piece) for piece in pieces)


def _takes_now(sink: ByteSink) -> Callable[[], bool]:
    """Return what tells whether a pipe takes something now; where none can tell, it never does."""
    if sys.platform == "linux":
        with suppress(AttributeError, io.UnsupportedOperation):  # no file at all
            poll = select.poll()
            poll.register(sink.fileno(), select.POLLOUT)  # type: ignore[attr-defined]
            return lambda: bool(poll.poll(0))
    return lambda: False
