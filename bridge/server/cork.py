"""Sending what belongs together at once: many small messages are one write, and wake their reader once."""

import asyncio
from collections.abc import Callable
from typing import Any

FULL_BYTES = 64 * 1024
"""More than that is not held back."""


class CorkedTransport:
    """A transport that holds small writes back until the event loop's turn is over.

    A dozen messages tell of one small job, and an answer is written in two parts. Sent one by one they are
    a dozen system calls here and a dozen wake-ups there.

    Args:
        transport: What sends in the end; whatever is not done here, it does.
        loop: Whose turns count.
        on_rest: Called when it is closed while the peer has yet to take something.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, on_rest: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._on_rest = on_rest
        self._held: list[bytes] = []
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon; at once if that is much."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > FULL_BYTES:
            self._send()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait, here and in the system's queue."""
        return self._held_bytes + self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Send what waits, and close once the peer has taken it."""
        self._send()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._on_rest()

    def _send(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
