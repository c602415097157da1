"""Judging the inputs of one node: what is missing, where links lead, which values fit."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bridge.errors import Problem, WorkflowError
from bridge.graph.definition import (
    ANY_TYPE,
    LINK_TYPES,
    WIDGET_TYPES,
    Definitions,
    InputDefinition,
    NodeDefinition,
    connects,
)
from bridge.graph.nearest import Suggestions
from bridge.graph.place import Place, listing, quote
from bridge.graph.reader import MAX_TEXT_BYTES
from bridge.graph.widget import ChoicesOf, WidgetReader
from bridge.graph.workflow import Link, Workflow, WorkflowNode


class InputChecker:
    """Checks nodes against their definitions, one by one.

    Args:
        workflow: Where links lead.
        definitions: The nodes that exist.
        choices: Lists a folder.
        suggestions: Finds what was meant.
    """

    def __init__(
        self, workflow: Workflow, definitions: Definitions, choices: ChoicesOf, suggestions: Suggestions
    ) -> None:
        self._workflow = workflow
        self._definitions = definitions
        self._suggestions = suggestions
        self._widgets = WidgetReader(choices, suggestions)
        self._sources = self._group_by_output()

    @functools.cached_property
    def _socket_types(self) -> set[str]:
        return {output.type for node in self._definitions.values() for output in node.outputs}

    def check(self, node: WorkflowNode, definition: NodeDefinition) -> tuple[WorkflowNode, list[Problem]]:
        """Return a node with converted values and the inputs that it takes, and what is wrong with it."""
        inputs: dict[str, Any] = {}
        problems: list[Problem] = []
        undeclared = [
            InputDefinition(name, ANY_TYPE)
            for name, value in node.inputs.items()
            if definition.input(name) is None and definition.takes(name, value)
        ]
        for entry in (*definition.inputs, *undeclared):
            place = Place(node.id, node.class_type, entry.name)
            try:
                if entry.name in node.inputs:
                    value = node.inputs[entry.name]
                    inputs[entry.name] = self._read(place, _as_judged(definition, entry, value), value)
                elif entry.is_required:
                    raise place.error("missing_input", "is missing", self._advice(place, entry))
            except WorkflowError as error:
                problems.extend(error.problems)
        return replace(node, inputs=inputs), problems

    def undeclared(self, node: WorkflowNode, definition: NodeDefinition) -> Iterator[Problem]:
        """Yield a warning for every input that the node does not take."""
        known = dict.fromkeys(entry.name for entry in definition.inputs)
        for name, value in node.inputs.items():
            if not definition.takes(name, value):
                place = Place(node.id, node.class_type, name)
                hint = self._suggestions.did_you_mean(name, known)
                yield place.problem("extra_input", "does not exist and is ignored", hint, is_warning=True)

    def _read(self, place: Place, entry: InputDefinition, value: Any) -> Any:
        if isinstance(value, Link):
            self._check_link(place, entry, value)
            return value
        if isinstance(value, str) and not entry.holds_file and len(value.encode()) > MAX_TEXT_BYTES:
            limit = MAX_TEXT_BYTES // 1000
            text = f"holds a text of {len(value.encode()) // 1000:,} kB; {limit} kB is the most"
            raise place.error("too_long", text, "Give a shorter one.")
        if entry.is_widget:
            return self._widgets.read(place, entry, value)
        if self._needs_link(entry, value):
            text = f"needs a link to {entry.type}, got the value {quote(value)}"
            raise place.error("bad_link", text, self._advice(place, entry))
        return value

    def _needs_link(self, entry: InputDefinition, value: Any) -> bool:
        """Say whether a literal cannot be meant; types that no node puts out are a pack's own widgets."""
        if value is None and not entry.is_required:
            return False
        parts = {part.strip() for part in entry.type.split(",")}
        return parts <= self._socket_types - WIDGET_TYPES - {ANY_TYPE}

    def _check_link(self, place: Place, entry: InputDefinition, link: Link) -> None:
        source = self._workflow.nodes.get(link.node_id)
        if source is None:
            text = f"is linked to node {quote(link.node_id, marks=False)}, which does not exist"
            raise place.error("bad_link", text, self._advice(place, entry))
        definition = self._definitions.get(source.class_type)
        if definition is None:
            return  # the unknown class is the fault, and is reported there
        if not definition.has_output(link.slot):
            count = len(definition.outputs)
            slots = {0: "no output", 1: "1 output (slot 0)"}.get(
                count, f"{count} outputs (slots 0…{count - 1})"
            )
            text = f"is linked to {definition.name}, which has {slots}; asked for slot {quote(link.slot)}"
            raise place.error("bad_link", text, self._advice(place, entry))
        offered = definition.output(link.slot).type
        if not connects(offered, entry.linked_type):
            text = f"needs {entry.linked_type}, got {offered} from node {quote(link.node_id, marks=False)}"
            raise place.error("type_mismatch", text, self._advice(place, entry))

    def _advice(self, place: Place, entry: InputDefinition) -> str:
        """Say what would fill an input: its default, or the nodes of this workflow that offer its type."""
        if entry.default is not None:
            return f"Its default is {quote(entry.default)}."
        offers = [
            described
            for offered, sources in self._sources.items()
            if connects(offered, entry.linked_type)
            for node_id, described in sources.items()
            if node_id != place.node_id
        ]
        if offers:
            return f"{entry.type} comes from {listing(offers, 3)}."
        return "" if entry.is_widget else f"Add a node that puts out {entry.type}."

    def _group_by_output(self) -> dict[str, dict[str, str]]:
        """Describe the outputs of this workflow by type and node; a few of each will do for a hint."""
        groups: dict[str, dict[str, str]] = {}
        for node in self._workflow.nodes.values():
            definition = self._definitions.get(node.class_type)
            for slot, output in enumerate(definition.outputs if definition else ()):
                sources = groups.setdefault(output.type, {})
                if len(sources) < 4:
                    name = quote(node.id, marks=False)
                    sources.setdefault(node.id, f"node {name} ({node.class_type}) slot {slot}")
        return groups


def _as_judged(definition: NodeDefinition, entry: InputDefinition, value: Any) -> InputDefinition:
    """Return an input without what its node judges itself: bounds and choices, or what a link brings."""
    if isinstance(value, Link):
        return replace(entry, type=ANY_TYPE) if LINK_TYPES in definition.judges else entry
    if not definition.judges_value(entry.name):
        return entry
    return replace(entry, minimum=None, maximum=None, choices=None, choices_from="")
