"""From what a client asks for to what a worker can run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.errors import Problem
from bridge.graph import ChoicesOf, Definitions, parse_workflow, set_values, validate
from bridge.protocol import SetStream, Submit

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
    """

    workflow: Mapping[str, Any]
    prompt: Mapping[str, Any]
    outputs: tuple[str, ...]
    warnings: tuple[Problem, ...]

    def runs_like(self, other: "Prepared") -> bool:
        """Whether both would give the same pictures."""
        return (self.workflow, self.outputs) == (other.workflow, other.outputs)


def prepare(
    message: Submit | SetStream, definitions: Definitions, choices: ChoicesOf, expand: ExpandPreset
) -> Prepared:
    """Find the workflow a client means, set its values, and validate it.

    Args:
        message: What the client asks for.
        definitions: The nodes that exist.
        choices: Lists the names in a folder.
        expand: Knows the presets.

    Raises:
        WorkflowError: With every fault, if no output node can run.
        BridgeError: What ``expand`` raises.
    """
    if message.preset:
        workflow = parse_workflow(expand(message.preset, message.values))
    else:
        workflow = set_values(parse_workflow(message.workflow), message.values, definitions)
    targets = message.targets if isinstance(message, Submit) else ()
    validation = validate(workflow, definitions, choices, targets)
    validation.raise_if_nothing_runs()
    converted, prompt = validation.workflow.to_json(), workflow.to_json()
    faults = (replace(problem, is_warning=True) for problem in validation.problems)
    return Prepared(
        converted,
        {} if converted == prompt else prompt,
        validation.outputs,
        (*validation.warnings, *faults),
    )
