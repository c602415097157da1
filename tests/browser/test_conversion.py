"""Our reading of a drawing against the editor's own: what it would send is what we run.

A few templates; all that have no unknown node with ``--full-drills``.
"""

import json
from pathlib import Path
from typing import Any

import comfyui_workflow_templates_json
import pytest

from bridge.graph import Definitions, NodeDefinition, read_drawing

from .chromium import Page
from .conftest import Served

TEMPLATES = Path(comfyui_workflow_templates_json.__file__).parent / "templates"
FEW = (
    "basic_mask_operations_and_compositing",
    "flux_kontext_dev_basic",
    "image_qwen_image_instantx_inpainting_controlnet",
    "sdxl_simple_example",
)
"""Many nodes, primitives, subgraphs, bypassed nodes."""

NOTES = {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}


@pytest.fixture(scope="module")
def editor(served: Served, page: Page) -> Page:
    page.open(served.entrance())
    page.until("!!(window.app?.graph && document.querySelector('canvas'))")
    return page


@pytest.fixture(scope="module")
def definitions(served: Served) -> Definitions:
    told = json.loads((served.home / "definitions.json").read_text())["definitions"]
    return {name: NodeDefinition.from_json(entry) for name, entry in told.items()}


def drawings(definitions: Definitions) -> dict[str, Any]:
    """Return the templates of whose nodes none is unknown here."""
    found = {}
    for file in sorted(TEMPLATES.glob("*.json")):
        drawing = json.loads(file.read_text())
        if isinstance(drawing, dict) and "nodes" in drawing:
            graphs = [drawing, *drawing.get("definitions", {}).get("subgraphs", ())]
            kinds = {node["type"] for graph in graphs for node in graph["nodes"]}
            known = {*definitions, *NOTES, *(graph.get("id") for graph in graphs)}
            if kinds <= known:
                found[file.stem] = drawing
    return found


def test_templates_mean_the_same_to_the_editor_and_to_us(
    editor: Page, definitions: Definitions, request: pytest.FixtureRequest
) -> None:
    known = drawings(definitions)
    judged = known if request.config.getoption("--full-drills") else {name: known[name] for name in FEW}
    differing = {}
    for name, drawing in judged.items():
        editor.js(f"""(async () => {{
            window.converted = null;
            await app.loadGraphData({json.dumps(drawing)});
            window.converted = await app.graphToPrompt();
        }})()""")
        editor.until("!!window.converted")
        theirs = json.loads(editor.js("JSON.stringify(converted.output)"))
        ours = read_drawing(json.loads(editor.js("JSON.stringify(converted.workflow)")), definitions)
        if plain(ours) != plain(theirs):
            differing[name] = differences(plain(ours), plain(theirs))
    assert not differing, json.dumps(differing, indent=1)[:6000]


def plain(workflow: dict[str, Any]) -> dict[str, Any]:
    return {key: {**node["inputs"], "": node["class_type"]} for key, node in workflow.items()}


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[Any]:
    found: list[Any] = [["nodes", sorted(set(ours) ^ set(theirs))]] if set(ours) != set(theirs) else []
    for key in set(ours) & set(theirs):
        for name in {*ours[key], *theirs[key]}:
            mine, other = ours[key].get(name, "—"), theirs[key].get(name, "—")
            if mine != other:
                found.append([key, theirs[key][""], name, mine, other])
    return found
