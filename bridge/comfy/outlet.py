"""What waits to be sent to one of a client's WebSockets.

1. Everything is kept in order; what is passing (previews, progress) is left out while ``FULL_BYTES`` wait.
2. A reader that lets more than ``MAX_BYTES`` or ``MAX_MESSAGES`` pile up is hopeless: its connection ends.
3. What was not sent when a connection ends can be taken out, for the next one.
"""

import asyncio
import json
import struct
from collections import deque

from bridge.comfy.told import Event, Picture, Told, Words

FULL_BYTES = 4 * 1024**2
MAX_BYTES = 64 * 1024**2
MAX_MESSAGES = 10_000

TEXTS_AT_ONCE = 16
"""A dozen tell of a small job."""

PREVIEW_IMAGE = 1
"""A picture: its format, its bytes."""

TEXT = 3
"""The length of a node's id, that, and a text."""

PREVIEW_IMAGE_WITH_METADATA = 4
"""A picture: the length of a description in JSON, that, and its bytes."""

MESSAGE_BYTES = 200
"""What a message counts for beyond its size."""

_PAIR = struct.Struct(">II")
_FORMATS = {"image/jpeg": 1, "image/png": 2}


class Outlet:
    """The outgoing messages of one connection.

    Attributes:
        takes_metadata: Whether pictures come with a description; a client says so itself.
        overflow: Set once its reader is hopeless (rule 2).
    """

    def __init__(self) -> None:
        self.takes_metadata = False
        self._waiting: deque[tuple[Told, str, int]] = deque()  # message, its text if it is one, bytes
        self._bytes = 0
        self._arrived = asyncio.Event()
        self.overflow = asyncio.Event()

    def put(self, message: Told) -> None:
        """Add a message, unless it is passing and too much waits, or the client cannot read it."""
        if message.is_passing and self._bytes > FULL_BYTES:
            return
        if isinstance(message, Words) and not self.takes_metadata:
            return
        text = message.encoded() if isinstance(message, Event) else ""
        size = MESSAGE_BYTES + (len(text) or size_of(message))
        self._waiting.append((message, text, size))
        self._bytes += size
        self._arrived.set()
        if self._bytes > MAX_BYTES or len(self._waiting) > MAX_MESSAGES:
            self.overflow.set()

    async def get(self) -> list[str] | bytes:
        """Wait for what comes next, and take it out: a picture, or the few texts before the next one."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        texts: list[str] = []
        while self._waiting and self._waiting[0][1] and len(texts) < TEXTS_AT_ONCE:
            texts.append(self._take_first()[1])
        if texts:
            return texts
        message, _ = self._take_first()
        assert not isinstance(message, Event), "its text comes first"
        return written(message, takes_metadata=self.takes_metadata)

    def _take_first(self) -> tuple[Told, str]:
        message, text, size = self._waiting.popleft()
        self._bytes -= size
        return message, text

    def take(self) -> list[Told]:
        """Take out what waits."""
        taken = [message for message, _, _ in self._waiting]
        self._waiting.clear()
        self._bytes = 0
        return taken


def size_of(message: Told) -> int:
    """Return how many bytes a message has, or nearly so."""
    if isinstance(message, Picture):
        return memoryview(message.data).nbytes
    return len(message.text if isinstance(message, Words) else message.encoded())


def written(message: Picture | Words, *, takes_metadata: bool) -> bytes:
    """Return a binary message as it goes over the wire."""
    if isinstance(message, Words):
        node = message.node.encode()
        return _PAIR.pack(TEXT, len(node)) + node + message.text.encode()
    if not takes_metadata and not message.is_described:
        return _PAIR.pack(PREVIEW_IMAGE, _FORMATS[message.media_type]) + message.data
    about = json.dumps({**message.about, "image_type": message.media_type}).encode()
    return _PAIR.pack(PREVIEW_IMAGE_WITH_METADATA, len(about)) + about + message.data
