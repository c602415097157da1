"""``/prompt``: what is to run, and whether it can.

1. A prompt is API JSON; the editor's JSON is converted. Whose it is, ``client_id`` says.
2. An unknown class of node refuses the whole prompt, as in ComfyUI; other faults refuse the outputs that
   need the node at fault, and those that can run do.
3. Nothing of ``extra_data`` is kept but ``extra_pnginfo``: keys of other services are not ours to store.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from bridge.comfy.bodies import read_object
from bridge.comfy.faults import NO_PROMPT, Judgement, error
from bridge.comfy.hub import PREFIX, Hub
from bridge.errors import BridgeError, Problem, WorkflowError
from bridge.graph import ChoicesOf, Definitions, Workflow, is_drawing, parse_workflow, read_drawing
from bridge.jobs import JobService
from bridge.protocol import Submit
from bridge.server import as_json, status_of

MAX_CLIENT_ID = 100
"""Characters; a session's name is at most 128."""

MAX_NUMBER = 1e18
"""Beyond it, numbers that follow each other are the same."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a client wants to run.

    Args:
        workflow: API JSON.
        client_id: Who is told about it; empty for nobody.
        job_id: Names it.
        number: Its place in the queue; ``None`` for behind all others.
        front: Whether it goes before all others.
        extra: Kept with its pictures.
        targets: The output nodes to run; ``None`` for all.
        wants_preview: Whether to show pictures while sampling; ``None`` for as the client is used to.
    """

    workflow: Mapping[str, Any]
    client_id: str
    job_id: str
    number: float | None = None
    front: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None
    wants_preview: bool | None = None


class PromptDesk:
    """Takes prompts.

    Args:
        service: Runs them.
        hub: Tells clients about them.
        choices: Lists the names in a folder.
    """

    def __init__(self, service: JobService, hub: Hub, choices: ChoicesOf) -> None:
        self._service = service
        self._hub = hub
        self._choices = choices

    async def remaining(self, request: Request) -> Response:
        """Say how many jobs run and wait."""
        return as_json({"exec_info": {"queue_remaining": self._service.state.queue_remaining}})

    async def post(self, request: Request) -> Response:
        """Queue a prompt."""
        try:
            answer = await self.submit(await read_object(request))
        except PromptRefused as refused:
            return as_json(refused.body, refused.status)
        return as_json(answer)

    async def submit(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Queue what the body of a request asks for; return the answer.

        Raises:
            PromptRefused: With the body of the answer.
        """
        try:
            return await self._submit(read_prompt(data))
        except BridgeError as fault:
            raise PromptRefused(
                {
                    "error": error(fault.code, fault.message, fault.hint),
                    "node_errors": {},
                    **fault.problem.to_json(),
                },
                status_of(fault),
            ) from fault

    async def _submit(self, prompt: Prompt) -> dict[str, Any]:
        definitions = await self._service.definitions()
        if is_drawing(prompt.workflow):
            drawing = prompt.workflow
            workflow = await asyncio.to_thread(read_drawing, drawing, definitions)
            prompt = replace(prompt, workflow=workflow, extra={"workflow": drawing, **prompt.extra})
        if prompt.targets == ():
            problem = Problem("no_outputs", "no target is given", "Name output nodes, or leave it out.")
            raise PromptRefused(self._refusal([problem], {}, definitions), 400)
        with self._hub.holding(prompt.client_id) as client:
            message = Submit(
                prompt.job_id,
                prompt.workflow,
                frame=self._hub.pictures.frame_for(prompt.workflow),
                extra=_storable(prompt.extra),
                wants_preview=client.takes_metadata if prompt.wants_preview is None else prompt.wants_preview,
                targets=prompt.targets or (),
                number=prompt.number,
                front=prompt.front,
            )
            try:
                self._raise_if_unknown(prompt.workflow, definitions)
                accepted = await self._service.submit(
                    PREFIX + prompt.client_id, message, job_id=prompt.job_id, wants_nodes=True
                )
            except WorkflowError as fault:
                body = await asyncio.to_thread(self._refusal, fault.problems, prompt.workflow, definitions)
                raise PromptRefused(body, 400) from fault
        record = self._service.record(prompt.job_id)
        node_errors: Mapping[str, Any] = {}
        if any(problem.node_id for problem in accepted.warnings):
            judgement = Judgement(_readable(prompt.workflow), definitions, self._choices)
            node_errors = await asyncio.to_thread(judgement.node_errors, accepted.warnings)
        number = record.number if record else 0
        return {"prompt_id": prompt.job_id, "number": number, "node_errors": node_errors}

    def _raise_if_unknown(self, workflow: Mapping[str, Any], definitions: Definitions) -> None:
        """Refuse unknown classes wherever they stand (rule 2)."""
        for node_id, node in workflow.items():
            class_type = node.get("class_type") if isinstance(node, Mapping) else None
            if isinstance(class_type, str) and class_type not in definitions:
                message = f'there is no node class "{class_type[:80]}"'
                raise WorkflowError([Problem("unknown_node", message, node_id=node_id)])

    def _refusal(
        self, problems: Sequence[Problem], workflow: Mapping[str, Any], definitions: Definitions
    ) -> dict[str, Any]:
        return Judgement(_readable(workflow), definitions, self._choices).refusal(problems)


class PromptRefused(Exception):
    """A prompt that cannot be queued.

    Args:
        body: What to answer.
        status: Of the answer.
    """

    def __init__(self, body: Mapping[str, Any], status: int) -> None:
        super().__init__(body["error"]["message"])
        self.body = body
        self.status = status


def read_prompt(data: Mapping[str, Any]) -> Prompt:
    """Read the body of a request.

    Raises:
        PromptRefused: ``no_prompt``, ``invalid_prompt_id``, ``invalid_prompt``.
    """
    workflow = data.get("prompt")
    if workflow is None:
        raise _refuse(*NO_PROMPT)
    if not isinstance(workflow, Mapping):
        raise _refuse("invalid_prompt", "The prompt is no object of nodes.", "")
    extra_data = _mapping(data.get("extra_data"))
    client_id, targets = data.get("client_id"), data.get("partial_execution_targets")
    preview = extra_data.get("preview_method")
    return Prompt(
        workflow,
        client_id[:MAX_CLIENT_ID] if isinstance(client_id, str) else "",
        _job_id(data.get("prompt_id")),
        _number(data.get("number")),
        bool(data.get("front")),
        _mapping(extra_data.get("extra_pnginfo")),
        tuple(str(target) for target in targets) if isinstance(targets, list) else None,
        preview not in ("none", "") if isinstance(preview, str) and preview != "default" else None,
    )


def _number(given: Any) -> float | None:
    if given is None:
        return None
    try:
        if abs(number := float(given)) < MAX_NUMBER:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise _refuse(
        "invalid_prompt", "The number is none that a place in the queue can have.", str(given)[:100]
    )


def _job_id(given: Any) -> str:
    if given is None:
        return str(uuid4())
    try:
        if str(UUID(given)) == given:
            return str(given)
    except (ValueError, AttributeError, TypeError):
        pass
    raise _refuse(
        "invalid_prompt_id", "The prompt_id is no UUID in lower case with dashes.", str(given)[:100]
    )


def _refuse(kind: str, message: str, details: str) -> PromptRefused:
    return PromptRefused({"error": error(kind, message, details), "node_errors": {}}, 400)


def _storable(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is kept with pictures; numbers in it that JSON has not are null, as browsers write them.

    Raises:
        PromptRefused: ``invalid_prompt`` if it is nested too deeply.
    """
    try:
        json.dumps(extra, allow_nan=False)
    except ValueError:
        stored: dict[str, Any] = json.loads(json.dumps(extra), parse_constant=lambda name: None)
        return stored
    except RecursionError:
        raise _refuse("invalid_prompt", "extra_pnginfo is nested too deeply.", "") from None
    return extra


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _readable(workflow: Mapping[str, Any]) -> Workflow:
    """Return a workflow; an empty one where it cannot be read."""
    try:
        return parse_workflow(workflow)
    except WorkflowError:
        return Workflow({})
