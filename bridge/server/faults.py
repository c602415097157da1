"""How faults are told over HTTP: as code, message and hint, under one status each.

1. An error of ours has the status of its code, on every route alike.
2. What a route says of a fault is what is told; only the framework's own words make way for ours.
3. A bug is told as one, without its traceback.
"""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bridge.errors import BridgeError, Problem, problem_of
from bridge.server.replies import as_json

STATUSES: Mapping[str, HTTPStatus] = {
    "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_clients": HTTPStatus.SERVICE_UNAVAILABLE,
    "queue_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "worker_failed": HTTPStatus.SERVICE_UNAVAILABLE,
    "worker_crashed": HTTPStatus.SERVICE_UNAVAILABLE,
    "message_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "image_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "bad_image": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "job_exists": HTTPStatus.CONFLICT,
    "job_not_found": HTTPStatus.NOT_FOUND,
}
"""Code of an error → status; all others are ``400``."""

_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.REQUEST_TIMEOUT: "request_timeout",
}
"""Status of what a route says → code; of all others ``bad_request``."""

_PHRASES = {
    HTTPStatus.NOT_FOUND: Problem("no_such_route", "there is nothing at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: Problem("wrong_method", "this path is not asked like that"),
}
"""Status → what is told where only the framework has spoken."""


def status_of(error: BridgeError) -> HTTPStatus:
    """Return the status to answer an error with."""
    return STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)


def answer_to(error: BridgeError) -> Response:
    """Return the answer to a request that cannot be met."""
    return _told(error.problem, status_of(error))


async def tell_http_error(request: Request, error: Exception) -> Response:
    """Answer with what a route, or the framework, has against a request."""
    assert isinstance(error, HTTPException)
    status, said = HTTPStatus(error.status_code), str(error.detail)
    problem = Problem(_CODES.get(status, "bad_request"), said)
    if said == status.phrase:
        problem = _PHRASES.get(status, problem)
    response = _told(problem, status)
    response.headers.update(error.headers or {})  # which methods there are; that the connection ends
    return response


async def tell_bridge_error(request: Request, error: Exception) -> Response:
    """Answer with an error of ours."""
    assert isinstance(error, BridgeError)
    return answer_to(error)


async def tell_bug(request: Request, error: Exception) -> Response:
    """Say that something is wrong here, and no more."""
    return _told(problem_of(error), HTTPStatus.INTERNAL_SERVER_ERROR)


def _told(problem: Problem, status: HTTPStatus) -> Response:
    return as_json({"code": problem.code, "message": problem.message, "hint": problem.hint}, status)
