"""What one client has sent and nobody has looked at yet: requests in order, of a stream the newest frame.

A request may take long (the first one waits until the worker has told its nodes). The connection is read on
meanwhile, so that frames replace each other instead of piling up, and the peer's pongs are heard.
"""

import asyncio
from collections.abc import Hashable

from bridge.protocol import MAX_MESSAGE_BYTES, Message, StreamFrame, picture_bytes

MAX_WAITING = 64
"""When so much waits, reading stops until there is room."""

MAX_WAITING_BYTES = 4 * MAX_MESSAGE_BYTES
"""The same for the pictures in it; one more message may come on top."""


class Inbox:
    """The incoming messages of one client."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Message] = {}
        self._waiting_bytes = 0
        self._serial = 0
        self._changed = asyncio.Condition()

    @property
    def has_room(self) -> bool:
        """Whether reading may go on."""
        return len(self._waiting) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    async def put(self, message: Message) -> None:
        """Add a message once there is room; a frame replaces the one of its stream that waits."""
        async with self._changed:
            self._serial += 1
            key = message.stream if isinstance(message, StreamFrame) else self._serial
            if key in self._waiting:
                self._take(key)
            await self._changed.wait_for(lambda: self.has_room)
            self._waiting[key] = message
            self._waiting_bytes += picture_bytes(message)
            self._changed.notify_all()

    async def get(self) -> Message:
        """Wait for the oldest message, and take it out."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._waiting))
            message = self._take(next(iter(self._waiting)))
            self._changed.notify_all()
            return message

    def _take(self, key: Hashable) -> Message:
        message = self._waiting.pop(key)
        self._waiting_bytes -= picture_bytes(message)
        return message
