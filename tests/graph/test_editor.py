"""From the editor's drawing to what runs."""

import pytest

from bridge.errors import WorkflowError
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition, editor, is_drawing, read_drawing


def kind(name, *inputs, output="IMAGE"):
    entries = tuple(InputDefinition(*entry) if isinstance(entry, tuple) else entry for entry in inputs)
    return NodeDefinition(name, "test", inputs=entries, outputs=(OutputDefinition(output, output),))


DEFINITIONS = {
    definition.name: definition
    for definition in (
        kind("Image", ("width", "INT"), ("height", "INT")),
        kind("Show", ("image", "IMAGE"), ("text", "STRING")),
        kind("Sample", ("image", "IMAGE"), ("seed", "INT"), ("steps", "INT"), ("name", "COMBO")),
        kind("Text", InputDefinition("text", "STRING", options={"dynamicPrompts": True})),
        kind("Save", InputDefinition("prefix", "STRING", begins_file=True)),
        kind("Pair", ("a", "IMAGE"), ("m", "MASK")),
        kind(
            "Options",
            InputDefinition("size", "INT", options={"control_after_generate": True}),
            InputDefinition("forced", "INT", options={"forceInput": True}),
            InputDefinition("mode", "COMBO"),
        ),
    )
}


def node(node_id, type_, inputs=(), outputs=("IMAGE",), **more):
    """A drawn node; an input is a name with its wire."""
    return {
        "id": node_id,
        "type": type_,
        "inputs": [{"name": name, "type": "IMAGE", "link": link} for name, link in inputs],
        "outputs": [{"name": name, "type": name} for name in outputs],
        **more,
    }


def drawing(nodes, links=(), **more):
    return {"nodes": nodes, "links": [list(link) for link in links], **more}


def read(nodes, links=(), **more):
    return read_drawing(drawing(nodes, links, **more), DEFINITIONS)


def inputs(api, node_id):
    return api[node_id]["inputs"]


def test_values_find_their_inputs():
    api = read([node(1, "Image", widgets_values=[64, 32], title="Black")])
    assert api == {
        "1": {"class_type": "Image", "inputs": {"width": 64, "height": 32}, "_meta": {"title": "Black"}}
    }


def test_wire_becomes_a_link():
    api = read([node(1, "Image"), node(2, "Show", [("image", 5)])], [(5, 1, 0, 2, 0, "IMAGE")])
    assert inputs(api, "2") == {"image": ["1", 0]}


def test_wires_may_be_objects():
    wire = {"id": 5, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "IMAGE"}
    api = read_drawing({"nodes": [node(1, "Image"), node(2, "Show", [("image", 5)])], "links": [wire]}, {})
    assert inputs(api, "2") == {"image": ["1", 0]}


def test_what_the_editor_does_with_a_seed_is_no_value():
    api = read([node(1, "Sample", widgets_values=[7, "randomize", 20, "euler"])])
    assert inputs(api, "1") == {"seed": 7, "steps": 20, "name": "euler"}


def test_older_drawings_have_nothing_behind_the_seed():
    assert inputs(read([node(1, "Sample", widgets_values=[7, 20, "fixed"])]), "1")["name"] == "fixed"


def test_seed_by_another_name_and_inputs_without_a_widget():
    api = read([node(1, "Options", widgets_values=[7, "fixed", "increment", "an upload button"])])
    assert inputs(api, "1") == {"size": 7, "mode": "increment"}


def test_values_may_be_named():
    api = read([node(1, "Image", widgets_values={"width": 8, "videopreview": {}})])
    assert inputs(api, "1") == {"width": 8}


def test_list_as_a_value_is_not_taken_for_a_link():
    api = read([node(1, "Image", widgets_values=[["2", 0], 1])])
    assert inputs(api, "1")["width"] == {"__value__": ["2", 0]}


def test_wire_into_a_widget_counts_more_than_its_value():
    shown = node(2, "Show", [("image", None)], widgets_values=["old"])
    shown["inputs"].append({"name": "text_input", "type": "STRING", "link": 4, "widget": {"name": "text"}})
    value = node(1, "PrimitiveNode", outputs=("STRING",), widgets_values=["new", "fixed"])
    api = read([value, shown], [(4, 1, 0, 2, 1, "STRING")])
    assert api == {"2": {"class_type": "Show", "inputs": {"text": "new"}}}


def test_reroutes_are_wires_and_notes_are_nothing():
    nodes = [
        node(1, "Image"),
        node(2, "Reroute", [("", 1)]),
        node(3, "Reroute", [("", 2)]),
        node(4, "Show", [("image", 3)]),
        node(5, "MarkdownNote", widgets_values=["hi"]),
    ]
    api = read(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0), (3, 3, 0, 4, 0)])
    assert set(api) == {"1", "4"}
    assert inputs(api, "4") == {"image": ["1", 0]}


def test_reroutes_in_a_ring_end():
    nodes = [node(1, "Reroute", [("", 2)]), node(2, "Reroute", [("", 1)]), node(3, "Show", [("image", 1)])]
    assert inputs(read(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 1, 0)]), "3") == {}


def test_muted_node_puts_nothing_out():
    nodes = [node(1, "Image", mode=2), node(2, "Show", [("image", 1)])]
    api = read(nodes, [(1, 1, 0, 2, 0)])
    assert api == {"2": {"class_type": "Show", "inputs": {}}}


@pytest.mark.parametrize(
    ("types", "output", "needed", "handed"),
    [
        (["IMAGE"], "IMAGE", "IMAGE", 0),
        (["MASK"], "IMAGE", "IMAGE", None),
        (["MASK", "IMAGE"], "IMAGE", "IMAGE", 1),
        (["MASK", "*", "IMAGE"], "IMAGE", "IMAGE", 2),
        (["*", "IMAGE"], "IMAGE", "IMAGE", 0),
        (["MASK", "*"], "IMAGE", "IMAGE", 1),
        (["IMAGE,MASK"], "IMAGE", "IMAGE", 0),
        (["LATENT", "IMAGE,MASK"], "IMAGE,LATENT", "IMAGE", 1),
        (["LATENT", "MASK"], "IMAGE,MASK", "IMAGE,MASK", 1),
        (["MASK", "IMAGE"], "*", "IMAGE", 1),
        (["MASK", "IMAGE"], "IMAGE", "*", 0),
        (["image"], "IMAGE", "IMAGE", 0),
        ([], "IMAGE", "*", None),
    ],
)
def test_bypassed_node_hands_on_what_fits_its_output_and_the_wires_end(types, output, needed, handed):
    slots = [{"name": str(place), "type": kind, "link": place} for place, kind in enumerate(types)]
    bypassed = {**node(9, "Any", outputs=(output,), mode=4), "inputs": slots}
    end = {**node(8, "Other"), "inputs": [{"name": "x", "type": needed, "link": 9}]}
    sources = [node(place, "Image") for place in range(len(types))]
    wires = [(place, place, 0, 9, place) for place in range(len(types))]
    api = read([*sources, bypassed, end], [*wires, (9, 9, 0, 8, 0)])
    assert inputs(api, "8") == ({} if handed is None else {"x": [str(handed), 0]})


def test_what_a_bypassed_node_hands_on_is_judged_by_its_definition():
    bypassed = node(2, "Pair", [("m", 1), ("a", 2)], outputs=("MASK",), mode=4)
    nodes = [node(1, "Image"), node(4, "Image"), bypassed, node(3, "Show", [("image", 3)])]
    api = read(nodes, [(1, 1, 0, 2, 0), (2, 4, 0, 2, 1), (3, 2, 0, 3, 0)])
    assert inputs(api, "3") == {"image": ["4", 0]}


def test_bypassed_reroute_is_a_wire():
    reroute = node(2, "Reroute", [("", 1)], outputs=("MASK",), mode=4)
    api = read(
        [node(1, "Image"), reroute, node(3, "Show", [("image", 2)])], [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)]
    )
    assert inputs(api, "3") == {"image": ["1", 0]}


def test_bypassed_node_hands_on_what_comes_into_an_input_of_any_type():
    bypassed = node(2, "Any", [("a", 1)], outputs=("MASK",), mode=4)
    bypassed["inputs"][0]["type"] = "*"
    api = read(
        [node(1, "Image"), bypassed, node(3, "Show", [("image", 2)])], [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)]
    )
    assert inputs(api, "3") == {"image": ["1", 0]}


def test_dynamic_prompt_is_drawn():
    values = ["a {red|red} cat // end"]
    assert inputs(read([node(1, "Text", widgets_values=values)]), "1") == {"text": "a red cat "}
    assert inputs(read([node(1, "Text", widgets_values={"text": values[0]})]), "1") == {"text": "a red cat "}
    text = with_widget(node(2, "Text", [("text", 1)]), 0, "text")
    api = read([node(1, "PrimitiveNode", widgets_values=values), text], [(1, 1, 0, 2, 0)])
    assert inputs(api, "2") == {"text": "a red cat "}
    assert inputs(read([node(1, "Show", widgets_values=values)]), "1") == {"text": values[0]}


@pytest.mark.parametrize(
    ("prefix", "filled"),
    [
        ("%Image.width%", "64"),
        ("%Black.width%", "64"),
        ("%Picture.height%", "8"),
        ("%Sample.name%", "euler"),
        ("%Sample.image%_%Nobody.width%", "%Sample.image%_%Nobody.width%"),
    ],
)
def test_name_of_a_file_takes_values_of_widgets(prefix, filled):
    nodes = [
        node(1, "Save", widgets_values=[prefix]),
        node(2, "Image", widgets_values=[64, 32], title="Black"),
        node(3, "Image", widgets_values=[16, 8], properties={"Node name for S&R": "Picture"}),
        node(4, "Sample", [("image", 1)], widgets_values=[7, "randomize", 20, "euler"], mode=2),
    ]
    assert inputs(read(nodes, [(1, 2, 0, 4, 0)]), "1") == {"prefix": filled}


def test_name_of_a_file_takes_the_value_that_a_primitive_gives():
    wired = with_widget(node(3, "Image", [("width", 1)], widgets_values=[64, 32]), 0, "width")
    nodes = [node(1, "Save", widgets_values=["%Image.width%"]), node(2, "PrimitiveNode", widgets_values=[5])]
    assert inputs(read([*nodes, wired], [(1, 2, 0, 3, 0)]), "1") == {"prefix": "5"}


def test_bypassed_node_hands_on_its_first_fitting_input_or_nothing():
    bypassed = node(2, "Pair", [("a", None), ("b", 1)], mode=4)
    nodes = [node(1, "Image"), bypassed, node(3, "Show", [("image", 2)])]
    assert inputs(read(nodes, [(1, 1, 0, 2, 1), (2, 2, 0, 3, 0)]), "3") == {}


@pytest.mark.parametrize("kind", ["workflow>Pic", "workflow/Pic"])
def test_group_node_is_named(kind):
    with pytest.raises(WorkflowError) as caught:
        read([node(7, kind)])
    (problem,) = caught.value.problems
    assert (problem.code, problem.node_id) == ("group_node", "7")
    assert 'group node "Pic"' in problem.message
    assert inputs(read([node(7, kind, mode=2), node(1, "Image")]), "1") == {}


def subgraph(nodes, links, ins=(), outs=("IMAGE",)):
    return {
        "id": "sub",
        "nodes": nodes,
        "links": [
            dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot"), link, strict=True))
            for link in links
        ],
        "inputs": [{"name": name} for name in ins],
        "outputs": [{"name": name} for name in outs],
    }


def with_widget(drawn, place, name):
    drawn["inputs"][place]["widget"] = {"name": name}
    return drawn


def test_subgraph_is_unfolded():
    inner = node(7, "Show", [("image", 1)])
    graph = subgraph([inner], [(1, -10, 0, 7, 0), (2, 7, 0, -20, 0)], ins=("picture",))
    nodes = [node(1, "Image"), node(2, "sub", [("picture", 1)]), node(3, "Show", [("image", 2)])]
    api = read(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)], definitions={"subgraphs": [graph]})
    assert set(api) == {"1", "2:7", "3"}
    assert inputs(api, "2:7") == {"image": ["1", 0]}
    assert inputs(api, "3") == {"image": ["2:7", 0]}


def test_value_of_a_subgraphs_node_stands_in_for_the_one_inside():
    inner = with_widget(node(7, "Image", [("width", 1)], widgets_values=[1, 2]), 0, "width")
    graph = subgraph([inner], [(1, -10, 1, 7, 0)], ins=("picture", "width"))
    holder = node(2, "sub", widgets_values=[99])
    assert inputs(read([holder], definitions={"subgraphs": [graph]}), "2:7") == {"width": 99, "height": 2}
    holder = node(2, "sub", widgets_values=[])
    assert inputs(read([holder], definitions={"subgraphs": [graph]}), "2:7") == {"width": 1, "height": 2}


@pytest.mark.parametrize("widget_first", [True, False])
def test_input_of_a_subgraph_may_go_to_a_widget_and_elsewhere(widget_first):
    nodes = [
        with_widget(node(7, "Image", [("width", 1)], widgets_values=[1, 2]), 0, "width"),
        node(8, "Show", [("image", 2)]),
    ]
    wires = [(1, -10, 0, 7, 0), (2, -10, 0, 8, 0)]
    graph = subgraph(nodes, wires if widget_first else wires[::-1], ins=("width",))
    holders = [node(2, "sub", widgets_values=[98]), node(3, "sub", widgets_values=[99])]
    api = read(holders, definitions={"subgraphs": [graph]})
    assert inputs(api, "2:7")["width"] == inputs(api, "2:8")["image"] == 98
    assert inputs(api, "3:7")["width"] == inputs(api, "3:8")["image"] == 99


@pytest.mark.parametrize(
    ("held", "size"), [([9], (9, 2)), ([9, 8], (9, 8)), ([9, 8, 7], (9, 8)), ([], (1, 2))]
)
def test_values_of_a_subgraphs_node_are_taken_as_far_as_they_go(held, size):
    inner = node(7, "Image", [("width", 1), ("height", 2)], widgets_values=[1, 2])
    inner = with_widget(with_widget(inner, 0, "width"), 1, "height")
    graph = subgraph([inner], [(1, -10, 0, 7, 0), (2, -10, 1, 7, 1)], ins=("width", "height"))
    api = read([node(2, "sub", widgets_values=held)], definitions={"subgraphs": [graph]})
    assert tuple(inputs(api, "2:7").values()) == size


@pytest.mark.parametrize(
    ("proxies", "held", "expected"),
    [
        ([["-1", "wide"], ["7", "height"]], [9, 8], {"width": 9, "height": 8}),
        ([["7", "height"], ["7", "width"]], [9, 8], {"width": 8, "height": 9}),
        ([["7", "height"], ["7", "control_after_generate"]], [9, "fixed"], {"width": 1, "height": 9}),
        ([["8", "value"]], ["new"], {"width": 1, "height": 2, "text": "new"}),
        ([["9", "wide"]], [5], {"width": 1, "height": 2, "inner": 5}),
        ([[], 5, [["7"], {}], ["7", "height"]], [1, 2, 3, 9], {"width": 1, "height": 9}),
    ],
)
def test_values_of_a_subgraphs_node_belong_to_what_its_proxies_list(proxies, held, expected):
    inside = [
        with_widget(node(7, "Image", [("width", 1)], widgets_values=[1, 2]), 0, "width"),
        node(8, "PrimitiveNode", outputs=("STRING",), widgets_values=["old"]),
        with_widget(node(6, "Show", [("text", 2)]), 0, "text"),
        node(9, "inner"),
    ]
    wires = [(1, -10, 0, 7, 0), (2, 8, 0, 6, 0)]
    inner = with_widget(node(1, "Image", [("width", 1)], widgets_values=[3, 4]), 0, "width")
    graphs = [
        subgraph(inside, wires, ins=("wide",)),
        {**subgraph([inner], [(1, -10, 0, 1, 0)], ins=("wide",)), "id": "inner"},
    ]
    holder = node(2, "sub", widgets_values=held, properties={"proxyWidgets": proxies})
    api = read([holder], definitions={"subgraphs": graphs})
    expected = {"text": "old", "inner": 3} | expected
    assert inputs(api, "2:6") == {"text": expected.pop("text")}
    assert inputs(api, "2:9:1") == {"width": expected.pop("inner"), "height": 4}
    assert inputs(api, "2:7") == expected


def test_named_values_of_a_subgraphs_node_need_no_counting():
    inner = with_widget(node(7, "Image", [("width", 1)], widgets_values=[1, 2]), 0, "width")
    graph = subgraph([inner], [(1, -10, 0, 7, 0)], ins=("width",))
    holder = node(2, "sub", widgets_values=["?", "?"], widgets_values_named={"width": 99})
    assert inputs(read([holder], definitions={"subgraphs": [graph]}), "2:7") == {"width": 99, "height": 2}


def test_subgraph_within_a_subgraph():
    inner = subgraph([node(7, "Show", [("image", 1)])], [(1, -10, 0, 7, 0)], ins=("x",))
    outer = {**subgraph([node(5, "sub", [("x", 3)])], [(3, -10, 0, 5, 0)], ins=("y",)), "id": "outer"}
    nodes = [node(1, "Image"), node(2, "outer", [("y", 1)])]
    api = read(nodes, [(1, 1, 0, 2, 0)], definitions={"subgraphs": [inner, outer]})
    assert inputs(api, "2:5:7") == {"image": ["1", 0]}


def test_subgraph_that_holds_itself_is_refused():
    graph = subgraph([node(5, "sub")], [])
    with pytest.raises(WorkflowError) as caught:
        read([node(1, "sub")], definitions={"subgraphs": [graph]})
    assert caught.value.code == "too_complex"


def ring(slots):
    """A bypassed node that is wired to itself, and a node all of whose inputs are wired to it."""
    return [node(1, "Pair", [("a", 1)], mode=4), node(2, "Show", [(str(slot), 1) for slot in range(slots)])]


def test_bypassed_nodes_in_a_ring_end_at_once(monkeypatch):
    monkeypatch.setattr(editor, "MAX_LOOKS", 4_000)  # each of 300 wires is followed once round
    assert inputs(read(ring(300), [(1, 1, 0, 1, 0)]), "2") == {}


def wide(width):
    """As many wires to a bypassed node as it has inputs."""
    slots = [{"name": "a", "type": "MASK"}] * width
    return [
        {**node(1, "Pair", mode=4), "inputs": slots},
        node(2, "Show", [(str(slot), 1) for slot in range(width)]),
    ]


@pytest.mark.parametrize(
    ("nodes", "inside"),
    [
        (wide(2_000), {}),
        ([node(place, "sub") for place in range(1_000)], {"links": [[1, 2, 0, 3, 0]] * 1_000}),
        (
            [node(place, "sub") for place in range(2_000)],
            {"nodes": [node(1, "Image", widgets_values=[1] * 2_000)]},
        ),
        ([node("x" * 300, "sub")], {}),
        (
            [
                node(1, "Save", widgets_values=["%Show.text%" * 1_000]),
                node(2, "Show", widgets_values=["x" * 100_000]),
            ],
            {},
        ),
        (
            [node(1, "sub", mode=0), node(2, "Show", [("image", 1)])],
            {"nodes": [node(1, "sub")], "links": [[1, 1, 0, -20, 0]]},
        ),
    ],
    ids=["wide bypass", "wires", "values", "long id", "long name", "outputs of itself"],
)
def test_small_drawing_of_endless_work_is_refused(nodes, inside):
    graph = {"id": "sub", "nodes": [], "links": [], **inside}
    with pytest.raises(WorkflowError) as caught:
        read(nodes, [(1, 1, 0, 2, 0)], definitions={"subgraphs": [graph]})
    assert caught.value.code == "too_complex"


@pytest.mark.parametrize(
    "data",
    [
        {"nodes": [1, None, {"id": 1}], "links": [5, [], [1, 2], {"id": 1}, [1, 2, "x", 3, 4]]},
        {"nodes": [node(1, "Show", [("image", 9)])], "links": {}, "definitions": 5},
        {"nodes": [{"id": 1, "type": "Image", "inputs": "x", "widgets_values": 7}], "links": []},
        {
            "nodes": [node(2, "sub", [("a", 1)])],
            "links": [[1, 2, 5, 2, 0]],
            "definitions": {
                "subgraphs": [
                    {"id": "sub", "nodes": [node(1, "Show", [("image", 1)])], "links": [[1, -10, 7, 1, 0]]}
                ]
            },
        },
        {"nodes": [node(1, "Show", [("image", 1)])], "links": [[1, -10, 0, 1, 0]]},
        {"nodes": [node(1, "PrimitiveNode"), node(2, "Show", [("image", 1)])], "links": [[1, 1, 0, 2, 0]]},
        {
            "nodes": [node(1, "Pair", [("a", 2)], mode=4), node(2, "Show", [("image", 1)])],
            "links": [[1, 1, -2, 2, 0], [2, 2, 0, 1, -5]],
        },
        {"nodes": [{"id": [1], "type": ["Image"], "inputs": [{"name": [], "link": [1]}]}], "links": []},
    ],
    ids=[
        "strangers",
        "loose wire",
        "texts",
        "no such slot",
        "outside of nothing",
        "empty primitive",
        "negative",
        "lists",
    ],
)
def test_what_is_drawn_wrongly_is_left_out(data):
    assert is_drawing(data)
    assert isinstance(read_drawing(data, DEFINITIONS), dict)


def test_api_json_is_no_drawing():
    assert not is_drawing({"1": {"class_type": "nodes", "inputs": {}}})
    with pytest.raises(WorkflowError):
        read_drawing({"nodes": 1}, DEFINITIONS)
