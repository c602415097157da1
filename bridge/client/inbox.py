"""What has arrived and waits for the host.

1. Answers, and the results and last words of jobs, are kept in order; none is dropped.
2. Of everything else the newest replaces the one of its kind that waits: state, progress and previews of
   a job, all that belongs to a live stream, complaints that answer no request.
3. When too much waits, the connection stops reading until the host has caught up, so the daemon, in
   turn, keeps what it has.
4. Messages are put by the connection's thread and taken by the host's; nobody waits for a lock longer than
   it takes to move one message.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace

from ..errors import BridgeError
from ..protocol import Finished, Message, picture_bytes, place_of

MAX_WAITING = 10_000
"""Messages."""

MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Bytes of pictures in them."""


class Inbox:
    """The incoming messages of a client."""

    def __init__(self, on_room: Callable[[], None]) -> None:
        """Start empty; ``on_room`` is called, in the host's thread, when a full inbox has room again."""
        self._on_room = on_room
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, Message] = {}  # in the order of arrival
        self._waiting_bytes = 0
        self._serial = 0
        self._end: BridgeError | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read."""
        return len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES

    def put(self, message: Message) -> None:
        """Add a message; it may replace one that waits."""
        with self._changed:
            key = self._place(message)
            older = self._waiting.pop(key, None)
            if older is not None:
                self._waiting_bytes -= picture_bytes(older)
                if isinstance(older, Finished) and isinstance(message, Finished):
                    message = replace(message, dropped=message.dropped + older.dropped)
            self._waiting[key] = message
            self._waiting_bytes += picture_bytes(message)
            self._changed.notify_all()

    def drain(self, budget_s: float) -> Iterator[Message]:
        """Take out messages, oldest first, until the time is up: the caller's own time counts.

        Args:
            budget_s: At least one message is handed out, however small it is.
        """
        deadline = time.monotonic() + budget_s
        while True:
            message = self._take(lambda message: True)
            if message is None:
                return
            yield message
            if time.monotonic() >= deadline:
                return

    def wait_for(self, wanted: Callable[[Message], bool], timeout_s: float) -> Message | None:
        """Take out the first message of a kind, waiting for it if need be.

        Returns:
            ``None`` if none came in time.

        Raises:
            BridgeError: If the connection has ended and none will come.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                message = self._take(wanted)
                if message is not None:
                    return message
                if self._end is not None:
                    raise self._end
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def drop(self, unwanted: Callable[[Message], bool]) -> list[Message]:
        """Forget what waits of a kind.

        Returns:
            What that was, oldest first.
        """
        with self._changed:
            was_full = self.is_full
            keys = [key for key, message in self._waiting.items() if unwanted(message)]
            dropped = [self._waiting.pop(key) for key in keys]
            self._waiting_bytes -= sum(map(picture_bytes, dropped))
        if was_full:
            self._on_room()
        return dropped

    def end(self, reason: BridgeError | None) -> None:
        """Tell those who wait that nothing more will come; ``None`` takes it back."""
        with self._changed:
            self._end = reason
            self._changed.notify_all()

    def _take(self, wanted: Callable[[Message], bool]) -> Message | None:
        with self._changed:
            key = next((key for key, message in self._waiting.items() if wanted(message)), None)
            if key is None:
                return None
            was_full = self.is_full
            message = self._waiting.pop(key)
            self._waiting_bytes -= picture_bytes(message)
        if was_full:
            self._on_room()
        return message

    def _place(self, message: Message) -> Hashable:
        """Name a message's place; whoever has the same place is replaced."""
        place = place_of(message)
        if place is None:
            self._serial += 1
            return self._serial
        return place
