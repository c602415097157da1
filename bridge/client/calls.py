"""Waiting for answers, for callers who have nothing better to do."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import BridgeError, Problem, RemoteProtocolError, WorkflowError
from ..protocol import Accepted, Answer, Failure, Message, SetStream, Submit
from .connection import CLOSED, Connection
from .ledger import request_of
from .outcome import error_from

Reply = TypeVar("Reply", Accepted, Answer)

ANSWER_S = 30.0
"""How long to wait for an answer that needs no computing."""

PATIENCE_S = 30.0
"""How long to go on waiting after the connection broke."""

LOOK_S = 0.5
"""How often to look at the state of the connection."""

LATE = Problem("timeout", "the daemon did not answer in time", "It may be busy; wait longer, or see its log.")


def wait_for(
    connection: Connection, wanted: Callable[[Message], bool], deadline: float | None, late: Problem = LATE
) -> Message:
    """Take the first message of a kind out of the inbox.

    Args:
        connection: Started.
        wanted: What to wait for.
        deadline: In terms of ``time.monotonic()``; ``None`` to wait as long as the connection is good.
        late: What to say when it has passed.

    Raises:
        BridgeError: ``late``; why there is no connection, if there is none then, for ``PATIENCE_S``, or
            for good.
    """
    while True:
        now = time.monotonic()
        left = LOOK_S if deadline is None else min(LOOK_S, deadline - now)
        message = connection.inbox.wait_for(wanted, left)
        if message is not None:
            return message
        status = connection.status
        if not status.is_ready and now - status.since > PATIENCE_S:
            raise error_from([status.problem or CLOSED])
        if deadline is not None and now >= deadline:
            raise error_from([status.problem or late])


def ask(
    connection: Connection, message: Message, kind: type[Reply], timeout_s: float | None = ANSWER_S
) -> Reply:
    """Send a request and wait for its answer; the request is given up if waiting ends early.

    Args:
        connection: Started.
        message: The request.
        kind: What answers it.
        timeout_s: How long to wait; ``None`` for as long as the connection is good.

    Raises:
        BridgeError: What the daemon answered, if it is an error; see also ``wait_for``.
    """
    request = request_of(message)
    connection.send(message)
    try:
        answer = wait_for(
            connection,
            lambda message: isinstance(message, Accepted | Answer | Failure) and message.request == request,
            None if timeout_s is None else time.monotonic() + timeout_s,
        )
    except BaseException:
        connection.give_up(request)
        raise
    if isinstance(answer, Failure):
        is_workflow = isinstance(message, Submit | SetStream)
        raise error_from(answer.problems, WorkflowError if is_workflow else BridgeError)
    if not isinstance(answer, kind):
        raise RemoteProtocolError(f'the daemon answered "{message.type}" with "{answer.type}"')
    return answer
