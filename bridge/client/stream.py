"""A live stream as a script sees it: push views, look at the latest picture."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..errors import ExecutionError
from ..protocol import (
    Accepted,
    CloseStream,
    Failure,
    Finished,
    Frame,
    Message,
    Result,
    SetStream,
    StreamFrame,
)
from .calls import ask
from .connection import Connection
from .outcome import UNEXPLAINED, error_from


class Stream:
    """A live stream that is open.

    Args:
        connection: Ready.
        name: Unique among this client's streams.
        new_request: Names requests.

    Attributes:
        dropped: Frames that newer ones replaced before they were rendered.
    """

    def __init__(self, connection: Connection, name: str, new_request: Callable[[], str]) -> None:
        self.name = name
        self.dropped = 0
        self._connection = connection
        self._new_request = new_request
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def change(
        self,
        *,
        workflow: Mapping[str, Any] | None = None,
        preset: str = "",
        values: Mapping[str, Any] | None = None,
        wants_preview: bool = False,
    ) -> Accepted:
        """Set what the stream runs; the newest frame is rendered again through it, under its old number.

        Args:
            workflow: ComfyUI API JSON; or give ``preset``.
            preset: Its name.
            values: See ``SetStream``.
            wants_preview: Whether to show pictures while sampling.

        Raises:
            WorkflowError: With every fault found; the stream goes on as before.
        """
        message = SetStream(
            self._new_request(), self.name, workflow or {}, preset, values or {}, wants_preview
        )
        return ask(self._connection, message, Accepted)

    def push(self, frame: Frame) -> int:
        """Send a view; it replaces one that still waits. Its bytes must not change from now on.

        Returns:
            The number that its result will carry.
        """
        number = next(self._numbers)
        self._connection.send(StreamFrame(self.name, replace(frame, number=number)))
        return number

    def latest(self, timeout_s: float = 0.0) -> Result | None:
        """Return the newest picture that was not returned yet, waiting for one if asked to.

        Returns:
            ``None`` if there is none in time.

        Raises:
            BridgeError: Why a frame could not be rendered, or why there is no connection.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            message = self._connection.inbox.wait_for(self._is_news, left)
            if message is None or isinstance(message, Result):
                return message
            assert isinstance(message, Failure | Finished)
            if isinstance(message, Finished):
                self.dropped += message.dropped
                if message.state != "failed":
                    continue
            raise error_from(message.problems or (UNEXPLAINED,), ExecutionError)

    def close(self) -> None:
        """End the stream; a frame that is being rendered is cancelled."""
        self._connection.send(CloseStream(self.name))

    def _is_news(self, message: Message) -> bool:
        return isinstance(message, Result | Finished | Failure) and message.stream == self.name
