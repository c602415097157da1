"""From the editor's drawing of a workflow to what runs: ComfyUI's workflow JSON to its API JSON.

1. Values of widgets are a bare list in the drawing; which input each belongs to, the node's definition says.
   What the editor adds for itself (``randomize`` behind a seed, an upload button) is passed over.
2. A muted node is not there, and neither is what it would have put out. A bypassed one hands on, for each
   output, what comes into the input at the same place if it fits both the output and where the wire ends;
   else into the first of the very type that is needed there; else into the first that fits both. What its
   inputs are, its definition says before the drawing.
3. Reroutes are wires, bypassed or not; a primitive's value is the value of what it is wired to; notes are
   nothing.
4. The nodes of a subgraph are named ``<its node's id>:<their id>``, as the editor names them. A value that
   its node holds itself stands in for the one drawn inside. Such values are named; or they belong in their
   order to what ``proxyWidgets`` lists, else to the inputs that end in widgets, as far as they go.
5. What is drawn wrongly (a wire to nowhere, or in a ring) is left out; faults of what remains are found when
   it is validated.
6. A drawing is small, and what it unfolds to need not be: all lists that are gone through count towards
   ``MAX_LOOKS``, each time, and so do texts that are read.
7. Dynamic prompts are drawn, and names of files filled in, as the editor does before it hands them over. A
   node goes by its name for search and replace, or else by its title.
8. Group nodes, which subgraphs have replaced, are read as the subgraphs that mean the same (``group_node``).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.errors import Problem, WorkflowError
from bridge.graph.definition import ANY_TYPE, Definitions, InputDefinition
from bridge.graph.drawn import (
    INPUT_NODE,
    NOTES,
    OUTPUT_NODE,
    VALUES,
    WIRES,
    as_dict,
    as_dicts,
    as_id,
    as_list,
)
from bridge.graph.drawn_text import draw_prompt, fill_name
from bridge.graph.drawn_values import has_widget, pair
from bridge.graph.group_node import GroupNode, read_group_node

MUTED, BYPASSED = 2, 4
"""Modes of a node in the editor."""

GROUPS = ("workflow>", "workflow/")
"""How classes of group nodes begin, which subgraphs have replaced."""

OWN_INPUTS = "-1"
"""What ``proxyWidgets`` calls a subgraph's own inputs, where others are widgets of nodes inside."""

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_ID = 250
"""Characters of a node's full name; numbers of six digits come to 223 at the greatest depth."""

MAX_LOOKS = 300_000
"""Entries of lists that are looked at in all; half a second at most."""

LOOK_CHARACTERS = 20
"""Of a text, that count as one entry."""

NODE_NAME = "Node name for S&R"
"""The property by which names of files mean a node."""


def is_drawing(data: Mapping[str, Any]) -> bool:
    """Whether a workflow is the editor's drawing, not what runs."""
    return isinstance(data.get("nodes"), list) and "links" in data


def read_drawing(drawing: Mapping[str, Any], definitions: Definitions) -> dict[str, Any]:
    """Return the API JSON of a workflow that the editor has saved.

    Args:
        drawing: The editor's JSON.
        definitions: The nodes that exist; values of a node of an unknown class are lost.

    Raises:
        WorkflowError: ``bad_workflow`` where it is no drawing; ``too_complex`` where it never ends;
            ``group_node`` where what one means is not sure.
    """
    subgraphs = {
        as_id(graph.get("id")): graph
        for graph in as_dicts(as_dict(drawing.get("definitions")).get("subgraphs"))
        if is_drawing(graph)
    }
    if not is_drawing(drawing):
        raise _error("bad_workflow", "this is no workflow of the editor")
    groups = as_dict(as_dict(drawing.get("extra")).get("groupNodes"))
    flattened = _Flattened(subgraphs, groups, definitions)
    flattened.add(_Scope(drawing))
    flattened.fill_names()
    return flattened.nodes


@dataclass(frozen=True, slots=True)
class _Value:
    """What comes through a wire from something that only holds a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Wire:
    """A wire as an input names it, and the type that is needed where it ends."""

    link: Any
    type: str

    @property
    def id(self) -> str:
        return as_id(self.link)


_Source = list[Any] | _Value | None
"""A link as API JSON has it, a value, or nothing."""


@dataclass(slots=True)
class _Scope:
    """A drawing: the workflow itself, or the inside of a subgraph's node."""

    drawing: Mapping[str, Any]
    prefix: str = ""
    outer: "_Scope | None" = None
    holder: Mapping[str, Any] = field(default_factory=dict)
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, Mapping[str, Any]] = field(init=False)
    links: dict[str, tuple[str, int, str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = {as_id(node.get("id")): node for node in as_dicts(self.drawing.get("nodes"))}
        found = (_link(entry) for entry in as_list(self.drawing.get("links")))
        self.links = dict(entry for entry in found if entry)

    @property
    def depth(self) -> int:
        return 0 if self.outer is None else self.outer.depth + 1


class _Flattened:
    """Collects nodes that run, from all scopes."""

    def __init__(
        self, subgraphs: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Any], definitions: Definitions
    ) -> None:
        self.nodes: dict[str, Any] = {}
        self._subgraphs = subgraphs
        self._groups = groups
        self._group_nodes: dict[str, GroupNode] = {}
        self._definitions = definitions
        self._insides: dict[str, _Scope] = {}
        self._named: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._titled: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._looks = 0

    def add(self, scope: _Scope) -> None:
        """Add the nodes of a drawing, and of the subgraphs in it."""
        if len(self.nodes) + len(scope.nodes) > MAX_NODES:
            raise _error("too_complex", "the subgraphs of the workflow hold too many nodes")
        for node_id, node in scope.nodes.items():
            kind = as_id(node.get("type"))
            self._note_names(scope.prefix + node_id, kind, node)
            if node.get("mode") in (MUTED, BYPASSED) or kind in WIRES | VALUES | NOTES:
                continue
            if self._is_unfolded(kind):
                self.add(self._inside(scope, node_id, node))
            else:
                self.nodes[scope.prefix + node_id] = self._node(scope, node_id, kind, node)

    def fill_names(self) -> None:
        """Put the values of widgets into the names of files that ask for them (rule 7)."""
        for node in self.nodes.values():
            definition = self._definitions.get(node["class_type"])
            for entry in definition.inputs if definition else ():
                text = node["inputs"].get(entry.name)
                if entry.begins_file and isinstance(text, str):
                    self._look_at(characters=len(text))
                    node["inputs"][entry.name] = fill_name(text, self._widget)

    def _note_names(self, full: str, kind: str, node: Mapping[str, Any]) -> None:
        """Remember by what names a node goes; the first of a name has it."""
        definition = self._definitions.get(kind)
        title = as_id(node.get("title")) or (definition.display_name if definition else "") or kind
        name = as_id(as_dict(node.get("properties")).get(NODE_NAME, kind))
        self._named.setdefault(name, (full, node))
        self._titled.setdefault(title, (full, node))

    def _widget(self, name: str, widget: str) -> Any:
        """Return what the widget of a node holds; ``KeyError`` where there is none."""
        full, node = self._named.get(name) or self._titled[name]
        value = as_dict(self.nodes.get(full)).get("inputs", {}).get(widget)
        if value is None or isinstance(value, list):  # a link: the widget holds what nobody uses
            value = dict(self._values(node, as_id(node.get("type"))))[widget]
        self._look_at(characters=len(value) if isinstance(value, str) else 0)
        return value

    def _inside(self, scope: _Scope, node_id: str, node: Mapping[str, Any]) -> _Scope:
        full = scope.prefix + node_id
        if full not in self._insides:
            kind = as_id(node.get("type"))
            if scope.depth == MAX_DEPTH or len(full) > MAX_ID:
                raise _error("too_complex", "the subgraphs of the workflow go too deep, or hold themselves")
            if kind in self._subgraphs:
                drawing = self._subgraphs[kind]
            else:
                drawing, node = self._group_node(full, kind, node)
            self._look_at(*(drawing.get(name) for name in ("nodes", "links", "inputs")))
            inside = self._insides[full] = _Scope(drawing, f"{full}:", scope, node)
            inside.held = self._held_by(inside)
            inside.held.setdefault(OWN_INPUTS, {}).update(scope.held.get(node_id, {}))
        return self._insides[full]

    def _is_unfolded(self, kind: str) -> bool:
        is_group_node = kind.startswith(GROUPS) and kind not in self._definitions
        return is_group_node or kind in self._subgraphs

    def _group_node(
        self, full: str, kind: str, node: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the subgraph that a group node means, and the node as that subgraph's (rule 8)."""
        name = kind[len(GROUPS[0]) :]
        group = self._groups.get(name)
        try:
            if not isinstance(group, Mapping):
                raise ValueError("of which the workflow says nothing more")
            if name not in self._group_nodes:
                nodes = as_dicts(group.get("nodes"))
                self._look_at(nodes, *(group.get(part) for part in ("nodes", "links", "external", "config")))
                self._look_at(*(inside.get("inputs") for inside in nodes))
                if len(nodes) > MAX_NODES:
                    raise _error("too_complex", "a group node of the workflow holds too many nodes")
                self._group_nodes[name] = read_group_node(group, self._definitions)
            found = self._group_nodes[name]
            self._look_at(*(node.get(part) for part in ("inputs", "outputs", "widgets_values")))
            return found.drawing, {**node, "widgets_values": [], "widgets_values_named": found.values(node)}
        except ValueError as error:
            raise _group_node(full, name, str(error)) from error

    def _look_at(self, *lists: Any, characters: int = 0) -> None:
        """Count what is about to be gone through (rule 6)."""
        self._looks += 1 + sum(len(as_list(entries)) for entries in lists) + characters // LOOK_CHARACTERS
        if self._looks > MAX_LOOKS:
            raise _error("too_complex", "the wires or subgraphs of the workflow lead round in circles")

    def _node(self, scope: _Scope, node_id: str, kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
        definition = self._definitions.get(kind)
        inputs = dict(self._values(node, kind))
        self._look_at(node.get("inputs"))
        for name, value in scope.held.get(node_id, {}).items():
            widget = definition.input(name) if definition else None
            if widget:
                inputs[name] = self._held(widget, value)
        for slot in as_dicts(node.get("inputs")):
            name = _name_of(slot)
            entry = definition.input(name) if definition else None
            needed = entry.type if entry else as_id(slot.get("type"))
            source = self._source(scope, _Wire(slot.get("link"), needed))
            if isinstance(source, _Value):
                inputs[name] = self._held(entry, source.value)
            elif source is not None:
                inputs[name] = source
        title = node.get("title")
        meta = {"_meta": {"title": title}} if isinstance(title, str) else {}
        return {"class_type": kind, "inputs": inputs, **meta}

    def _values(self, node: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
        """Yield what the widgets of a node hold (rule 1)."""
        values = node.get("widgets_values")
        self._look_at(list(values) if isinstance(values, Mapping) else values)
        definition = self._definitions.get(kind)
        if isinstance(values, Mapping):
            for name, value in values.items():
                entry = definition.input(name) if definition else None
                if entry or not definition:
                    yield name, self._held(entry, value)
            return
        widgets = [entry for entry in definition.inputs if has_widget(entry)] if definition else []
        for entry, value in pair(widgets, as_list(values))[0]:
            yield entry.name, self._held(entry, value)

    def _held(self, entry: InputDefinition | None, value: Any) -> Any:
        """Return the value of a widget as the editor hands it over (rule 7)."""
        if entry and entry.options.get("dynamicPrompts") and isinstance(value, str):
            self._look_at(characters=len(value))
            return draw_prompt(value)
        return _literal(value)

    def _source(self, scope: _Scope, wire: _Wire | None) -> _Source:
        """Follow a wire to the node that runs (rules 2 to 4)."""
        passed = set()
        while wire and (link := scope.links.get(wire.id)) and (scope.prefix, wire.id) not in passed:
            passed.add((scope.prefix, wire.id))
            self._look_at()
            origin, slot = link[:2]
            if origin == str(INPUT_NODE) and scope.outer is not None:
                found = self._outside(scope, slot)
                if not isinstance(found, _Wire):
                    return found
                scope, wire = scope.outer, found
                continue
            node = scope.nodes.get(origin, {})
            kind = as_id(node.get("type"))
            if node.get("mode") == MUTED or not node:
                return None
            if kind in WIRES:
                self._look_at(node.get("inputs"))
                entry = next(iter(as_dicts(node.get("inputs"))), {})
                wire = replace(wire, link=entry.get("link"))
            elif node.get("mode") == BYPASSED:
                output = self._output_type(node, kind, slot)
                self._look_at(characters=len(output) + len(wire.type))
                wire = _handed_on(self._inputs(node, kind), output, slot, wire.type)
            elif kind in VALUES:
                held = scope.held.get(origin, {})
                given = [held["value"]] if "value" in held else as_list(node.get("widgets_values"))
                return _Value(given[0]) if given else None
            elif self._is_unfolded(kind):
                scope = self._inside(scope, origin, node)
                self._look_at(scope.drawing.get("links"))
                wire = replace(wire, link=_output_link(scope, slot))
            else:
                return [scope.prefix + origin, slot]
        return None

    def _inputs(self, node: Mapping[str, Any], kind: str) -> list[_Wire]:
        """Return the wires of a node in the editor's order: sockets, widgets, what is not declared."""
        drawn = {as_id(entry.get("name")): entry for entry in as_dicts(node.get("inputs"))}
        definition = self._definitions.get(kind)
        declared = sorted(definition.inputs, key=has_widget) if definition else ()
        types = {entry.name: entry.type for entry in declared}
        types |= {name: as_id(entry.get("type")) for name, entry in drawn.items() if name not in types}
        self._look_at(node.get("inputs"), list(declared), characters=sum(map(len, types.values())))
        return [_Wire(drawn.get(name, {}).get("link"), type_) for name, type_ in types.items()]

    def _output_type(self, node: Mapping[str, Any], kind: str, slot: int) -> str:
        self._look_at(node.get("outputs"))
        definition, drawn = self._definitions.get(kind), as_dicts(node.get("outputs"))
        if definition and slot < len(definition.outputs):
            return definition.outputs[slot].type
        return as_id(drawn[slot].get("type")) if slot < len(drawn) else ""

    def _outside(self, scope: _Scope, slot: int) -> _Wire | _Value | None:
        """Return what a subgraph's node gets, or holds, for an input of the subgraph."""
        self._look_at(scope.drawing.get("inputs"), scope.holder.get("inputs"))
        declared = as_dicts(scope.drawing.get("inputs"))
        if slot >= len(declared):
            return None
        name = declared[slot].get("name")
        wires = (
            entry.get("link") for entry in as_dicts(scope.holder.get("inputs")) if entry.get("name") == name
        )
        wire = next((wire for wire in wires if wire is not None), None)
        if wire is not None:
            return _Wire(wire, as_id(declared[slot].get("type")))
        held = scope.held[OWN_INPUTS]
        return _Value(held[as_id(name)]) if as_id(name) in held else None

    def _held_by(self, scope: _Scope) -> dict[str, dict[str, Any]]:
        """Return what a subgraph's node holds itself, by the id of who is inside and the widget (rule 4)."""
        named = as_dict(scope.holder.get("widgets_values_named"))
        if named:
            self._look_at(list(named))
            return {OWN_INPUTS: dict(named)}
        proxies = as_list(as_dict(scope.holder.get("properties")).get("proxyWidgets"))
        self._look_at(proxies, scope.holder.get("widgets_values"))
        widgets = [self._proxied(scope, entry) for entry in proxies] or [
            (OWN_INPUTS, name) for name in _leading_to_widgets(scope)
        ]
        held: dict[str, dict[str, Any]] = {}
        for (inside, name), value in zip(widgets, as_list(scope.holder.get("widgets_values")), strict=False):
            held.setdefault(inside, {})[name] = value
        return held

    def _proxied(self, scope: _Scope, proxy: Any) -> tuple[str, str]:
        """Return which widget one of ``proxyWidgets`` means; an input of the subgraph if it leads there."""
        inside, name = [as_id(part) for part in [*as_list(proxy)[:2], "", ""][:2]]
        self._look_at(scope.nodes.get(inside, {}).get("inputs"), scope.drawing.get("inputs"))
        slots = as_dicts(scope.nodes.get(inside, {}).get("inputs"))
        wire = next((slot.get("link") for slot in slots if _name_of(slot) == name), None)
        origin, slot = scope.links.get(as_id(wire), ("", 0))[:2]
        declared = as_dicts(scope.drawing.get("inputs"))
        if origin == str(INPUT_NODE) and slot < len(declared):
            return OWN_INPUTS, as_id(declared[slot].get("name"))
        return inside, name


def _link(entry: Any) -> tuple[str, tuple[str, int, str, int]] | None:
    """Read a wire: its id, where it comes from, where it goes."""
    if isinstance(entry, Mapping):
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        entry = [entry.get(name) for name in names]
    if not isinstance(entry, list) or len(entry) < 5:
        return None
    link_id, origin, origin_slot, target, target_slot = entry[:5]
    if type(origin_slot) is not int or type(target_slot) is not int or min(origin_slot, target_slot) < 0:
        return None
    return as_id(link_id), (as_id(origin), origin_slot, as_id(target), target_slot)


def _handed_on(inputs: Sequence[_Wire], output: str, slot: int, needed: str) -> _Wire | None:
    """Return the wire that a bypassed node hands on to an output (rule 2)."""
    same_place = inputs[slot : slot + 1]
    if needed in ("", ANY_TYPE):
        return next(iter([*same_place, *inputs]), None)
    ends = _types(output), _types(needed)
    found = itertools.chain(
        (entry for entry in same_place if _fits(entry, *ends)),
        (entry for entry in inputs if entry.type == needed),
        (entry for entry in inputs if _fits(entry, *ends)),
    )
    return next(found, None)


def _fits(entry: _Wire, *ends: Set[str]) -> bool:
    types = _types(entry.type)
    return all(ANY_TYPE in types or ANY_TYPE in end or not types.isdisjoint(end) for end in ends)


def _types(names: str) -> Set[str]:
    """Return the types of a socket, in letters of one case; no name is any type."""
    return {part.strip().upper() or ANY_TYPE for part in names.split(",")}


def _output_link(scope: _Scope, slot: int) -> str | None:
    return next(
        (
            link_id
            for link_id, (_, _, target, target_slot) in scope.links.items()
            if target == str(OUTPUT_NODE) and target_slot == slot
        ),
        None,
    )


def _leading_to_widgets(scope: _Scope) -> list[str]:
    """Return the names of a subgraph's inputs that end in a widget."""
    leads = set()
    for origin, origin_slot, target, target_slot in scope.links.values():
        if origin == str(INPUT_NODE):
            inputs = as_list(scope.nodes.get(target, {}).get("inputs"))
            entry = as_dict(inputs[target_slot]) if target_slot < len(inputs) else {}
            if isinstance(entry.get("widget"), Mapping):
                leads.add(origin_slot)
    declared = as_dicts(scope.drawing.get("inputs"))
    return [as_id(entry.get("name")) for slot, entry in enumerate(declared) if slot in leads]


def _name_of(slot: Mapping[str, Any]) -> str:
    widget = as_dict(slot.get("widget"))
    return as_id(widget.get("name") or slot.get("name"))


def _literal(value: Any) -> Any:
    """Return a value so that it is not taken for a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _error(code: str, message: str) -> WorkflowError:
    return WorkflowError([Problem(code, message, "Save it again in the editor, or export the API format.")])


def _group_node(full: str, name: str, reason: str) -> WorkflowError:
    message = f'node {full[:MAX_ID]} is a group node "{name[:80]}" {reason}'
    hint = "Open the workflow in the editor and convert the node to a subgraph, or use Export (API) there."
    return WorkflowError([Problem("group_node", message, hint, full[:MAX_ID])])
