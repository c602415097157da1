"""Our faults of a workflow in ComfyUI's words: the types and the forms of messages that its clients read.

1. A fault of the whole prompt is an ``error``; one of a node stands in ``node_errors`` under the node's id.
2. Types, messages and details are those of ComfyUI where it knows the fault. What it does not know (a cycle,
   a link that leads nowhere) has its nearest type and our sentence, which names the nodes.
3. ``extra_info`` always holds our ``code``, and the ``hint`` if there is one, besides what ComfyUI tells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bridge.comfy.input_config import input_config
from bridge.engine import REFUSES_INPUTS
from bridge.errors import Problem
from bridge.graph import PICTURE_FOLDERS, ChoicesOf, Definitions, InputDefinition, Workflow, descendants

BAD_LINK = "Bad linked input, must be a length-2 list of [node_id, slot_index]"

MANY_CHOICES = 20
"""More choices are counted, not listed."""

MAX_NODES = 100
"""More nodes at fault are not told."""

_OF_PROMPT = {
    "no_outputs": ("prompt_no_outputs", "Prompt has no outputs"),
    "unknown_node": ("invalid_prompt", ""),
    "missing_class_type": (
        "invalid_prompt",
        "Cannot execute because a node is missing the class_type property.",
    ),
}
"""Code → type and message of a fault of the whole prompt; without a message, ours."""

NO_PROMPT = ("no_prompt", "No prompt provided", "No prompt provided")


@dataclass(frozen=True, slots=True)
class Faulty:
    """An input of a node at fault."""

    problem: Problem
    entry: InputDefinition | None
    value: Any
    workflow: Workflow
    definitions: Definitions
    choices: ChoicesOf

    @property
    def name(self) -> str:
        """Of the input."""
        return self.problem.input_name

    @property
    def config(self) -> Sequence[Any]:
        """The input as ``/object_info`` describes it."""
        return input_config(self.entry, self.choices) if self.entry else []


def error(kind: str, message: str, details: str = "", **extra: Any) -> dict[str, Any]:
    """Return one fault as ComfyUI tells it."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


class Judgement:
    """Tells the faults of one prompt.

    Args:
        workflow: The prompt; empty where it could not be read.
        definitions: The nodes that exist.
        choices: Lists a folder.
    """

    def __init__(self, workflow: Workflow, definitions: Definitions, choices: ChoicesOf) -> None:
        self._workflow = workflow
        self._definitions = definitions
        self._choices = choices

    def refusal(self, problems: Sequence[Problem]) -> dict[str, Any]:
        """Return the body of the answer to a prompt of which nothing can run."""
        for problem in problems:
            if not problem.is_warning and (problem.code in _OF_PROMPT or not self._is_of_node(problem)):
                return {"error": _of_prompt(problem, self._class_of(problem.node_id)), "node_errors": {}}
        node_errors = self.node_errors(problems)
        details = [
            f"{told['message']}: {told['details']}"
            for node_id, entry in node_errors.items()
            if node_id in self._outputs
            for told in entry["errors"]
        ]
        failed = error(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(details)
        )
        return {"error": failed, "node_errors": node_errors}

    def node_errors(self, problems: Sequence[Problem]) -> dict[str, Any]:
        """Return why nodes, and outputs that need them, cannot run."""
        told: dict[str, Any] = {}
        for problem in problems:
            node_id = problem.node_id
            if not self._is_of_node(problem) or problem.code in _HARMLESS:
                continue
            if node_id not in told:
                if len(told) == MAX_NODES:
                    break
                dependent, class_type = self._dependent(node_id), self._class_of(node_id)
                told[node_id] = {"errors": [], "dependent_outputs": dependent, "class_type": class_type}
            told[node_id]["errors"].append(self._node_error(problem))
        return told

    def _node_error(self, problem: Problem) -> dict[str, Any]:
        node = self._workflow.nodes[problem.node_id]
        definition = self._definitions.get(node.class_type)
        entry = definition.input(problem.input_name) if definition else None
        value = node.to_json()["inputs"].get(problem.input_name)
        if isinstance(value, Mapping) and "__value__" in value:
            value = value["__value__"]
        faulty = Faulty(problem, entry, value, self._workflow, self._definitions, self._choices)
        told = _OF_NODE.get(problem.code, _custom)(faulty)
        told["extra_info"] |= {"code": problem.code} | ({"hint": problem.hint} if problem.hint else {})
        return told

    def _is_of_node(self, problem: Problem) -> bool:
        return problem.node_id in self._workflow.nodes

    def _class_of(self, node_id: str) -> str:
        node = self._workflow.nodes.get(node_id)
        return node.class_type if node else ""

    @cached_property
    def _outputs(self) -> list[str]:
        nodes = self._workflow.nodes
        return [
            node_id
            for node_id, node in nodes.items()
            if (definition := self._definitions.get(node.class_type)) and definition.is_output
        ]

    def _dependent(self, node_id: str) -> list[str]:
        below = descendants(self._workflow.nodes, [node_id])
        return [output for output in self._outputs if output in below]


_HARMLESS = frozenset({"extra_input", "bad_target", "unused_node"})
"""Codes of warnings that keep no output from running."""


def _of_prompt(problem: Problem, class_type: str) -> dict[str, Any]:
    kind, message = _OF_PROMPT.get(problem.code, ("invalid_prompt", ""))
    details = f"Node ID '#{problem.node_id}'" if problem.node_id else ""
    if problem.code == "unknown_node":
        message = f"Cannot execute because node {class_type} does not exist."
    told = error(kind, message or problem.message, details, code=problem.code)
    if problem.hint:
        told["extra_info"]["hint"] = problem.hint
    return told


def _missing(faulty: Faulty) -> dict[str, Any]:
    return error("required_input_missing", "Required input is missing", faulty.name, input_name=faulty.name)


def _link(faulty: Faulty) -> dict[str, Any]:
    extra = {
        "input_name": faulty.name,
        "input_config": faulty.config,
        "received_value": faulty.value,
    }
    value = faulty.value
    if isinstance(value, list) and len(value) == 2 and str(value[0]) not in faulty.workflow.nodes:
        message = "Exception when validating node"
        extra |= {"exception_type": "KeyError", "traceback": []}
        return error("exception_during_validation", message, faulty.problem.message, **extra)
    is_pair = isinstance(value, list) and len(value) == 2
    details = f"{faulty.name}, {faulty.problem.message}" if is_pair else faulty.name
    return error("bad_linked_input", BAD_LINK, details, **extra)


def _mismatch(faulty: Faulty) -> dict[str, Any]:
    node_id, slot = faulty.value
    source = faulty.definitions[faulty.workflow.nodes[str(node_id)].class_type]
    received, needed = source.output(slot).type, faulty.entry.type if faulty.entry else ""
    return error(
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{faulty.name}, received_type({received}) mismatch input_type({needed})",
        input_name=faulty.name,
        input_config=faulty.config,
        received_type=received,
        linked_node=faulty.value,
    )


def _value(faulty: Faulty) -> dict[str, Any]:
    needed = faulty.entry.type if faulty.entry else ""
    why = faulty.problem.message
    return error(
        "invalid_input_type",
        f"Failed to convert an input value to a {needed} value",
        f"{faulty.name}, {faulty.value}, {why}",
        input_name=faulty.name,
        input_config=faulty.config,
        received_value=faulty.value,
        exception_message=why,
    )


def _range(faulty: Faulty) -> dict[str, Any]:
    assert faulty.entry is not None
    number = int(faulty.value) if faulty.entry.type == "INT" else float(faulty.value)
    low, high = faulty.entry.minimum, faulty.entry.maximum
    is_small = low is not None and number < low
    kind, words = ("smaller", f"min of {low}") if is_small else ("bigger", f"max of {high}")
    return error(
        f"value_{kind}_than_{'min' if is_small else 'max'}",
        f"Value {number} {kind} than {words}",
        faulty.name,
        input_name=faulty.name,
        input_config=faulty.config,
        received_value=number,
    )


def _choice(faulty: Faulty) -> dict[str, Any]:
    assert faulty.entry is not None
    if faulty.entry.choices_from in PICTURE_FOLDERS:
        details = f"{faulty.name} - Invalid image file: {faulty.value}"
        return error(
            "custom_validation_failed",
            "Custom validation failed for node",
            details,
            input_name=faulty.name,
        )
    known = faulty.entry.choices
    names = list(known if known is not None else faulty.choices(faulty.entry.choices_from))
    is_short = len(names) <= MANY_CHOICES
    listed = str(names) if is_short else f"(list of length {len(names)})"
    return error(
        "value_not_in_list",
        "Value not in list",
        f"{faulty.name}: '{faulty.value}' not in {listed}",
        input_name=faulty.name,
        input_config=faulty.config if is_short else None,
        received_value=faulty.value,
    )


def _exception(faulty: Faulty) -> dict[str, Any]:
    return error(
        "exception_during_validation",
        "Exception when validating node",
        faulty.problem.message,
        traceback=[],
    )


def _custom(faulty: Faulty) -> dict[str, Any]:
    _, phrase, after = faulty.problem.message.partition(f" {REFUSES_INPUTS}")
    reason = after.removeprefix(": ") if phrase else faulty.problem.message
    return error(
        "custom_validation_failed",
        "Custom validation failed for node",
        " - ".join(part for part in (faulty.name, reason) if part),
        input_name=faulty.name,
    )


_OF_NODE: Mapping[str, Callable[[Faulty], dict[str, Any]]] = {
    "missing_input": _missing,
    "bad_link": _link,
    "type_mismatch": _mismatch,
    "bad_value": _value,
    "bad_number": _value,
    "out_of_range": _range,
    "not_in_list": _choice,
    "model_not_found": _choice,
    "bad_path": _custom,
    "cycle": _exception,
    "exception_during_validation": _exception,
    "validator_timeout": _exception,
    "custom_validation_failed": _custom,
}
"""Code of a fault of a node → how ComfyUI tells it."""
