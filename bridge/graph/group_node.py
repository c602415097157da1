"""From a group node, an older form of subgraphs, to the subgraph that means the same.

1. Nodes inside are known by their place in the list; so the editor names them when it runs them.
2. Inputs that nothing inside is wired to are the group node's, by a name given to them, else by their label,
   else by their own. Where that is taken, the title of their node comes before it, and then a number.
3. Its widgets stand node by node: those without a socket in their first order; behind those of all nodes the
   ones with a socket, in the order of its number as text (10 before 4).
4. A primitive is an input of the group node's, and what it is wired to gets that.
5. Its outputs are those that nothing inside takes, those that are taken outside as well, and those shown by
   choice.
6. Which value belongs where follows from all this alone. If the group node has inputs, outputs or values
   other than these, that is not sure, and refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.graph.definition import ANY_TYPE, WIDGET_TYPES, Definitions, InputDefinition
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
from bridge.graph.drawn_values import UPLOAD, has_widget, is_seed, pair


@dataclass(frozen=True, slots=True)
class GroupNode:
    """What all group nodes of one name have in common.

    Args:
        drawing: The subgraph that means the same.
        widgets: Those of its inputs that are widgets, in the order of their values.
    """

    drawing: Mapping[str, Any]
    widgets: tuple[InputDefinition, ...]

    def values(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a node of the kind holds, by the names of its inputs.

        Raises:
            ValueError: If that is not sure (rule 6); the message goes on from "a group node".
        """
        slots = as_dicts(node.get("inputs"))
        names = [entry["name"] for entry in self.drawing["inputs"]]
        if not {as_id(slot.get("name")) for slot in slots if slot.get("link") is not None} <= set(names):
            raise ValueError("whose inputs are not those of the nodes in it")
        if len(as_list(node.get("outputs"))) != len(self.drawing["outputs"]):
            raise ValueError("whose outputs are not those of the nodes in it")
        order = [entry.name for entry in self.widgets]
        named = as_dict(node.get("widgets_values_named") or node.get("widgets_values"))
        if named and set(order) <= set(named):
            return {name: named[name] for name in order}
        drawn = [as_id(slot.get("name")) for slot in slots if isinstance(slot.get("widget"), Mapping)]
        pairs, rest = pair(self.widgets, as_list(node.get("widgets_values")))
        is_sorted = drawn == order or sorted(drawn) != sorted(order)
        if len(pairs) < len(order) or any(value != UPLOAD for value in rest) or not is_sorted:
            raise ValueError("whose values are not those of the nodes in it")
        return {entry.name: value for entry, value in pairs}


def read_group_node(group: Mapping[str, Any], definitions: Definitions) -> GroupNode:
    """Return what a drawing says of the group nodes of one name.

    Args:
        group: Of the drawing's ``extra.groupNodes``.
        definitions: The nodes that exist.

    Raises:
        ValueError: If it cannot be told what is meant; the message goes on from "a group node".
    """
    reader = _Reader(group, definitions)
    reader.read_inputs()
    reader.read_outputs()
    reader.read_wires()
    return reader.group_node()


_End = tuple[int, int]
"""A node's place and a slot of it."""


class _Reader:
    """Builds the subgraph, node by node."""

    def __init__(self, group: Mapping[str, Any], definitions: Definitions) -> None:
        self._definitions = definitions
        config = group.get("config")
        if isinstance(config, list):
            config = {str(place): entry for place, entry in enumerate(config)}
        self._config = as_dict(config)
        self._nodes = [as_dict(node) for node in as_list(group.get("nodes"))]
        self._slots = [[_slot(entry) for entry in as_dicts(node.get("inputs"))] for node in self._nodes]
        self._drawn = [_by_name(slots) for slots in self._slots]
        self._sources: dict[_End, _End] = {}
        self._taken: dict[_End, list[tuple[_End, Any]]] = {}  # by what, and the wire's type
        self._comes_in: dict[int, Any] = {}
        for wire in as_list(group.get("links")):
            source, target = _end(wire, 0), _end(wire, 2)
            type_ = wire[5] if isinstance(wire, list) and len(wire) > 5 else ""
            if target is None or not self._has_slot(target):
                continue
            if source is None or source[0] >= len(self._nodes):
                self._comes_in.setdefault(target[0], type_)
            else:
                self._sources[target] = source
                self._taken.setdefault(source, []).append((target, type_))
        self._outside = {_end(entry, 0): as_list(entry)[2:3] for entry in as_list(group.get("external"))}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: list[dict[str, Any]] = []
        self._widgets: list[InputDefinition] = []
        self._primitives: dict[int, int] = {}
        self._links: list[list[int]] = []
        self._seen: dict[str, int] = {}

    def group_node(self) -> GroupNode:
        nodes = [
            {**node, "id": place, "inputs": slots}
            for place, (node, slots) in enumerate(zip(self._nodes, self._slots, strict=True))
            if place not in self._primitives
        ]
        outer = {"inputs": list(self._inputs.values()), "outputs": self._outputs}
        return GroupNode({"nodes": nodes, "links": self._links, **outer}, tuple(self._widgets))

    def read_inputs(self) -> None:
        """Add the inputs that nothing inside is wired to (rules 2 to 4)."""
        later = []
        for place, node in enumerate(self._nodes):
            slots = self._slots[place]
            sockets = []
            for entry in self._declared(place, as_id(node.get("type"))):
                slot = self._drawn[place].get(entry.name, -1)
                if not has_widget(entry):
                    sockets.append((place, slot, entry))
                elif slot >= 0 and slots[slot].get("widget") == {"name": entry.name}:
                    later.append((place, slot, entry))
                else:
                    self._add_input(place, -1, entry)
            for socket in sockets:
                self._add_input(*socket)
        for widget in sorted(later, key=lambda widget: (widget[0], str(widget[1]))):
            self._add_input(*widget)

    def read_outputs(self) -> None:
        """Add the outputs that the outside may take (rule 5)."""
        for place, node in enumerate(self._nodes):
            kind = as_id(node.get("type"))
            definition = self._definitions.get(kind)
            types = [output.type for output in definition.outputs] if definition else []
            if place in self._primitives or (kind in WIRES and not self._is_inside(place)):
                types = [""]
            for slot, type_ in enumerate(types):
                is_shown = self._custom(place, "output", str(slot)).get("visible")
                if is_shown is None:
                    is_shown = (place, slot) not in self._taken or (place, slot) in self._outside
                if is_shown:
                    self._wire(*self._origin(place, slot), OUTPUT_NODE, len(self._outputs))
                    self._outputs.append({"name": type_, "type": type_})

    def read_wires(self) -> None:
        """Add the wires from node to node."""
        for (target, slot), source in self._sources.items():
            self._slots[target][slot]["link"] = self._wire(*self._origin(*source), target, slot)

    def _declared(self, place: int, kind: str) -> tuple[InputDefinition, ...]:
        """Return the inputs that a node has by its class."""
        if kind in NOTES or (kind in VALUES and (place, 0) not in self._taken):
            return ()
        if kind in VALUES:
            type_ = self._taken[place, 0][0][1]
            type_ = "COMBO" if isinstance(type_, list) else as_id(type_)
            if type_ not in WIDGET_TYPES:
                raise ValueError("in which a primitive has no type")
            options = {} if type_ in ("STRING", "BOOLEAN") else {"control_after_generate": True}
            return (InputDefinition("value", type_, options=options),)
        if kind in WIRES:
            type_ = self._reroute_type(place)
            return (InputDefinition(type_, type_, options={"forceInput": True}),)
        if kind not in self._definitions:
            raise ValueError(f'that holds a node "{kind[:80]}", which is not here')
        return self._definitions[kind].inputs

    def _add_input(self, place: int, slot: int, entry: InputDefinition) -> None:
        """Add an input to the group node, unless a wire inside leads to it; a slot of -1 is not drawn."""
        kind, slots = as_id(self._nodes[place].get("type")), self._slots[place]
        if kind in WIRES and slots:
            slot = 0
        if (place, slot) in self._sources:
            return
        name = self._name(place, kind, entry.name)
        if not has_widget(entry) and self._custom(place, "input", entry.name).get("visible") is False:
            return
        if name in self._inputs:
            raise ValueError("in which two inputs have one name")
        number = len(self._inputs)
        self._inputs[name] = {"name": name, "type": entry.type}
        if has_widget(entry):
            options = {**entry.options, "control_after_generate": is_seed(entry)}
            self._widgets.append(replace(entry, name=name, options=options))
        if kind in VALUES:
            self._primitives[place] = number
            return
        if slot < 0:
            slot = len(slots)
            slots.append(_slot({"name": entry.name, "type": entry.type}))
        slots[slot]["link"] = self._wire(INPUT_NODE, number, place, slot)

    def _name(self, place: int, kind: str, own: str) -> str:
        """Return what the group node calls an input of a node inside (rule 2)."""
        node = self._nodes[place]
        slot = self._drawn[place].get(own, -1)
        label = self._slots[place][slot]["label"] if slot >= 0 else ""
        name = key = as_id(self._custom(place, "input", own).get("name")) or label or own
        title = node.get("title")
        if (kind in VALUES and title) or name in self._seen:
            title = title if isinstance(title, str) else kind
            name = key = f"{title} {own}"
            if name in self._seen:
                name = f"{title} {self._seen[name]} {own}"
        self._seen[key] = self._seen.get(key, 1) + 1
        return name

    def _custom(self, place: int, side: str, name: str) -> Mapping[str, Any]:
        """Return what was set for an input or output of a node inside."""
        config = as_dict(self._config.get(str(place)))
        return as_dict(as_dict(config.get(side)).get(name))

    def _is_inside(self, place: int) -> bool:
        """Whether a reroute joins nodes inside and no others."""
        end = place, 0
        return end in self._sources and end in self._taken and end not in self._outside

    def _reroute_type(self, place: int) -> str:
        """Return the type of what goes through a reroute, from where it leads or comes from."""
        ends = (target for target, _ in self._taken.get((place, 0), ()))
        types = [self._slots[target][slot]["type"] for target, slot in ends]
        types += [as_id(self._comes_in.get(place)), *map(as_id, self._outside.get((place, 0), ()))]
        return next((type_ for type_ in types if type_ not in ("", ANY_TYPE)), ANY_TYPE)

    def _has_slot(self, end: _End) -> bool:
        return end[0] < len(self._nodes) and end[1] < len(self._slots[end[0]])

    def _origin(self, place: int, slot: int) -> _End:
        return (INPUT_NODE, self._primitives[place]) if place in self._primitives else (place, slot)

    def _wire(self, origin: int, origin_slot: int, target: int, target_slot: int) -> int:
        self._links.append([len(self._links), origin, origin_slot, target, target_slot])
        return len(self._links) - 1


def _end(wire: Any, at: int) -> _End | None:
    """Return the node and slot that stand in a wire."""
    place, slot = (*as_list(wire)[at : at + 2], None, None)[:2]
    if type(place) is not int or type(slot) is not int or min(place, slot) < 0:
        return None
    return place, slot


def _slot(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an input as it is drawn, without its wire."""
    widget = as_id(as_dict(entry.get("widget")).get("name"))
    texts = {name: as_id(entry.get(name)) for name in ("name", "type", "label")}
    return {**texts, "link": None, **({"widget": {"name": widget}} if widget else {})}


def _by_name(slots: list[dict[str, Any]]) -> dict[str, int]:
    """Return the first slot of each name."""
    return {entry["name"]: slot for slot, entry in reversed(list(enumerate(slots)))}
