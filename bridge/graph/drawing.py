"""From what runs to the editor's drawing of it: ComfyUI's API JSON to its workflow JSON.

1. The reverse of ``bridge.graph.editor``: what is drawn reads back as the workflow that it was drawn from.
2. Nodes stand in columns, each to the right of all that it takes something from; in a column they stand as
   what they take from does, so that few wires cross.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.graph.definition import Definitions, InputDefinition, NodeDefinition
from bridge.graph.order import topological
from bridge.graph.workflow import Link, Workflow, WorkflowNode, links_of

WIDTH, WIDE = 270, 400
"""Of a node, and of one with a box of text, in the editor's units."""

GAP_X, GAP_Y = 60, 70
"""Between nodes; the heading of a node is in the lower."""

ROW, BOX, PICTURE = 26, 120, 270
"""Heights of a line, of a box of text, and of what a node shows."""


def draw_workflow(workflow: Workflow, definitions: Definitions) -> dict[str, Any]:
    """Return the editor's JSON of a workflow.

    Args:
        workflow: Without cycles; every class known.
        definitions: The nodes that exist.

    Raises:
        KeyError: For a class that is not known.
    """
    drawing = _Drawing(workflow, definitions)
    nodes = [drawing.node(node_id) for node_id in drawing.order]
    return {
        "last_node_id": max((node["id"] for node in nodes), default=0),
        "last_link_id": len(drawing.links),
        "nodes": nodes,
        "links": drawing.links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


@dataclass(slots=True)
class _Drawing:
    workflow: Workflow
    definitions: Definitions
    order: Sequence[str] = field(init=False)
    numbers: Mapping[str, int] = field(init=False)
    places: Mapping[str, tuple[float, float]] = field(init=False)
    links: list[list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.order = topological(self.workflow.nodes, self.workflow.nodes)
        self.numbers = _numbered(self.workflow)
        self.links = list(self._wires())
        self.places = self._arranged()

    def node(self, node_id: str) -> dict[str, Any]:
        """Return one node as the editor has it."""
        node = self.workflow.nodes[node_id]
        definition = self.definitions[node.class_type]
        x, y = self.places[node_id]
        width, height = _size(node, definition)
        drawn = {
            "id": self.numbers[node_id],
            "type": node.class_type,
            "pos": [x, y],
            "size": [width, height],
            "flags": {},
            "order": self.order.index(node_id),
            "mode": 0,
            "inputs": [self._input(node, entry, slot) for slot, entry in enumerate(_slots(node, definition))],
            "outputs": [self._output(node_id, definition, slot) for slot in range(len(definition.outputs))],
            "properties": {"Node name for S&R": node.class_type},
            "widgets_values": list(_widget_values(node, definition)),
        }
        return drawn | ({"title": node.title} if node.title else {})

    def _input(self, node: WorkflowNode, entry: InputDefinition, slot: int) -> dict[str, Any]:
        number = self.numbers[node.id]
        wire = next((wire[0] for wire in self.links if wire[3:5] == [number, slot]), None)
        widget = {"widget": {"name": entry.name}} if entry.is_widget else {}
        return {"name": entry.name, "type": entry.type, "link": wire, **widget}

    def _output(self, node_id: str, definition: NodeDefinition, slot: int) -> dict[str, Any]:
        output = definition.outputs[slot]
        wires = [wire[0] for wire in self.links if wire[1:3] == [self.numbers[node_id], slot]]
        return {"name": output.name, "type": output.type, "links": wires, "slot_index": slot}

    def _wires(self) -> Iterator[list[Any]]:
        """Yield wires: id, node and slot at both ends, type."""
        count = 0
        for node_id in self.order:
            node = self.workflow.nodes[node_id]
            for slot, entry in enumerate(_slots(node, self.definitions[node.class_type])):
                link = node.inputs.get(entry.name)
                if isinstance(link, Link):
                    count += 1
                    source = self.definitions[self.workflow.nodes[link.node_id].class_type]
                    kind = source.output(link.slot).type
                    yield [count, self.numbers[link.node_id], link.slot, self.numbers[node_id], slot, kind]

    def _arranged(self) -> Mapping[str, tuple[float, float]]:
        """Return the place of each node's upper left corner (rule 2)."""
        columns: dict[int, list[str]] = defaultdict(list)
        depth: dict[str, int] = {}
        for node_id in self.order:
            sources = [link.node_id for _, link in links_of(self.workflow.nodes[node_id])]
            depth[node_id] = max((depth[source] + 1 for source in sources), default=0)
            columns[depth[node_id]].append(node_id)
        places: dict[str, tuple[float, float]] = {}
        x = 0.0
        for _, members in sorted(columns.items()):
            widest = 0.0
            y = 0.0
            for node_id in sorted(members, key=lambda member: self._level(member, places)):
                node = self.workflow.nodes[node_id]
                width, height = _size(node, self.definitions[node.class_type])
                places[node_id] = (x, y)
                y += height + GAP_Y
                widest = max(widest, width)
            x += widest + GAP_X
        return places

    def _level(self, node_id: str, places: Mapping[str, tuple[float, float]]) -> float:
        """Return how far down what a node takes from stands, on average."""
        levels = [places[link.node_id][1] for _, link in links_of(self.workflow.nodes[node_id])]
        return sum(levels) / len(levels) if levels else 0.0


def _numbered(workflow: Workflow) -> Mapping[str, int]:
    """Return a number for every node: its own id where that is one."""
    numbers = {node_id: int(node_id) for node_id in workflow.nodes if node_id.isdecimal()}
    largest = max(numbers.values(), default=0)
    named = [node_id for node_id in workflow.nodes if node_id not in numbers]
    return {**numbers, **{node_id: largest + count for count, node_id in enumerate(named, 1)}}


def _slots(node: WorkflowNode, definition: NodeDefinition) -> list[InputDefinition]:
    """Return the inputs that wires come to: those without a widget, and widgets with a wire."""
    return [
        entry
        for entry in definition.inputs
        if not entry.is_widget or isinstance(node.inputs.get(entry.name), Link)
    ]


def _widget_values(node: WorkflowNode, definition: NodeDefinition) -> Iterator[Any]:
    for entry in definition.inputs:
        if entry.is_widget:
            value = node.inputs.get(entry.name)
            yield _default(entry) if value is None or isinstance(value, Link) else value
            if entry.options.get("control_after_generate"):
                yield "fixed"


def _default(entry: InputDefinition) -> Any:
    if entry.default is None and entry.choices:
        return entry.choices[0]
    return "" if entry.default is None and entry.type == "STRING" else entry.default


def _size(node: WorkflowNode, definition: NodeDefinition) -> tuple[int, int]:
    widgets = [entry for entry in definition.inputs if entry.is_widget]
    boxes = sum(entry.is_multiline for entry in widgets)
    controls = sum(bool(entry.options.get("control_after_generate")) for entry in widgets)
    lines = max(len(_slots(node, definition)), len(definition.outputs)) + len(widgets) - boxes + controls
    takes_pictures = any(entry.type == "IMAGE" for entry in definition.inputs)
    shows = any("image_upload" in entry.options for entry in widgets) or (
        definition.is_output and takes_pictures
    )
    return WIDE if boxes else WIDTH, (lines + 1) * ROW + boxes * BOX + shows * PICTURE
