"""``/object_info``: nodes in the words of ComfyUI, held against what ComfyUI 0.3.64 says of its own.

The data is that of ``tests/nodes/test_definitions.py``; here the way from a definition to JSON is tested.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.comfy.input_config import input_config
from bridge.comfy.object_info import OURS, describe_node
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition
from bridge.nodes import load

SIGNATURES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "nodes" / "comfyui_signatures.json").read_text()
)
FACTS = {"default": "default", "minimum": "min", "maximum": "max", "step": "step"}


def definition(name: str) -> NodeDefinition:
    """Build a definition from what ComfyUI says of its node."""
    said = SIGNATURES[name]
    inputs = tuple(
        InputDefinition(
            name=key,
            type=entry["type"],
            is_required=not entry.get("is_optional"),
            choices=tuple(entry["choices"]) if entry.get("choices") else None,
            choices_from=entry.get("choices_from", ""),
            **{field: entry.get(field) for field in FACTS},
            is_multiline=entry.get("is_multiline", False),
        )
        for key, entry in said["inputs"].items()
    )
    outputs = tuple(OutputDefinition(each[0], each[1], "list" in each[2:]) for each in said["outputs"])
    return NodeDefinition(
        name, said["category"], inputs=inputs, outputs=outputs, is_output=said.get("is_output", False)
    )


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_node_is_described_as_comfyui_describes_it(name):
    said = SIGNATURES[name]
    told = describe_node(definition(name), lambda folder: [f"a file of {folder}"])
    assert told["name"] == name
    assert told["category"] == said["category"]
    assert told["output"] == [output[1] for output in said["outputs"]]
    assert told["output_name"] == [output[0] for output in said["outputs"]]
    assert told["output_node"] is said.get("is_output", False)
    described = {**told["input"]["required"], **told["input"].get("optional", {})}
    for section in ("required", "optional"):
        order = [
            key
            for key, entry in said["inputs"].items()
            if bool(entry.get("is_optional")) == (section == "optional")
        ]
        assert told["input_order"].get(section, []) == list(told["input"].get(section, {})) == order
    for key, entry in said["inputs"].items():
        kind, options = described[key]
        assert (key in told["input"].get("optional", {})) is bool(entry.get("is_optional"))
        if entry["type"] != "COMBO":
            assert kind == entry["type"]
        elif entry.get("choices"):
            assert kind == entry["choices"]
        else:
            assert kind == [f"a file of {entry['choices_from']}"]
        assert {options.get(word) for word in options if word in FACTS.values()} == {
            entry[field] for field in FACTS if entry.get(field) is not None
        }


def test_a_pack_has_the_last_word_on_its_inputs():
    entry = InputDefinition(
        "x", "INT", default=1, is_lazy=True, is_raw_link=True, options={"default": 2, "display": "slider"}
    )
    assert input_config(entry, list) == [
        "INT",
        {"default": 2, "lazy": True, "rawLink": True, "display": "slider"},
    ]


def test_a_list_that_the_editor_fetches_itself_is_not_made():
    entry = InputDefinition("image", "COMBO", choices_from="output", options={"remote": {"route": "/x"}})
    assert input_config(entry, pytest.fail) == ["COMBO", {"remote": {"route": "/x"}}]


def test_several_choices_at_once_are_a_combo():
    options = {"options": ["a", "b"], "multiselect": True}
    entry = InputDefinition("x", "COMBO_LIST", options=options)
    assert input_config(entry, pytest.fail) == ["COMBO", {**options, "multi_select": True}]


def test_what_the_engine_passes_is_hidden_and_details_are_told():
    told = describe_node(
        NodeDefinition("A", "test", hidden={"prompt": "PROMPT"}, details={"deprecated": True}), list
    )
    assert told["input"] == {"required": {}, "hidden": {"prompt": "PROMPT"}}
    assert told["input_order"] == {"required": [], "hidden": ["prompt"]}
    assert told["deprecated"] is True
    assert told["display_name"] == "A"


def test_nodes_are_marked_by_where_comfyui_has_them():
    ours = NodeDefinition("ViewportFrame", "framebridge", module="bridge.nodes.viewport")
    core = NodeDefinition("KSampler", "sampling", module="bridge.nodes.sampling")
    foreign = NodeDefinition("X", "x", module="pack", details={"python_module": "custom_nodes.pack"})
    modules = [describe_node(node, list)["python_module"] for node in (ours, core, foreign)]
    assert modules == ["custom_nodes.framebridge", "nodes", "custom_nodes.pack"]


def test_no_node_of_a_pack_is_marked_as_comfyuis_own():
    nodes = load({"device": "cpu"}).registry.definitions
    marked = {name: describe_node(node, lambda folder: [])["python_module"] for name, node in nodes.items()}
    of_packs = [name for name in marked if name.startswith(("ETN_", "INPAINT_", "IPAdapter", "Framebridge"))]
    assert len(of_packs) > 20
    assert {marked[name] for name in of_packs} == {OURS}
    assert marked["KSampler"] == marked["LoadImage"] == "nodes"


# ---- over the wire -------------------------------------------------------------------------------


def test_all_nodes_and_one_say_the_same(site):
    every = site.http.get("/api/object_info").json()
    assert set(every) >= {"EmptyImage", "LoadImage"}
    for name in ("EmptyImage", "LoadImage"):
        assert site.http.get(f"/object_info/{name}").json() == {name: every[name]}
    assert site.http.get("/object_info/nope").json() == {}


def test_files_that_have_come_are_listed_at_once(site):
    def listed():
        return site.http.get("/object_info").json()["LoadImage"]["input"]["required"]["image"][0]

    assert "example.png" in listed()
    (site.home / "input" / 'a "new" one.png').write_bytes(b"x")
    assert 'a "new" one.png' in listed()
