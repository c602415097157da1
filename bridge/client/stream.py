"""A live stream as a script sees it: push views, look at the latest picture."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..errors import BridgeError, ExecutionError
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
        name: Unique among this client's streams that are open.
        new_request: Names requests.
        numbers: For its frames; they count on over all streams, so that frames of an earlier one of its
            name are known.

    Attributes:
        dropped: Frames that newer ones replaced before they were rendered.
    """

    def __init__(
        self, connection: Connection, name: str, new_request: Callable[[], str], numbers: Iterator[int]
    ) -> None:
        self.name = name
        self.dropped = 0
        self._connection = connection
        self._new_request = new_request
        self._numbers = numbers
        self._first = 0  # the number of the first frame, once it is pushed
        self._is_closed = False

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
            BridgeError: ``stream_closed``; what is wrong with the connection.
        """
        self._raise_if_closed()
        message = SetStream(
            self._new_request(), self.name, workflow or {}, preset, values or {}, wants_preview
        )
        return ask(self._connection, message, Accepted, None)  # nodes may have to be loaded first

    def push(self, frame: Frame) -> int:
        """Send a view; it replaces one that still waits. Its bytes must not change from now on.

        Returns:
            The number that its result will carry.

        Raises:
            BridgeError: ``stream_closed``; why there is no connection.
        """
        self._raise_if_closed()
        number = next(self._numbers)
        if not self._first:
            self._first = number
            self._connection.inbox.drop(self._is_news)
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
            if message is None:
                return None
            assert isinstance(message, Result | Finished | Failure)
            if self._is_of_another(message):
                continue
            if isinstance(message, Result):
                return message
            if isinstance(message, Finished):
                self.dropped += message.dropped
                if message.state != "failed":
                    continue
            raise error_from(message.problems or (UNEXPLAINED,), ExecutionError)

    def close(self) -> None:
        """End the stream; a frame that is being rendered is cancelled."""
        if not self._is_closed:  # another one may have its name by now
            self._connection.send(CloseStream(self.name))
            self._is_closed = True

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise BridgeError(f'stream "{self.name}" is closed', code="stream_closed", hint="Open a new one.")

    def _is_news(self, message: Message) -> bool:
        return isinstance(message, Result | Finished | Failure) and message.stream == self.name

    def _is_of_another(self, message: Result | Finished | Failure) -> bool:
        """Tell whether a message is about an earlier stream of this name; failures have no number."""
        return not self._first or (not isinstance(message, Failure) and message.frame < self._first)
