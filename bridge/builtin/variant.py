"""Variants: one file of a preset may serve several model families, which differ in a few values.

The file's workflow is the fullest one. A variant names what is different: defaults and other fields of
``controls``, ``inputs`` of nodes, the units it is ``without``, and the controls whose values are ``fixed``.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bridge.builtin.links import bypass, ends_of, needed_by

_STANDARD = Path(__file__).parent / "standard.json"


@cache
def standard() -> Mapping[str, Any]:
    """Return what is alike in most presets: ``order``, and by name ``controls`` and ``units``."""
    data: Mapping[str, Any] = json.loads(_STANDARD.read_text("utf-8"))
    return data


def variants_of(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is added to the preset's name, and the whole data of a preset, for every variant.

    Args:
        data: What a preset's file holds.

    Raises:
        KeyError: If a variant changes what is not there; ``TypeError``, ``AttributeError`` or
            ``ValueError`` for data of another shape.
    """
    whole = {key: value for key, value in data.items() if key != "variants"}
    whole["controls"] = [_with_standard("controls", "type", entry) for entry in data["controls"]]
    whole["units"] = [_with_standard("units", "map", entry) for entry in data.get("units", ())]
    for variant in data.get("variants", ({"name": ""},)):
        yield variant["name"] and f"-{variant['name']}", _changed(copy.deepcopy(whole), variant)


def _with_standard(kind: str, mark: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Complete an entry that leaves out what marks a whole one by what is usual for its name."""
    return dict(entry) if mark in entry else {**standard()[kind].get(entry["name"], {}), **entry}


def _changed(data: dict[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset's data as a variant wants it."""
    controls = {control["name"]: control for control in data["controls"]}
    for name, changes in variant.get("controls", {}).items():
        controls[name].update(changes)
    for node, inputs in variant.get("inputs", {}).items():
        data["workflow"][node]["inputs"].update(inputs)
    for name in variant.get("without", ()):
        _take_out(data, name)
    data["controls"] = [entry for entry in data["controls"] if entry["name"] not in variant.get("fixed", ())]
    if "title" in variant:
        data["models"] = variant["title"]
        if variant["name"]:
            data["title"] = f"{data['title']} ({variant['title']})"
    return data


def _take_out(data: dict[str, Any], unit_name: str) -> None:
    """Remove a unit, its controls, and the nodes that only it needs."""
    unit = {unit["name"]: unit for unit in data["units"]}[unit_name]
    weight = {control["name"]: control for control in data["controls"]}[unit["weight"]]
    workflow = data["workflow"]
    ends = ends_of(workflow)
    bypass(workflow, weight["node"])
    kept = needed_by(workflow, ends)
    data["workflow"] = {node_id: node for node_id, node in workflow.items() if node_id in kept}
    data["units"].remove(unit)
    data["controls"] = [control for control in data["controls"] if control["node"] in kept]
    for control in data["controls"]:
        if "also" in control:
            control["also"] = [target for target in control["also"] if target[0] in kept]
