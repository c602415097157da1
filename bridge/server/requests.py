"""What each message of a client asks of the daemon, and what it gets back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bridge.errors import BridgeError, problem_of
from bridge.jobs import JobService
from bridge.protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    CloseStream,
    Failure,
    Free,
    Message,
    Query,
    SetStream,
    StreamFrame,
    Submit,
)

logger = logging.getLogger(__name__)

Answers = Mapping[str, Callable[[], Mapping[str, Any]]]
"""What a ``query`` may ask besides ``nodes`` and ``status``: subject → how to find out. May read files."""

Handlers = Mapping[type[Message], Callable[[Any], Awaitable[Message]]]
"""What somebody else answers: type → how. While it takes its time, other messages are answered."""


async def respond(
    service: JobService, answers: Answers, session: str, message: Message, handlers: Handlers | None = None
) -> Message | None:
    """Do what a client asks, and return the reply, if one is due.

    Nothing that goes wrong is raised: a client whose request failed is told why, and goes on.
    """
    try:
        if handlers and type(message) in handlers:
            return await handlers[type(message)](message)
        return await _obey(service, answers, session, message)
    except BridgeError as error:
        problems = error.problems
    except Exception as error:  # the boundary of one request; a bug in it must not end the connection
        logger.error("%s of session %.6s… failed", message.type, session)
        problems = (problem_of(error),)
    # A frame has no request; whoever sent it knows it by its stream.
    stream = message.stream if isinstance(message, StreamFrame) else ""
    return Failure(problems, getattr(message, "request", ""), stream)


async def _obey(service: JobService, answers: Answers, session: str, message: Message) -> Message | None:
    match message:
        case Submit():
            return await service.submit(session, message)
        case SetStream():
            return await service.set_stream(session, message)
        case StreamFrame():
            service.push_frame(session, message)
        case CloseStream():
            service.close_stream(session, message.stream)
        case Cancel():
            return Answer(message.request, {"cancelled": await service.cancel(session, message.job)})
        case Attach():
            await service.attach(session, message.job)
            return Accepted(message.request, job=message.job)
        case Free():
            await service.free()
            return Answer(message.request, {})
        case Query():
            return Answer(message.request, await _answer(service, answers, message.subject))
        case _:
            raise AssertionError(f"the session let {message.type} through")
    return None


async def _answer(service: JobService, answers: Answers, subject: str) -> Mapping[str, Any]:
    if subject == "status":
        return service.status()
    if subject == "nodes":
        definitions = await service.definitions()
        return {"nodes": {name: definition.to_json() for name, definition in definitions.items()}}
    if subject in answers:
        return await asyncio.to_thread(answers[subject])
    known = ", ".join(sorted({"nodes", "status", *answers}))
    raise BridgeError(
        f'"{subject[:80]}" is nothing to ask for', code="unknown_subject", hint=f"Ask for {known}."
    )
