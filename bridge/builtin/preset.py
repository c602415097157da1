"""Presets: a workflow and the few controls that a panel shows. A file in ``presets/`` is a preset."""

import copy
import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.builtin.control import Control, ModelNames, find_fault, read_control
from bridge.builtin.unit import Unit, bypass, check_unit
from bridge.errors import BridgeError, Problem, WorkflowError

PRESETS = Path(__file__).parent / "presets"

FIRST = "stylize"
"""What names of presets begin with that are listed before the others."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A workflow with controls.

    Args:
        name: What programs call it: the file's name without suffix.
        title: What people call it.
        description: One sentence.
        workflow: ComfyUI API JSON.
        controls: In the order of the panel.
        units: The ControlNets among them, in the order of the panel.
        titles: Node id → what people call the node, for messages about its progress.
        digest: Tells this version of the preset from others.
    """

    name: str
    title: str
    description: str
    workflow: Mapping[str, Any]
    controls: tuple[Control, ...]
    units: tuple[Unit, ...]
    titles: Mapping[str, str]
    digest: str

    @property
    def loaders(self) -> list[str]:
        """Ids of the nodes whose progress is that of reading a model."""
        return [node_id for node_id, node in self.workflow.items() if "Loader" in node["class_type"]]

    def to_json(self, models: ModelNames) -> dict[str, Any]:
        """Return what a host needs to build its panel, as JSON data.

        Args:
            models: Lists the models that can be chosen now.
        """
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "digest": self.digest,
            "controls": [control.to_json(models) for control in self.controls],
            "units": [asdict(unit) for unit in self.units],
            "titles": dict(self.titles),
            "loaders": self.loaders,
            "workflow": dict(self.workflow),
        }


def preset_names(folders: Sequence[Path] = ()) -> list[str]:
    """List the presets, ours first; one of a user's folder replaces ours of the same name.

    Args:
        folders: The user's own; each holds ``NAME.json``.
    """
    return list(_files(folders))


def load_preset(name: str, folders: Sequence[Path] = ()) -> Preset:
    """Return the preset of that name; letter case does not matter.

    Args:
        name: One of ``preset_names``.
        folders: As there.

    Raises:
        BridgeError: ``unknown_preset``, or ``bad_preset`` where its file cannot be read.
    """
    files = _files(folders)
    if name.lower() not in files:
        nearest = difflib.get_close_matches(name.lower(), files, n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are: {', '.join(files)}."
        raise BridgeError(f"there is no preset {name[:80]!r}", code="unknown_preset", hint=hint)
    return _read(files[name.lower()])


def expand(preset: Preset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preset's workflow with the values of its controls in place.

    Links go past the ControlNets of units whose weight is 0, so that nothing needs those.

    Args:
        preset: Stays as it is.
        values: Control name → value; controls left out have their default.

    Returns:
        ComfyUI API JSON.

    Raises:
        WorkflowError: ``unknown_control``, ``bad_value``, ``out_of_range`` or ``not_in_list``, one
            problem for each fault, with the control as ``input_name``.
    """
    controls = {control.name: control for control in preset.controls}
    problems = [_unknown(preset, name) for name in values if name not in controls]
    workflow: dict[str, Any] = copy.deepcopy(dict(preset.workflow))
    for control in preset.controls:
        value = values.get(control.name, control.default)
        if problem := find_fault(control, value):
            problems.append(problem)
        elif control.type in ("integer", "number"):
            value = int(value) if control.type == "integer" else float(value)
        for node, name in control.targets:
            workflow[node]["inputs"][name] = value
    if problems:
        raise WorkflowError(problems)
    for weight in (controls[unit.weight] for unit in preset.units):
        if workflow[weight.node]["inputs"][weight.input] == 0:
            bypass(workflow, weight.node)
    return workflow


def expand_preset(name: str, values: Mapping[str, Any], folders: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the workflow of a preset by name; see ``load_preset`` and ``expand``."""
    return expand(load_preset(name, folders), values)


def save_pictures_too(workflow: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a copy of a workflow that also saves, as PNG, whatever it sends to the host.

    Args:
        workflow: ComfyUI API JSON.
        prefix: As ``SaveImage`` takes it.
    """
    saved = copy.deepcopy(dict(workflow))
    sends = [node for node in workflow.values() if node.get("class_type") == "SendToHost"]
    for count, node in enumerate(sends, start=1):
        inputs = {"images": node["inputs"]["images"], "filename_prefix": prefix}
        saved[f"save{count}"] = {
            "class_type": "SaveImage",
            "inputs": inputs,
            "_meta": {"title": "Save"},
        }
    return saved


def _files(folders: Sequence[Path]) -> dict[str, Path]:
    ours = sorted(PRESETS.glob("*.json"), key=lambda file: (not _name(file).startswith(FIRST), _name(file)))
    theirs = (file for folder in folders for file in sorted(folder.glob("*.json"), key=_name))
    return {_name(file): file for file in (*ours, *theirs)}


def _name(file: Path) -> str:
    return file.stem.lower()


def _read(file: Path) -> Preset:
    try:
        data = json.loads(file.read_text("utf-8"))
        preset = Preset(
            name=_name(file),
            title=data["title"],
            description=data.get("description", ""),
            workflow=data["workflow"],
            controls=tuple(read_control(entry) for entry in data["controls"]),
            units=tuple(Unit(**entry) for entry in data.get("units", ())),
            titles=_titles(data["workflow"]),
            digest=_digest(data),
        )
        _check(preset)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BridgeError(
            f"preset {file.stem!r} cannot be read: {error}", code="bad_preset", hint=f"See {file}."
        ) from error
    return preset


def _check(preset: Preset) -> None:
    for node_id, node in preset.workflow.items():
        if not isinstance(node.get("inputs"), dict):
            raise ValueError(f"node {node_id} has no inputs")
    for control in preset.controls:
        for node, name in control.targets:
            if name not in preset.workflow[node]["inputs"]:
                raise ValueError(f"control {control.name!r} sets {node}.{name}, which is not there")
        if problem := find_fault(control, control.default):
            raise ValueError(f"the default of control {control.name!r}: {problem.message}")
    controls = {control.name: control for control in preset.controls}
    for unit in preset.units:
        check_unit(unit, controls, preset.workflow)


def _titles(workflow: Mapping[str, Any]) -> dict[str, str]:
    return {
        node_id: str(node.get("_meta", {}).get("title") or node["class_type"])
        for node_id, node in workflow.items()
    }


def _digest(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _unknown(preset: Preset, name: str) -> Problem:
    known = [control.name for control in preset.controls]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"It has: {', '.join(known)}."
    return Problem(
        "unknown_control", f"preset {preset.title!r} has no control {name[:80]!r}", hint, input_name=name[:80]
    )
