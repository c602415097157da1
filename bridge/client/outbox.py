"""What waits to be sent.

1. Requests keep their order, and none is dropped; when too many wait, no more are taken.
2. Of each live stream one frame waits: a newer one takes its place.
3. Requests go before frames, so that a frame is seen through the settings that were made before it.
4. ``put`` may be called from any thread, what takes out belongs to the connection's.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from ..errors import BridgeError
from ..protocol import Cancel, CloseStream, Message, StreamFrame
from .ledger import request_of

MAX_WAITING = 1000
"""Requests."""


class Outbox:
    """The outgoing messages of a client."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Start empty; ``wake`` is called, in any thread, when there is something to take."""
        self._wake = wake
        self._lock = threading.Lock()
        self._requests: deque[Message] = deque()
        self._frames: dict[str, StreamFrame] = {}  # by stream, in the order to send

    def put(self, message: Message) -> None:
        """Add a message.

        Raises:
            BridgeError: ``outbox_full``.
        """
        with self._lock:
            if isinstance(message, StreamFrame):
                self._frames[message.stream] = message
            elif len(self._requests) >= MAX_WAITING:
                raise BridgeError(
                    f"{MAX_WAITING} requests wait to be sent already",
                    code="outbox_full",
                    hint="The daemon is away or busy; try again when it is back.",
                )
            else:
                self._requests.append(message)
                if isinstance(message, CloseStream):
                    self._frames.pop(message.stream, None)
        self._wake()

    def put_first(self, messages: Iterable[Message]) -> None:
        """Add requests before all that wait, in their order, and frames where no newer ones wait."""
        requests: list[Message] = []
        with self._lock:
            for message in messages:
                if isinstance(message, StreamFrame):
                    self._frames.setdefault(message.stream, message)
                else:
                    requests.append(message)
            self._requests.extendleft(reversed(requests))
        self._wake()

    def take(self) -> Message | None:
        """Take out what is to be sent next, or nothing."""
        with self._lock:
            if self._requests:
                return self._requests.popleft()
            if self._frames:
                return self._frames.pop(next(iter(self._frames)))
            return None

    def remove(self, request: str) -> bool:
        """Take out a request that is not to be sent; tells whether it was still here."""
        with self._lock:
            found = [index for index, message in enumerate(self._requests) if request_of(message) == request]
            for index in reversed(found):
                del self._requests[index]
            return bool(found)

    def take_cancels(self) -> list[Cancel]:
        """Take out what cancels jobs, and leave the rest."""
        with self._lock:
            cancels = [message for message in self._requests if isinstance(message, Cancel)]
            self._requests = deque(message for message in self._requests if not isinstance(message, Cancel))
            return cancels

    def clear(self) -> list[Message]:
        """Forget everything.

        Returns:
            The requests that will not be sent.
        """
        with self._lock:
            requests = list(self._requests)
            self._requests.clear()
            self._frames.clear()
            return requests
