"""What waits to be sent to one client: everything it must see, and only the newest of what ages.

1. Answers, and what a job has to show for itself (results, its end), are kept in order; none is dropped.
2. Of everything else the newest of its kind and job or stream replaces the one that waits: state,
   progress, previews, what belongs to a stream, and complaints that answer no request.
3. A newer picture of a stream removes whatever waits about older frames of that stream; frames whose
   pictures were so removed are counted in ``dropped`` of the stream's next ``finished``.
4. A client that lets too much of what must be kept pile up is hopeless: its connection ends, and it
   asks for its jobs again (``attach``) when it is back.
5. Everything here runs on the event loop; ``put`` never waits, so one client never holds up another.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace

from bridge.protocol import (
    MAX_MESSAGE_BYTES,
    Finished,
    Message,
    Preview,
    Progress,
    Result,
    Started,
    picture_bytes,
    place_of,
)

MAX_WAITING = 1000
"""Messages; more make the client hopeless."""

MAX_WAITING_BYTES = 8 * MAX_MESSAGE_BYTES
"""Bytes of pictures in them."""


class Outbox:
    """The outgoing messages of one client."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Message] = {}  # in the order to send
        self._waiting_bytes = 0
        self._dropped: Counter[str] = Counter()  # stream → frames to add to its next ``finished``
        self._serial = 0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_hopeless(self) -> bool:
        """Whether the client has fallen so far behind that keeping more for it makes no sense."""
        return len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES

    def put(self, message: Message) -> None:
        """Add a message; it may replace, or remove, others that wait."""
        if isinstance(message, Result) and message.stream:
            self._supersede(message)
        key = self._place(message)
        if key in self._waiting:
            self._remove(key)
        if isinstance(message, Finished) and message.stream:
            message = replace(message, dropped=message.dropped + self._dropped.pop(message.stream, 0))
        self._waiting[key] = message
        self._waiting_bytes += picture_bytes(message)
        self._arrived.set()

    async def get(self) -> Message:
        """Wait for the next message to send, and take it out."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._waiting.pop(next(iter(self._waiting)))
        self._waiting_bytes -= picture_bytes(message)
        return message

    def _place(self, message: Message) -> Hashable:
        """Name a message's place in the queue; whoever has the same place is replaced."""
        place = place_of(message)
        if place is None:
            self._serial += 1
            return self._serial
        return place

    def _supersede(self, newer: Result) -> None:
        """Remove what waits about frames before this one."""
        outdated = [
            (key, waiting)
            for key, waiting in self._waiting.items()
            if isinstance(waiting, Started | Progress | Preview | Result | Finished)
            and waiting.stream == newer.stream
            and waiting.frame < newer.frame
        ]
        for key, _ in outdated:
            self._remove(key)
        unseen = {waiting.frame for _, waiting in outdated if isinstance(waiting, Result)}
        self._dropped[newer.stream] += len(unseen)

    def _remove(self, key: Hashable) -> None:
        message = self._waiting.pop(key)
        self._waiting_bytes -= picture_bytes(message)
        if isinstance(message, Finished):
            self._dropped[message.stream] += message.dropped
