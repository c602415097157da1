"""Setting values in a workflow by name: ``3.seed`` is input ``seed`` of node ``3``.

A node may also be named by its title (``Positive prompt.text``) where only one node has it. Ids,
titles and input names may hold dots themselves; the name is split where both halves exist.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bridge.errors import Problem, WorkflowError
from bridge.graph.definition import Definitions
from bridge.graph.nearest import Suggestions
from bridge.graph.place import listing, quote
from bridge.graph.reader import clean_value
from bridge.graph.workflow import Workflow, WorkflowNode


def set_values(
    workflow: Workflow, values: Mapping[str, Any], definitions: Definitions | None = None
) -> Workflow:
    """Return a copy of a workflow with some inputs replaced.

    Args:
        workflow: Stays as it is.
        values: ``"node.input"`` → JSON value; ``["4", 0]`` is a link, as in a workflow.
        definitions: With them, inputs that the workflow leaves out may be set too.

    Raises:
        WorkflowError: ``bad_set`` for every name that leads nowhere, and the faults that
            ``parse_workflow`` finds in values.
    """
    inputs: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for name, value in values.items():
        try:
            node, input_name = _find(workflow, name, definitions or {})
            clean = clean_value(value, node.id, input_name)
            inputs.setdefault(node.id, dict(node.inputs))[input_name] = clean
        except WorkflowError as error:
            problems.extend(error.problems)
    if problems:
        raise WorkflowError(problems)
    return workflow.with_inputs(inputs)


def read_settings(
    settings: Iterable[str], workflow: Workflow, definitions: Definitions | None = None
) -> dict[str, Any]:
    """Read ``3.seed=42`` as a command line gives it; the result is for ``set_values``.

    The text after the first ``=`` is taken as it stands where the input is known to be a text;
    elsewhere it is JSON, or a plain text if it is none.

    Args:
        settings: Texts of the form ``node.input=value``.
        workflow: Where the names lead.
        definitions: Tell texts from numbers; without them ``6.text=42`` is a number.

    Raises:
        WorkflowError: ``bad_set`` for every setting without ``=`` or with a name that leads nowhere.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            if not equals:
                raise _error(f"{quote(setting)} sets nothing", "Write node.input=value: 3.seed=42.")
            node, input_name = _find(workflow, name, definitions or {})
            definition = (definitions or {}).get(node.class_type)
            entry = definition.input(input_name) if definition else None
            values[name] = text if entry and entry.type in ("STRING", "COMBO") else _json_or_text(text)
        except WorkflowError as error:
            problems.extend(error.problems)
    if problems:
        raise WorkflowError(problems)
    return values


def _find(workflow: Workflow, name: str, definitions: Definitions) -> tuple[WorkflowNode, str]:
    """Return the node and the input that a name means."""
    found: tuple[WorkflowNode, str] | None = None
    for node, input_name in _candidates(workflow, name):
        if input_name in _input_names(node, definitions):
            return node, input_name
        found = found or (node, input_name)
    if not found:
        raise _no_such_node(workflow, name)
    node, input_name = found
    names = _input_names(node, definitions)
    hint = (
        Suggestions().did_you_mean(input_name, names) or f"It has {listing(list(names), 10) or 'no inputs'}."
    )
    message = f"node {_described(node, node.class_type)} has no input {quote(input_name)}"
    raise _error(message, hint, node.id, input_name)


def _candidates(workflow: Workflow, name: str) -> Iterator[tuple[WorkflowNode, str]]:
    """Yield every reading of a name whose first half is an id or a title."""
    parts = name.split(".")
    halves = [(".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(1, len(parts))]
    for node_name, input_name in halves:
        if node_name in workflow.nodes:
            yield workflow.nodes[node_name], input_name
    for node_name, input_name in halves:
        titled = [node for node in workflow.nodes.values() if node_name and node.title == node_name]
        if len(titled) > 1:
            ids = listing([quote(node.id, marks=False) for node in titled], 10)
            raise _error(f"several nodes are titled {quote(node_name)}", f"Use an id: {ids}.")
        yield from ((node, input_name) for node in titled)


def _input_names(node: WorkflowNode, definitions: Definitions) -> dict[str, None]:
    """Return the names that may be set: those declared, or, of an unknown class, those in use."""
    definition = definitions.get(node.class_type)
    return (
        dict.fromkeys(entry.name for entry in definition.inputs) if definition else dict.fromkeys(node.inputs)
    )


def _no_such_node(workflow: Workflow, name: str) -> WorkflowError:
    node_name = name.partition(".")[0]
    if node_name == name:
        return _error(f"{quote(name)} names no input", "Write node.input: 3.seed.")
    known = [*workflow.nodes, *(node.title for node in workflow.nodes.values() if node.title)]
    nodes = listing([_described(node, node.title or node.class_type) for node in workflow.nodes.values()], 10)
    hint = Suggestions().did_you_mean(node_name, known) or f"There are {nodes}."
    return _error(f"there is no node {quote(node_name)}", hint)


def _described(node: WorkflowNode, name: str) -> str:
    return f"{quote(node.id, marks=False)} ({quote(name, marks=False)})"


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _error(message: str, hint: str, node_id: str = "", input_name: str = "") -> WorkflowError:
    return WorkflowError([Problem("bad_set", message, hint, node_id, input_name)])
