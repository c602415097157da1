"""What the worker measures of itself when somebody asks: memory of its device, hits of its cache.

1. Whoever asks while an answer is due gets the same one.
2. The worker answers from a thread of its own, while it computes; if it cannot, or there is none, there are
   no figures, and nobody waits longer than ``ANSWER_S``.
"""

import asyncio
from collections.abc import Callable, Mapping

from bridge.engine import Measure, Measured
from bridge.protocol import Message

ANSWER_S = 1.0
"""A call into a library may hold Python's lock for as long."""


class WorkerFigures:
    """Asks the worker.

    Args:
        send: Sends a message to the worker.
        is_ready: Whether there is one.
    """

    def __init__(self, send: Callable[[Message], None], is_ready: Callable[[], bool]) -> None:
        self._send = send
        self._is_ready = is_ready
        self._answer: asyncio.Future[Mapping[str, float]] | None = None

    async def read(self) -> Mapping[str, float]:
        """Return the figures; none if the worker cannot tell."""
        if self._answer is None:
            if not self._is_ready():
                return {}
            self._answer = asyncio.get_running_loop().create_future()
            self._send(Measure())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(self._answer)
        except TimeoutError:
            return {}

    def take(self, message: Measured) -> None:
        """Pass on what the worker says."""
        self._settle(message.figures)

    def lose(self) -> None:
        """Note that the worker is gone."""
        self._settle({})

    def _settle(self, figures: Mapping[str, float]) -> None:
        answer, self._answer = self._answer, None
        if answer:
            answer.set_result(figures)
