"""Running a node of a pack: what the engine calls, and what its code gets.

1. An object of a class of the first form lives as long as its node is in use: it is kept by the node's id,
   the ``MAX_OBJECTS`` used last. The second form has no objects.
2. What is hidden reaches the first form as arguments, the second as an attribute of the class.
3. A node that takes lists gets hidden values as lists too.
4. ``IS_CHANGED`` and its like run on a thread of their own, for ``FINGERPRINT_S`` at most.
"""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from bridge.engine import REFUSES_INPUTS, DynamicPrompt, ExecutionBlocker, current_job
from bridge.errors import Problem, sound
from bridge.graph import ALWAYS, Link, NodeFunction
from bridge.packs.deadline import answer, answer_within
from bridge.packs.foreign import ForeignNode
from bridge.packs.results import read_result
from bridge.packs.shims.dynamic_prompt import PackPrompt
from bridge.packs.shims.place import note_call, own_id

FINGERPRINT_S = 10.0
"""How long a node may look at the world; one that takes longer runs again."""

MAX_OBJECTS = 1000
"""Objects of one class that are kept."""

REFUSED = "custom_validation_failed"


def node_function(node: ForeignNode) -> NodeFunction:
    """Return what the engine runs."""
    caller = _Caller(node)
    is_async = inspect.iscoroutinefunction(getattr(node.kind, node.method))
    needs: Callable[..., Any] | None = None
    if node.needs:
        is_asking = inspect.iscoroutinefunction(getattr(node.kind, node.needs))
        needs = caller.needs_async if is_asking else caller.needs
    return NodeFunction(
        node.definition,
        caller.call_async if is_async else caller.call,
        caller.fingerprint if node.fingerprint else None,
        needs,
        functools.partial(_judge, node) if node.definition.judges else None,
    )


class _Caller:
    """Calls the code of one class."""

    def __init__(self, node: ForeignNode) -> None:
        self._node = node
        self._definition = node.definition
        self._raw = {entry.name for entry in node.definition.inputs if entry.is_raw_link}
        self._objects: OrderedDict[str, Any] = OrderedDict()

    @torch.no_grad()
    def call(self, **values: Any) -> Any:
        function, arguments = self._prepared(self._node.method, values)
        return read_result(self._definition, function(**arguments))

    async def call_async(self, **values: Any) -> Any:
        function, arguments = self._prepared(self._node.method, values)
        return read_result(self._definition, await function(**arguments))

    def needs(self, **values: Any) -> list[str]:
        function, arguments = self._prepared(self._node.needs, {**values, **self._hidden()})
        return list(function(**_accepted(function, arguments)) or ())

    async def needs_async(self, **values: Any) -> list[str]:
        function, arguments = self._prepared(self._node.needs, {**values, **self._hidden()})
        return list(await function(**_accepted(function, arguments)) or ())

    async def fingerprint(self, **values: Any) -> Any:
        owner: Any = self._node.kind
        if self._node.is_schema:
            owner = owner.given(self._hidden())
        else:
            values |= self._hidden()
        if self._definition.takes_lists:
            values = {name: [value] for name, value in values.items()}
        function = getattr(owner, self._node.fingerprint)
        result = await answer_within(FINGERPRINT_S, function, _accepted(function, values))
        return result if isinstance(result, _PLAIN) or result is None else ALWAYS

    def _prepared(self, method: str, values: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return a method and its arguments (rules 1 to 3), to be called at once."""
        note_call()
        names = self._definition.hidden
        hidden = {name: _foreign(value) for name, value in values.items() if name in names}
        inputs = {
            name: _unlinked(value) if name in self._raw else value
            for name, value in values.items()
            if name not in names
        }
        if self._node.is_schema:
            kind: Any = self._node.kind
            return getattr(kind.given(hidden), method), inputs
        if self._definition.takes_lists:
            hidden = {name: [value] for name, value in hidden.items()}
        return getattr(self._object(), method), {**inputs, **hidden}

    def _object(self) -> Any:
        node_id = own_id()
        if node_id not in self._objects:
            self._objects[node_id] = self._node.kind()
        self._objects.move_to_end(node_id)
        if len(self._objects) > MAX_OBJECTS:
            self._objects.popitem(last=False)
        return self._objects[node_id]

    def _hidden(self) -> dict[str, Any]:
        """Return what of the hidden inputs is known before the node runs."""
        job = current_job()
        known: dict[str, Any] = {
            "PROMPT": job.workflow,
            "EXTRA_PNGINFO": job.extra,
            "UNIQUE_ID": own_id(),
        }
        return {name: known.get(kind) for name, kind in self._definition.hidden.items()}


_PLAIN = (str, int, float, bool, bytes, list, tuple, dict, set, frozenset)
"""Fingerprints that can be told apart; any other is new every time."""


def _judge(
    node: ForeignNode, node_id: str, inputs: Mapping[str, Any], link_types: Mapping[str, str]
) -> Iterable[Problem]:
    """Return what a class finds wrong with inputs; raises whatever its code does."""
    validate = node.validate
    assert validate is not None
    definition = node.definition
    given = {name: value for name, value in inputs.items() if definition.judges_value(name)}
    judged = next(iter(given), next(iter(link_types), ""))
    for name, kind in definition.hidden.items():
        if definition.judges_value(name):
            given[name] = node_id if kind == "UNIQUE_ID" else None
    if definition.takes_lists:
        given = {name: [value] for name, value in given.items()}
    if "input_types" in definition.judges:
        given["input_types"] = dict(link_types)
    verdict = answer(validate, given)
    if verdict is True or isinstance(verdict, ExecutionBlocker):
        return ()
    reason = "" if verdict is False else f": {verdict}"[:1000]
    message = sound(f"{definition.name} {REFUSES_INPUTS}{reason}")
    return [Problem(REFUSED, message, "The node's own code says so.", node_id, judged)]


def _foreign(value: Any) -> Any:
    return PackPrompt(value) if isinstance(value, DynamicPrompt) else value


def _unlinked(value: Any) -> Any:
    """Return links as packs know them: ``[node id, slot]``."""
    if isinstance(value, Link):
        return [value.node_id, value.slot]
    return [_unlinked(each) for each in value] if isinstance(value, list) else value


def _accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(values)
    return {name: value for name, value in values.items() if name in parameters}
