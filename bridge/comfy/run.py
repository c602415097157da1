"""``POST /run``: a prompt and its result in one request, or the result sent to a webhook.

1. The body is that of ``/prompt``, with ``timeout_s`` and perhaps ``webhook`` beside it.
2. Without a webhook the answer waits until the job has ended; with one it comes at once, and the webhook
   gets later what the answer would have been, however long that takes, if need be from the next daemon.
3. A job goes on when its time is over, or whoever asked has left; ``/history/{id}`` has its result.
"""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.comfy.bodies import read_object
from bridge.comfy.hub import Hub
from bridge.comfy.jobs import STATUSES
from bridge.comfy.kept_calls import Call, KeptCalls
from bridge.comfy.prompt import PromptDesk, PromptRefused
from bridge.comfy.webhook import Webhooks
from bridge.errors import BridgeError
from bridge.jobs import JobService
from bridge.server import as_json

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 600.0
MAX_TIMEOUT_S = 3600.0


class RunDesk:
    """Runs prompts for those who wait.

    Args:
        service: Runs them.
        hub: Knows when they have ended.
        prompts: Queues them.
        webhooks: Calls back.
        kept: Whom an earlier daemon had promised to call back.
    """

    def __init__(
        self, service: JobService, hub: Hub, prompts: PromptDesk, webhooks: Webhooks, kept: KeptCalls
    ) -> None:
        self._service = service
        self._hub = hub
        self._prompts = prompts
        self._webhooks = webhooks
        self._kept = kept
        self._calling: set[asyncio.Task[None]] = set()
        for call in kept:
            self._call_later(call)

    async def post(self, request: Request) -> Response:
        """Run a prompt."""
        data = await read_object(request)
        timeout_s, webhook = _timeout(data.get("timeout_s")), data.get("webhook")
        if webhook is not None:
            self._webhooks.check(webhook)
        try:
            accepted = await self._prompts.submit(data)
        except PromptRefused as refused:
            return as_json(refused.body, refused.status)
        if webhook is None:
            return await self._answer(accepted, timeout_s)
        call = Call(webhook, accepted)
        try:
            await asyncio.to_thread(self._kept.keep, call)
        except OSError as error:
            logger.warning("the webhook of job %s is forgotten if the daemon ends: %s", call.job_id, error)
        self._call_later(call)
        return as_json(accepted, HTTPStatus.ACCEPTED)

    async def _answer(self, accepted: Mapping[str, Any], timeout_s: float) -> Response:
        try:
            async with asyncio.timeout(timeout_s):
                await self._hub.until_ended(accepted["prompt_id"])
        except TimeoutError:
            problem = BridgeError(
                f"the job has not ended after {timeout_s:g} s; it goes on",
                code="still_running",
                hint="Ask /history/{prompt_id} later, or give a longer timeout_s.",
            ).problem
            return as_json({**accepted, **problem.to_json()}, HTTPStatus.GATEWAY_TIMEOUT)
        return as_json(self._result(accepted))

    def _call_later(self, call: Call) -> None:
        task = asyncio.create_task(self._call(call))
        self._calling.add(task)
        task.add_done_callback(self._calling.discard)

    async def _call(self, call: Call) -> None:
        await self._hub.until_ended(call.job_id)
        try:
            await self._webhooks.call(call.url, self._result(call.accepted))
        except BridgeError as error:
            logger.warning("the webhook of job %s was not called: %s", call.job_id, error)
        self._kept.drop(call)

    def _result(self, accepted: Mapping[str, Any]) -> dict[str, Any]:
        record = self._service.record(accepted["prompt_id"])
        if record is None:  # forgotten since
            return {**accepted, "status": "unknown", "outputs": {}}
        result = {**accepted, "status": STATUSES[record.state], "outputs": record.shown}
        if record.problems:
            result["problems"] = [problem.to_json() for problem in record.problems]
        return {**result, "timings": record.timings}


def _timeout(given: Any) -> float:
    if given is None:
        return DEFAULT_TIMEOUT_S
    if not isinstance(given, int | float) or not 0 < given <= MAX_TIMEOUT_S:
        raise BridgeError(
            "timeout_s is no number of seconds that can be waited",
            code="bad_value",
            hint=f"Give a number up to {MAX_TIMEOUT_S:g}, or leave it out for {DEFAULT_TIMEOUT_S:g}.",
        )
    return float(given)
