"""Nodes that ComfyUI has too take the same inputs and give the same outputs.

``comfyui_signatures.json`` holds what the nodes of ComfyUI 0.3.64, ComfyUI_IPAdapter_plus, x-flux-comfyui,
ComfyUI-IPAdapter-Flux, comfyui_controlnet_aux, comfyui-inpaint-nodes and comfyui-tooling-nodes say of
themselves, of some that are not here yet too. Nothing deviates.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.graph import InputDefinition, NodeDefinition
from bridge.nodes import load

SIGNATURES: dict[str, Any] = json.loads(Path(__file__).with_name("comfyui_signatures.json").read_text())
OURS = {
    "HostPicture", "ObjectConditioning", "ObjectMask", "ObjectPrompts", "ObjectRepaint", "SendToHost",
    "ViewportComposite", "ViewportEdges", "ViewportFrame",
}  # fmt: skip
FIELDS = (
    "type", "default", "minimum", "maximum", "step", "choices", "choices_from", "is_multiline", "is_lazy",
    "is_raw_link",
)  # fmt: skip

DEFINITIONS = load({"device": "cpu"}).registry.definitions


@pytest.mark.parametrize("name", sorted(set(SIGNATURES) & set(DEFINITIONS)))
def test_a_node_takes_and_gives_what_comfyuis_does(name: str) -> None:
    assert facts(signature(DEFINITIONS[name])) == facts(SIGNATURES[name])


def test_every_node_is_comfyuis_or_known_as_ours() -> None:
    lacked = set(DEFINITIONS) - set(SIGNATURES)
    assert lacked == OURS, (
        f"put into OURS, or give ComfyUI's name: {sorted(lacked - OURS)}; take out: {sorted(OURS - lacked)}"
    )


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_node_says_what_it_is_for(name: str) -> None:
    assert DEFINITIONS[name].description
    assert DEFINITIONS[name].category


def test_the_environment_says_what_pixels_depend_on() -> None:
    environment = load({"device": "cpu", "dtype": "auto", "threads": None}).environment
    assert environment["device"] == "cpu"
    assert environment["dtype"] == "float32"
    assert environment["threads"] >= 1
    assert environment["torch"]


def signature(definition: NodeDefinition) -> dict[str, Any]:
    """Describe a definition in the form of the file."""
    outputs = [[output.name, output.type, *(["list"] * output.is_list)] for output in definition.outputs]
    return {
        "category": definition.category,
        "inputs": {entry.name: described(entry) for entry in definition.inputs},
        "outputs": outputs,
        "is_output": definition.is_output,
        "takes_lists": definition.takes_lists,
    }


def described(entry: InputDefinition) -> dict[str, Any]:
    known = {name: getattr(entry, name) for name in FIELDS}
    choices = list(entry.choices) if entry.choices else None
    return {**known, "choices": choices, "is_optional": not entry.is_required}


def facts(signature: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a signature: ``cfg.default`` → 8.0; what is not said, or means nothing, is left out."""
    found = {key: signature.get(key) for key in ("category", "outputs", "is_output", "takes_lists")}
    found["order"] = list(signature["inputs"])  # widgets are stored in order
    for name, entry in signature["inputs"].items():
        if entry.get("choices") and entry.get("default") is None:
            entry = {**entry, "default": entry["choices"][0]}  # what a panel shows first
        if entry["type"] == "INT" and entry.get("step") is None:
            entry = {**entry, "step": 1}
        found |= {f"{name}.{field}": value for field, value in entry.items()}
    return {
        key: value for key, value in found.items() if value is not None and value is not False and value != ""
    }
