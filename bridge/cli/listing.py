"""``framebridge nodes`` and ``framebridge models``: what there is to work with."""

import asyncio
import json
from pathlib import Path

from rich.table import Table

from bridge.builtin import absent_nodes, model_words
from bridge.cli.console import Console
from bridge.cli.local import node_definitions
from bridge.cli.reference import nodes_page
from bridge.daemon import Settings
from bridge.errors import BridgeError
from bridge.graph import Definitions, InputDefinition, NodeDefinition, Suggestions
from bridge.models import FOLDERS


def nodes(name: str, as_json: bool, as_markdown: bool) -> None:
    """Print all nodes by category, or one with its inputs and outputs, or docs/nodes.md.

    Raises:
        BridgeError: ``unknown_node``.
    """
    definitions = asyncio.run(node_definitions())
    if name and name not in definitions:
        hint = Suggestions().did_you_mean(name, definitions) or "framebridge nodes lists them all."
        raise BridgeError(f'there is no node "{name}"', code="unknown_node", hint=hint)
    if as_markdown:
        print(nodes_page(definitions, absent_nodes()), end="")
        return
    shown = {name: definitions[name]} if name else definitions
    if as_json:
        print(json.dumps({key: entry.to_json() for key, entry in shown.items()}, indent=2))
    elif name:
        _print_node(definitions[name])
    else:
        _print_nodes(definitions)


def models(folders: list[Path], as_json: bool) -> None:
    """Print every model found, by folder."""
    catalogue = Settings(models=folders).catalogue
    roots = [folder.path for folder in catalogue.folders]
    found = {
        folder: {name: str(catalogue.find(folder, name)) for name in names}
        for folder in FOLDERS
        if (names := catalogue.names(folder))
    }
    if as_json:
        listed = {"roots": [str(root) for root in roots], "models": found, "words": model_words()}
        print(json.dumps(listed, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for folder, files in found.items():
        console.print(folder, style="bold")
        for name, file in files.items():
            console.print(f"  {name}  ({file})", markup=False)
    console.print("what framebridge-demo knows", style="bold")
    for kind, words in model_words().items():
        console.print(f"  {kind}: {', '.join(words)}", markup=False)
    console.print("looked in: " + ", ".join(str(root) for root in roots), style="dim", markup=False)


def _print_nodes(definitions: Definitions) -> None:
    table = Table("node", "category", "what it does", box=None, padding=(0, 2, 0, 0))
    for entry in sorted(definitions.values(), key=lambda entry: (entry.category, entry.name)):
        table.add_row(entry.name, entry.category, entry.description)
    Console(highlight=False).print(table)


def _print_node(entry: NodeDefinition) -> None:
    console = Console(highlight=False)
    console.print(entry.name, style="bold")
    console.print(entry.description, markup=False)
    table = Table("input", "type", "default", "values", "", box=None, padding=(0, 2, 0, 0))
    for item in entry.inputs:
        default = "" if item.default is None else json.dumps(item.default)
        table.add_row(item.name, item.type, default, _values(item), item.tooltip)
    console.print(table)
    console.print(
        "outputs: " + (", ".join(f"{out.name} {out.type}" for out in entry.outputs) or "none"), markup=False
    )


def _values(item: InputDefinition) -> str:
    if item.choices:
        return ", ".join(item.choices)
    if item.choices_from:
        return f"a file in {item.choices_from}"
    if item.minimum is None and item.maximum is None:
        return "" if item.is_required else "optional"
    return f"{item.minimum} … {item.maximum}"
