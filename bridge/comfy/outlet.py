"""What waits to be sent to one of a client's WebSockets.

1. Everything is kept in order; what is passing (previews, progress) is left out while ``FULL_BYTES`` wait.
2. A reader that lets more than ``MAX_BYTES`` or ``MAX_MESSAGES`` pile up is hopeless: its connection ends.
3. What was not sent when a connection ends can be taken out, for the next one.
"""

import asyncio
import json
import struct
from collections import deque

from bridge.comfy.story import Event, Picture

FULL_BYTES = 4 * 1024**2
MAX_BYTES = 64 * 1024**2
MAX_MESSAGES = 10_000

PREVIEW_IMAGE = 1
"""A picture: its format, its bytes."""

PREVIEW_IMAGE_WITH_METADATA = 4
"""A picture: the length of a description in JSON, that, and its bytes."""

_FORMATS = {"image/jpeg": 1, "image/png": 2}


class Outlet:
    """The outgoing messages of one connection.

    Attributes:
        takes_metadata: Whether pictures come with a description; a client says so itself.
    """

    def __init__(self) -> None:
        self.takes_metadata = False
        self._waiting: deque[Event | Picture] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    @property
    def is_hopeless(self) -> bool:
        """Whether its reader has fallen too far behind (rule 2)."""
        return self._bytes > MAX_BYTES or len(self._waiting) > MAX_MESSAGES

    def put(self, message: Event | Picture) -> None:
        """Add a message, unless it is passing and too much waits."""
        if message.is_passing and self._bytes > FULL_BYTES:
            return
        self._waiting.append(message)
        self._bytes += size_of(message)
        self._arrived.set()

    async def get(self) -> str | bytes:
        """Wait for the next message, and take it out."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._waiting.popleft()
        self._bytes -= size_of(message)
        return written(message, takes_metadata=self.takes_metadata)

    def take(self) -> list[Event | Picture]:
        """Take out what waits."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return taken


def size_of(message: Event | Picture) -> int:
    """Estimate what a message takes, in bytes."""
    return 512 + (memoryview(message.data).nbytes if isinstance(message, Picture) else 0)


def written(message: Event | Picture, *, takes_metadata: bool) -> str | bytes:
    """Return a message as it goes over the wire."""
    if isinstance(message, Event):
        return json.dumps({"type": message.type, "data": message.data})
    if not takes_metadata and not message.is_described:
        return struct.pack(">II", PREVIEW_IMAGE, _FORMATS[message.media_type]) + message.data
    about = json.dumps({**message.about, "image_type": message.media_type}).encode()
    return struct.pack(">II", PREVIEW_IMAGE_WITH_METADATA, len(about)) + about + message.data
