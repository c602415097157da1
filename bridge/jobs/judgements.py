"""What nodes of the worker say about their own inputs, asked before a workflow is accepted.

1. A question goes to a worker that is ready; until then it waits.
2. The worker keeps the time (``JUDGE_S``); one that does not even keep that is held to ``ANSWER_S`` here.
3. A worker that dies is asked again once; one that dies again is at fault.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

from bridge.engine import JUDGE_S, VALIDATOR_TIMEOUT, Judge, Judged
from bridge.errors import BridgeError, Problem
from bridge.graph import Question
from bridge.jobs.supervisor import Supervisor
from bridge.protocol import Message

ANSWER_S = JUDGE_S + 5.0
"""How long a worker may take to answer."""

ATTEMPTS = 2

_Problems = tuple[Problem, ...] | None
"""An answer; ``None`` from a worker that died."""


class Judgements:
    """Questions under way.

    Args:
        supervisor: Knows when a worker is ready.
        send: Sends it a message.
        raise_if_failed: Raises why there will be no worker.
    """

    def __init__(
        self, supervisor: Supervisor, send: Callable[[Message], None], raise_if_failed: Callable[[], None]
    ) -> None:
        self._supervisor = supervisor
        self._send = send
        self._raise_if_failed = raise_if_failed
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[_Problems]] = {}

    async def ask(self, questions: Sequence[Question]) -> tuple[Problem, ...]:
        """Return what nodes find wrong with their inputs.

        Raises:
            BridgeError: ``worker_failed``, or ``worker_crashed`` if it died under the questions twice.
        """
        for _ in range(ATTEMPTS if questions else 0):
            await self._supervisor.settle()
            self._raise_if_failed()
            answer = await self._answer(tuple(questions))
            if answer is not None:
                return answer
        if not questions:
            return ()
        names = ", ".join(dict.fromkeys(question.class_type for question in questions))
        raise BridgeError(
            f"the worker died while these nodes looked at their inputs: {names}",
            code="worker_crashed",
            hint="Leave out the pack that they come from; the daemon's log has the details.",
        )

    def receive(self, message: Judged) -> None:
        """Take an answer."""
        if answer := self._waiting.pop(message.request, None):
            _settle(answer, message.problems)

    def lose(self) -> None:
        """Note that the worker is gone, and will not answer."""
        lost, self._waiting = self._waiting, {}
        for answer in lost.values():
            _settle(answer, None)

    async def _answer(self, questions: tuple[Question, ...]) -> _Problems:
        request = next(self._numbers)
        answer: asyncio.Future[_Problems] = asyncio.get_running_loop().create_future()
        self._waiting[request] = answer
        self._send(Judge(request, questions))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            return tuple(_no_answer(question) for question in questions)
        finally:
            self._waiting.pop(request, None)


def _settle(answer: asyncio.Future[_Problems], problems: _Problems) -> None:
    if not answer.done():  # whoever asked may have left in this turn of the loop
        answer.set_result(problems)


def _no_answer(question: Question) -> Problem:
    message = f"{question.class_type} did not say within {ANSWER_S:g} s whether its inputs are good"
    return Problem(VALIDATOR_TIMEOUT, message, "This is a fault of the node's code.", question.node_id)
