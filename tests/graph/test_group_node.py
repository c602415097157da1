"""Group nodes of older drawings, unfolded."""

import contextlib
import copy

import pytest

from bridge.errors import WorkflowError
from bridge.graph import editor, read_drawing


def slot(name, kind, link=None, *, widget=False, **more):
    return {
        "name": name,
        "type": kind,
        "link": link,
        **({"widget": {"name": name}} if widget else {}),
        **more,
    }


def inside(kind, inputs=(), outputs=("IMAGE",), **more):
    """A node in a group node."""
    outs = [{"name": name, "type": name} for name in outputs]
    return {"type": kind, "inputs": list(inputs), "outputs": outs, **more}


def text(**more):
    return inside("CLIPTextEncode", [slot("clip", "CLIP")], ["CONDITIONING"], widgets_values=["old"], **more)


def sampler(*, with_sockets=False):
    names = ("model", "MODEL"), ("positive", "CONDITIONING"), ("negative", "CONDITIONING")
    sockets = [slot(*name) for name in (*names, ("latent_image", "LATENT"))]
    if with_sockets:
        kinds = {"seed": "INT", "steps": "INT", "cfg": "FLOAT", "sampler_name": "COMBO", "scheduler": "COMBO"}
        sockets += [slot(*widget, widget=True) for widget in {**kinds, "denoise": "FLOAT"}.items()]
    return inside("KSampler", sockets, ["LATENT"])


def group(nodes, links=(), external=(), **more):
    links = [list(link) if isinstance(link, tuple) else link for link in links]
    return {"nodes": nodes, "links": links, "external": list(external), **more}


GENERATE = group(
    [text(title="Good"), text(title="Bad"), sampler()],
    [(None, 1, 0, 0, 9, "CLIP"), (0, 0, 2, 1, 3, "CONDITIONING"), (1, 0, 2, 2, 4, "CONDITIONING")],
    [(2, 0, "LATENT")],
)
VALUES = ["a cat", "bad", 7, "randomize", 20, 5.5, "euler", "normal", 1.0]


def drawing(definition, inputs=(), values=(), outputs=("LATENT",), nodes=(), links=(), **more):
    """Return a drawing whose node 5 is a group node."""
    node = {"id": 5, "type": "workflow>Gen", "inputs": list(inputs), "widgets_values": list(values)}
    node |= {"outputs": [{"name": name, "type": name} for name in outputs], **more}
    wires = [list(link) for link in links]
    return {"nodes": [*nodes, node], "links": wires, "extra": {"groupNodes": {"Gen": definition}}}


def around():
    """A drawing with nodes before and behind the group node."""
    nodes = [
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["m"]},
        {"id": 2, "type": "VAEDecode", "inputs": [slot("samples", "LATENT", 3)]},
        {"id": 3, "type": "VAEDecode", "inputs": [slot("samples", "LATENT", 4)]},
    ]
    ins = [slot("clip", "CLIP", 1), slot("Bad clip", "CLIP", 2), slot("model", "MODEL", 5)]
    wires = [(1, 1, 1, 5, 0), (2, 1, 1, 5, 1), (5, 1, 0, 5, 2), (3, 5, 0, 2, 0), (4, 5, 0, 3, 0)]
    return drawing(GENERATE, [*ins, slot("latent_image", "LATENT")], VALUES, nodes=nodes, links=wires)


def problem(drawn, definitions):
    with pytest.raises(WorkflowError) as caught:
        read_drawing(drawn, definitions)
    (found,) = caught.value.problems
    assert (found.code, found.node_id) == ("group_node", "5")
    return found.message


@pytest.mark.parametrize("prefix", ["workflow>", "workflow/"])
def test_group_node_is_unfolded(definitions, prefix):
    drawn = around()
    drawn["nodes"][-1]["type"] = f"{prefix}Gen"
    api = read_drawing(drawn, definitions)
    assert set(api) == {"1", "2", "3", "5:0", "5:1", "5:2"}
    assert api["5:0"]["inputs"] == {"text": "a cat", "clip": ["1", 1]}
    assert api["5:1"]["inputs"] == {"text": "bad", "clip": ["1", 1]}
    assert api["5:2"]["inputs"] == {
        "seed": 7,
        "steps": 20,
        "cfg": 5.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["1", 0],
        "positive": ["5:0", 0],
        "negative": ["5:1", 0],
    }
    assert api["2"]["inputs"] == api["3"]["inputs"] == {"samples": ["5:2", 0]}
    assert api["5:1"]["_meta"] == {"title": "Bad"}


def test_group_nodes_of_one_name_hold_each_their_own(definitions):
    drawn = around()
    drawn["nodes"].append({**drawn["nodes"][-1], "id": 6, "widgets_values": ["a dog", *VALUES[1:]]})
    api = read_drawing(drawn, definitions)
    assert [api[key]["inputs"]["text"] for key in ("5:0", "6:0")] == ["a cat", "a dog"]


def test_nothing_of_the_drawing_is_changed(definitions):
    drawn = around()
    before = copy.deepcopy(drawn)
    read_drawing(drawn, definitions)
    assert drawn == before


def test_muted_group_node_does_not_run(definitions):
    drawn = around()
    drawn["nodes"][-1]["mode"] = 2
    assert set(read_drawing(drawn, definitions)) == {"1", "2", "3"}


def test_values_of_widgets_with_sockets_come_last_and_sorted_as_text(definitions):
    definition = group([sampler(with_sockets=True), text()], [(1, 0, 0, 1, 2, "CONDITIONING")])
    for place in range(5):  # the widgets' sockets are those from 9 on
        definition["nodes"][0]["inputs"].insert(4, slot(f"more{place}", "X"))
    values = ["a cat", 20, 5.5, "euler", "normal", 1.0, 7, "fixed"]  # 10 to 14, 9
    api = read_drawing(drawing(definition, values=values), definitions)
    assert api["5:0"]["inputs"] == {
        "seed": 7,
        "steps": 20,
        "cfg": 5.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "positive": ["5:1", 0],
    }
    assert api["5:1"]["inputs"] == {"text": "a cat"}


def test_wire_into_a_widget_counts_more_than_its_value(definitions):
    loader = {"id": 1, "type": "PrimitiveNode", "widgets_values": [9, "fixed"]}
    drawn = drawing(
        group([inside("EmptyLatentImage", [], ["LATENT"])]),
        [slot("width", "INT", 1, widget=True)],
        [64, 32, 1],
        nodes=[loader],
        links=[(1, 1, 0, 5, 0)],
    )
    inputs = read_drawing(drawn, definitions)["5:0"]["inputs"]
    assert inputs == {"width": 9, "height": 32, "batch_size": 1}


def test_primitive_gives_its_value_to_all_that_it_is_wired_to(definitions):
    sides = [slot("width", "INT", widget=True), slot("height", "INT", widget=True)]
    primitive = inside("PrimitiveNode", [], ["INT"], title="Side", widgets_values=[8, "fixed"])
    definition = group(
        [primitive, inside("EmptyLatentImage", sides, ["LATENT"])],
        [(0, 0, 1, 0, 1, "INT"), (0, 0, 1, 1, 1, "INT")],
    )
    api = read_drawing(drawing(definition, values=[64, "increment", 2]), definitions)
    assert api == {
        "5:1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 2}}
    }


def test_primitive_of_a_choice_has_a_filter_too(definitions):
    choice = [slot("sampler_name", "COMBO", widget=True)]
    primitive = inside("PrimitiveNode", [], ["COMBO"], widgets_values=["euler", "fixed", ""])
    definition = group([primitive, inside("KSampler", choice)], [(0, 0, 1, 0, 1, "COMBO")])
    values = ["heun", "fixed", "", 7, "fixed", 20, 5.5, "karras", 1.0]
    inputs = read_drawing(drawing(definition, values=values), definitions)["5:1"]["inputs"]
    assert (inputs["sampler_name"], inputs["scheduler"]) == ("heun", "karras")


def test_reroutes_join_inside_and_outside(definitions):
    reroute = inside("Reroute", [slot("", "*")], ["LATENT"])
    decode = inside("VAEDecode", [slot("samples", "LATENT"), slot("vae", "VAE")])
    definition = group([reroute, decode, reroute], [(0, 0, 1, 0, 1, "LATENT"), (1, 0, 2, 0, 2, "IMAGE")])
    definition["external"] = [[2, 0, "IMAGE"]]
    nodes = [
        {"id": 1, "type": "EmptyLatentImage"},
        {"id": 2, "type": "PreviewImage", "inputs": [slot("images", "IMAGE", 2)]},
    ]
    ins = [slot("LATENT", "LATENT", 1), slot("vae", "VAE")]
    wires = [(1, 1, 0, 5, 0), (2, 5, 0, 2, 0)]
    api = read_drawing(drawing(definition, ins, outputs=["IMAGE"], nodes=nodes, links=wires), definitions)
    assert api["5:1"]["inputs"] == {"samples": ["1", 0]}
    assert api["2"]["inputs"] == {"images": ["5:1", 0]}


def test_inputs_and_outputs_may_be_renamed_and_hidden(definitions):
    config = {
        "0": {
            "input": {"clip": {"name": "words"}, "text": {"visible": False}},
            "output": {"0": {"visible": True}},
        },
        "1": {"input": {"clip": {"visible": False}}},
    }
    definition = {**GENERATE, "config": config}
    nodes = [
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["m"]},
        {"id": 2, "type": "VAEDecode", "inputs": [slot("samples", "LATENT", 2)]},
    ]
    wires = [(1, 1, 1, 5, 0), (2, 5, 1, 2, 0)]
    outputs = ["CONDITIONING", "LATENT"]
    drawn = drawing(definition, [slot("words", "CLIP", 1)], VALUES, outputs, nodes, wires)
    api = read_drawing(drawn, definitions)
    assert api["5:0"]["inputs"] == {"text": "a cat", "clip": ["1", 1]}
    assert api["5:1"]["inputs"] == {"text": "bad"}
    assert api["2"]["inputs"] == {"samples": ["5:2", 0]}


def test_equal_names_are_told_apart_by_title_or_class_and_number(definitions):
    definition = group([text(), text(), text(), text(title="Last")])
    named = {"text": "a", "CLIPTextEncode text": "b", "CLIPTextEncode 2 text": "c", "Last text": "d"}
    drawn = drawing(definition, outputs=["CONDITIONING"] * 4, widgets_values_named=named)
    api = read_drawing(drawn, definitions)
    assert [api[f"5:{place}"]["inputs"]["text"] for place in range(4)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widgets_values": VALUES[:-1]}, "whose values"),
        ({"widgets_values": [*VALUES, 1]}, "whose values"),
        ({"widgets_values": None}, "whose values"),
        ({"outputs": []}, "whose outputs"),
        ({"inputs": [slot("stranger", "CLIP", 1)]}, "whose inputs"),
        ({"type": "workflow>Other"}, "of which the workflow says nothing more"),
    ],
)
def test_group_node_that_is_not_as_its_nodes_are_is_named(definitions, change, message):
    drawn = around()
    drawn["nodes"][-1].update(change)
    assert message in problem(drawn, definitions)


@pytest.mark.parametrize(
    ("nodes", "links", "config", "message"),
    [
        ([inside("Foreign")], [], None, 'that holds a node "Foreign", which is not here'),
        ([inside("workflow>Gen")], [], None, 'that holds a node "workflow>Gen"'),
        ([inside("PrimitiveNode"), text()], [(0, 0, 1, 0, 1, "*")], None, "in which a primitive has no type"),
        ([text(), text()], [], {"0": {"input": {"clip": {"name": "text"}}}}, ""),
    ],
)
def test_group_node_whose_nodes_are_unclear_is_named(definitions, nodes, links, config, message):
    assert message in problem(drawing(group(nodes, links, config=config)), definitions)


@pytest.mark.parametrize(
    ("definition", "outputs"),
    [
        ({}, []),
        ({"nodes": 5, "links": "x", "external": {}, "config": 7}, []),
        (group([None, 5, "x"], [(0, 0), (0, "0", 1, 0), (-1, 0, 0, 0), (9, 0, 9, 9)]), []),
        (group([{"type": "Note"}, {"type": "PrimitiveNode"}, {"type": "Reroute"}], [5], [5, [2, 0]]), ["*"]),
        (group([text()], config=[5]), ["CONDITIONING"]),
    ],
)
def test_strange_definition_is_read_or_refused(definitions, definition, outputs):
    drawn = drawing(definition, outputs=outputs)
    with contextlib.suppress(WorkflowError):
        assert isinstance(read_drawing(drawn, definitions), dict)


def test_group_node_of_endless_work_is_refused(definitions, monkeypatch):
    monkeypatch.setattr(editor, "MAX_LOOKS", 1_000)
    drawn = drawing(group([inside("PreviewImage", [slot("images", "IMAGE")] * 2_000)]), outputs=[])
    with pytest.raises(WorkflowError) as caught:
        read_drawing(drawn, definitions)
    assert caught.value.code == "too_complex"
