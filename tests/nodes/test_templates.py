"""Templates of the editor's browser are drawings of the presets and examples that they are made of."""

import pytest

from bridge.comfy.templates import all_templates, draw_template
from bridge.graph import parse_workflow, read_drawing
from bridge.nodes import load

DEFINITIONS = load({"device": "cpu"}).registry.definitions
TEMPLATES = all_templates(())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_reads_back_as_the_workflow_it_was_drawn_from(name: str) -> None:
    template = TEMPLATES[name]
    read = parse_workflow(read_drawing(draw_template(template, DEFINITIONS), DEFINITIONS))
    wanted = parse_workflow(template.workflow)
    assert read.nodes.keys() == wanted.nodes.keys()
    for node_id, node in wanted.nodes.items():
        assert read.nodes[node_id].class_type == node.class_type
        assert {**read.nodes[node_id].inputs, **node.inputs} == read.nodes[node_id].inputs
