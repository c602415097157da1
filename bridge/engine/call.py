"""Calling a node's function: lists in, lists out.

1. Every input is a list of values; a node is called once for each value of its longest list, and a
   shorter list repeats its last value. An empty list means no call at all.
2. A node that takes lists is called once, with the lists themselves; hidden values stay as they are.
3. One output: what the function returns is the value. Several: a tuple of that many. Of a node with
   further outputs, a tuple of that many or more.
4. The values of a list output are joined over all calls.
5. A call one of whose values is an ``ExecutionBlocker`` does not happen, and its results are silent
   blockers. For a node that takes lists, one among all its values is enough.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from bridge.errors import ExecutionError
from bridge.graph import NodeDefinition, WorkflowNode

T = TypeVar("T")

Slots = tuple[Any, ...]
"""What one call says about each output slot."""


@dataclass(frozen=True, slots=True)
class ExecutionBlocker:
    """What a node returns, or puts into a slot, so that nothing that needs the value runs.

    Args:
        message: Told to the user once, by each node that it stops first; empty for a silent end.
    """

    message: str = ""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a node returns to have other nodes do its work.

    Args:
        results: For each output slot a ``Link`` to a node below (or to any other node), or a value.
        nodes: By names of the node's choice; links among them use these names. The engine puts
            ``<id of the node>.<number of the call>.`` before a name that does not begin with the id.
            Inputs may hold any Python value.
        speakers: Name of a node below → the node, known before, that speaks for it; without one the node
            that expands does.
    """

    results: Slots
    nodes: Mapping[str, WorkflowNode] = field(default_factory=dict)
    speakers: Mapping[str, str] = field(default_factory=dict)


def arguments(definition: NodeDefinition, inputs: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the keyword arguments of each call (rules 1 and 2)."""
    if definition.takes_lists:
        return [dict(inputs)]
    lengths = [len(values) for values in inputs.values()]
    count = 0 if 0 in lengths else max(lengths, default=1)
    return [
        {name: values[min(index, len(values) - 1)] for name, values in inputs.items()}
        for index in range(count)
    ]


def blocker_among(definition: NodeDefinition, values: Mapping[str, Any]) -> ExecutionBlocker | None:
    """Return what keeps a call with these arguments from happening (rule 5)."""
    found = list(values.values())
    if definition.takes_lists:
        found = [value for listed in found for value in listed]
    return next((value for value in found if isinstance(value, ExecutionBlocker)), None)


def slots(definition: NodeDefinition, result: Any) -> Slots:
    """Return what a call said about each output slot (rule 3); a blocker alone speaks of all.

    Raises:
        ExecutionError: ``bad_result`` if it did not speak of each.
    """
    count = len(definition.outputs)
    if isinstance(result, Expansion):
        result = result.results
    elif isinstance(result, ExecutionBlocker) or (count < 2 and not definition.further_outputs):
        return (result,) * count
    if isinstance(result, tuple) and (
        len(result) == count or (len(result) > count and definition.further_outputs)
    ):
        return result
    found = f"{len(result)}" if isinstance(result, tuple) else type(result).__name__
    message = f"{definition.name} declares {count} outputs and returned {found}"
    raise ExecutionError(message, code="bad_result", hint="This is a fault of the node's code.")


def gather(
    definition: NodeDefinition, calls: Sequence[Slots], resolve: Callable[[Any], list[Any] | None]
) -> tuple[list[Any], ...]:
    """Return the list of values of each output (rule 4).

    Args:
        definition: Of the node.
        calls: What each call said.
        resolve: From what stands in a slot, the list of values it stands for; ``None`` if it is
            the value itself.
    """
    count = max([len(definition.outputs), *map(len, calls)])
    outputs: tuple[list[Any], ...] = tuple([] for _ in range(count))
    for call in calls:
        for slot, content in enumerate(call):
            output, values = definition.output(slot), outputs[slot]
            linked = resolve(content)
            if linked is not None:
                values.extend(linked)
            elif output.is_list and not isinstance(content, ExecutionBlocker):
                values.extend(content)
            else:
                values.append(content)
    return outputs


async def all_of(calls: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all side by side and return their results; the first error ends the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def call_accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with those of the values that it has parameters for."""
    names = _parameters(function)
    return function(**(values if names is None else {k: v for k, v in values.items() if k in names}))


@cache
def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling a function gives something to await."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str] | None:
    """Return the names of a function's parameters; ``None`` if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return frozenset(parameter.name for parameter in parameters)
