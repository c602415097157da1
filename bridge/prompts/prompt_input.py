"""Which inputs of a workflow are its prompt, the text that reaches a sampler as what is wanted; its seed."""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.errors import InputError
from bridge.graph import Definitions, InputDefinition, Link, Workflow, WorkflowNode

SEEDS = ("seed", "noise_seed")

SIDES = {"positive": ("positive", "conditioning"), "negative": ("negative",)}
"""Inputs of samplers and guiders that take each kind of text; the first that a node has counts."""


def prompt_inputs(workflow: Workflow, definitions: Definitions, side: str = "positive") -> tuple[str, ...]:
    """Return the inputs that hold the prompt, as ``node.input``; several of one node take the same text.

    Args:
        workflow: Of any kind.
        definitions: Tell texts from other inputs.
        side: ``positive``, or ``negative`` for the text of what is not wanted.

    Raises:
        InputError: ``no_prompt_input`` if none is found; ``several_prompts`` if several nodes hold one.
    """
    found = dict.fromkeys(
        place for node in _ends(workflow, side) for place in _texts_behind(workflow, definitions, node, side)
    )
    nodes = dict.fromkeys(node for node, _ in found)
    if not found:
        raise InputError(
            "no text of this workflow reaches a sampler as its prompt",
            code="no_prompt_input",
            hint="Say which input takes the prompts: --prompt-input 6.text.",
        )
    if len(nodes) > 1:
        listed = ", ".join(f"{node}.{name}" for node, name in found)
        raise InputError(
            f"several texts of this workflow reach a sampler: {listed}",
            code="several_prompts",
            hint=f"Say which takes the prompts: --prompt-input {next(iter(nodes))}.{next(iter(found))[1]}.",
        )
    return tuple(f"{node}.{name}" for node, name in found)


def seed_of(workflow: Mapping[str, Any]) -> int:
    """Return the first seed of a workflow (API JSON); 0 where it has none."""
    seeds = (node["inputs"].get(name) for node in workflow.values() for name in SEEDS)
    return next((seed for seed in seeds if isinstance(seed, int)), 0)


def _ends(workflow: Workflow, side: str) -> list[WorkflowNode]:
    """Return the nodes that take such a text and hand it on to nobody as such: samplers and guiders."""
    takers = [node for node in workflow.nodes.values() if _start_of(node, side)]
    feeding = {
        value.node_id
        for node in takers
        for name, value in node.inputs.items()
        if isinstance(value, Link) and any(name in names for names in SIDES.values())
    }
    return [node for node in takers if node.id not in feeding]


def _start_of(node: WorkflowNode, side: str) -> str:
    return next((name for name in SIDES[side] if isinstance(node.inputs.get(name), Link)), "")


def _texts_behind(
    workflow: Workflow, definitions: Definitions, end: WorkflowNode, side: str
) -> Iterator[tuple[str, str]]:
    """Yield node and input of every text that the conditioning of one side is made of."""
    other = "negative" if side == "positive" else "positive"
    waiting, seen = [end.inputs[_start_of(end, side)].node_id], set()
    while waiting:
        node = workflow.nodes.get(waiting.pop(0))
        if node is None or node.id in seen:
            continue
        seen.add(node.id)
        entries = definitions[node.class_type].inputs if node.class_type in definitions else ()
        texts = [entry for entry in entries if entry.type == "STRING"]
        yield from _typed(node, texts)
        linked = [entry.name for entry in texts] or [_start_of(node, side)]
        if not any(isinstance(node.inputs.get(name), Link) for name in linked):
            linked = [entry.name for entry in entries if entry.type == "CONDITIONING" and entry.name != other]
        waiting += [link.node_id for name in linked if isinstance(link := node.inputs.get(name), Link)]


def _typed(node: WorkflowNode, texts: list[InputDefinition]) -> Iterator[tuple[str, str]]:
    boxes = [entry for entry in texts if entry.is_multiline] or texts
    for entry in boxes:
        if isinstance(node.inputs.get(entry.name), str):
            yield node.id, entry.name
