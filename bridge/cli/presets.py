"""``framebridge presets``: what hosts offer, and presets of one's own."""

import asyncio
import json
from functools import cache
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from bridge.builtin import (
    Control,
    Draft,
    all_presets,
    chosen,
    load_preset,
    make_preset,
    name_of,
    offer_of,
    remove_preset,
    save_preset,
)
from bridge.cli.console import Console
from bridge.cli.local import node_definitions
from bridge.cli.source import read_source
from bridge.daemon import Settings
from bridge.errors import InputError
from bridge.graph import parse_workflow


def show_all(models: list[Path], as_json: bool) -> None:
    """Print every preset, and what is wrong with each file of the user's that holds none."""
    settings = Settings(models=models)
    names = cache(settings.catalogue.names)  # many presets want the same kinds of models
    found, faults = all_presets(settings.preset_folders)
    if as_json:
        listed = [preset.to_json(names) for preset in found.values()]
        problems = [fault.problem.to_json() for fault in faults]
        print(json.dumps({"presets": listed, "faults": problems}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    base = ""
    for preset in found.values():
        if preset.base != base:
            console.print(f"[bold]{escape(preset.title)}[/]  {escape(preset.description)}")
        base = preset.base
        lacks = len(list(preset.lacks(names)))
        needs = f"lacks {lacks} model{'s' if lacks > 1 else ''}" if lacks else ""
        console.print(f"  {preset.name:24}{preset.models:24}[yellow]{needs}[/]")
    for fault in faults:
        Console(stderr=True, highlight=False).print(f"warning: {fault.problem}", style="yellow", markup=False)


def show(name: str, models: list[Path], as_json: bool) -> None:
    """Print one preset with its controls.

    Raises:
        BridgeError: ``unknown_preset``, ``bad_preset``.
    """
    settings = Settings(models=models)
    names = settings.catalogue.names
    preset = load_preset(name, settings.preset_folders)
    if as_json:
        print(json.dumps(preset.to_json(names), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(preset.title, style="bold", markup=False)
    console.print(preset.description, markup=False)
    table = Table("control", "default", "values", "", box=None, padding=(0, 2, 0, 0))
    for control in preset.controls:
        table.add_row(control.name, json.dumps(control.default), _values(control), control.help)
    console.print(table)
    for picture in preset.pictures:
        console.print(f"picture {picture.name}: {picture.help or picture.label}", markup=False)
    for folder, model in preset.lacks(names):
        console.print(f"lacks {folder}/{model}", style="yellow", markup=False)


def save(
    path: Path, title: str, description: str, shown: list[str], feeds: list[str], replaces: bool
) -> None:
    """Make a preset of a workflow and say where it lies.

    Raises:
        BridgeError: What is wrong with the workflow, or with what is to be shown of it.
    """
    name, fed = name_of(title), dict(_feed(text) for text in feeds)
    source = read_source(path)
    definitions = asyncio.run(node_definitions())
    workflow = parse_workflow(source.converted(definitions).workflow)
    suggested = offer_of(workflow, definitions).suggested
    places = (text.partition("=") for text in shown)
    wanted = [chosen(place, label, suggested) for place, _, label in places] or suggested
    draft = Draft(title, workflow, wanted, fed, description)
    (folder,) = Settings().preset_folders
    preset = save_preset(folder, name, make_preset(draft, definitions), replaces)
    print(folder / f"{preset.name}.json")


def remove(name: str) -> None:
    """Take a preset of the user's away.

    Raises:
        BridgeError: ``unknown_preset``.
    """
    (folder,) = Settings().preset_folders
    remove_preset(folder, name)


def _feed(text: str) -> tuple[str, str]:
    node, separator, plane = text.partition("=")
    if not separator:
        raise InputError(f"{text!r} is not NODE=PLANE", code="bad_feed", hint="For example: --feed 12=depth.")
    return node, plane


def _values(control: Control) -> str:
    if control.folder:
        return f"a model of {control.folder}"
    if control.type == "choice":
        return ", ".join(control.choices)
    if control.minimum is None and control.maximum is None:
        return control.type
    return f"{control.minimum} … {control.maximum}"
