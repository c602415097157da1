"""From what a client asks for to what a worker can run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.errors import Problem, WorkflowError
from bridge.graph import (
    ChoicesOf,
    Definitions,
    Question,
    Suggestions,
    Validation,
    Workflow,
    is_drawing,
    parse_workflow,
    read_drawing,
    set_values,
    validate,
)
from bridge.prompts import seed_of
from bridge.protocol import SetStream, Submit

LIGHT_NODES = 16
"""How many nodes are validated in half a millisecond."""

ResolvePrompt = Callable[[str, int], str]
"""From a prompt, dynamic or not, and a seed to a text; raises ``BridgeError``."""

ExpandPreset = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""From a preset's name and its controls' values to a workflow; raises ``BridgeError``."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A validated workflow.

    Args:
        workflow: API JSON with converted values.
        prompt: API JSON as it was submitted; empty where it is the same.
        outputs: The output nodes that can run.
        warnings: What is odd, and why other output nodes cannot run.
        texts: Name → what a dynamic prompt has become.
        templates: Name → the dynamic prompt itself.
    """

    workflow: Mapping[str, Any]
    prompt: Mapping[str, Any]
    outputs: tuple[str, ...]
    warnings: tuple[Problem, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)

    def runs_like(self, other: "Prepared") -> bool:
        """Whether both would give the same pictures."""
        return (self.workflow, self.outputs) == (other.workflow, other.outputs)


@dataclass(frozen=True, slots=True)
class Draft:
    """A workflow that is validated as far as node definitions go.

    Args:
        workflow: As it was submitted.
        validation: What of it can run.
        questions: For nodes that judge their inputs themselves.
        texts: Name → what a dynamic prompt has become.
        templates: Name → the dynamic prompt itself.
    """

    workflow: Workflow
    validation: Validation
    questions: tuple[Question, ...]
    texts: Mapping[str, str]
    templates: Mapping[str, str]

    def prepared(self, verdicts: Iterable[Problem] = ()) -> Prepared:
        """Return what a worker can run.

        Args:
            verdicts: What the nodes that were asked find wrong.

        Raises:
            WorkflowError: With every fault, if no output node can run.
        """
        validation = self.validation.with_verdicts(verdicts)
        validation.raise_if_nothing_runs()
        converted, prompt = validation.workflow.to_json(), self.workflow.to_json()
        faults = (replace(problem, is_warning=True) for problem in validation.problems)
        return Prepared(
            converted,
            {} if converted == prompt else prompt,
            validation.outputs,
            (*validation.warnings, *faults),
            self.texts,
            self.templates,
        )


def is_light_work(message: Submit | SetStream, definitions: Definitions) -> bool:
    """Say whether ``draft`` takes less time than handing it to a thread: few nodes, and no folder to list."""
    nodes = message.workflow
    if message.preset or message.dynamic or len(nodes) > LIGHT_NODES:
        return False
    classes = [node.get("class_type") if isinstance(node, Mapping) else None for node in nodes.values()]
    found = [definitions.get(name) if isinstance(name, str) else None for name in classes]
    return all(each and not any(entry.choices_from for entry in each.inputs) for each in found)


def draft(
    message: Submit | SetStream,
    definitions: Definitions,
    choices: ChoicesOf,
    expand: ExpandPreset,
    resolve: ResolvePrompt,
) -> Draft:
    """Find the workflow a client means, set its values, and validate it.

    Args:
        message: What the client asks for.
        definitions: The nodes that exist.
        choices: Lists the names in a folder.
        expand: Knows the presets.
        resolve: Draws from dynamic prompts, with the seed of the workflow.

    Raises:
        WorkflowError: If it is no workflow; ``unknown_control`` for a dynamic prompt that has no value.
        BridgeError: What ``expand`` and ``resolve`` raise.
    """
    workflow = _workflow(message, message.values, definitions, expand)
    texts = _resolved(message, workflow, resolve)
    if texts:
        workflow = _workflow(message, {**message.values, **texts}, definitions, expand)
    targets = message.targets if isinstance(message, Submit) else ()
    validation = validate(workflow, definitions, choices, targets)
    templates = {name: message.values[name] for name in texts}
    return Draft(workflow, validation, validation.questions(definitions), texts, templates)


def _workflow(
    message: Submit | SetStream, values: Mapping[str, Any], definitions: Definitions, expand: ExpandPreset
) -> Workflow:
    if message.preset:
        return parse_workflow(expand(message.preset, values))
    given = message.workflow
    workflow = read_drawing(given, definitions) if is_drawing(given) else given
    return set_values(parse_workflow(workflow), values, definitions)


def _resolved(message: Submit | SetStream, workflow: Workflow, resolve: ResolvePrompt) -> dict[str, str]:
    """Return what those values become that are dynamic prompts indeed."""
    if unknown := [_unknown(name, message.values) for name in message.dynamic if name not in message.values]:
        raise WorkflowError(unknown)
    given = {name: message.values[name] for name in message.dynamic}
    seed = seed_of(workflow.to_json()) if given else 0
    texts = {name: resolve(value, seed) for name, value in given.items() if isinstance(value, str)}
    return {name: text for name, text in texts.items() if text != given[name]}


def _unknown(name: str, values: Mapping[str, Any]) -> Problem:
    hint = Suggestions().did_you_mean(name, values) or "Give it a value, or do not name it."
    text = f'"{name[:80]}" is said to be a dynamic prompt, but has no value'
    return Problem("unknown_control", text, hint, input_name=name[:80])
