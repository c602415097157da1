"""Presets: a workflow and the few controls that a panel shows. A file in ``presets/`` is a preset."""

import copy
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.builtin.control import Control, find_fault, read_control
from bridge.errors import BridgeError, Problem, WorkflowError

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, slots=True)
class Preset:
    """A workflow with controls.

    Args:
        name: What programs call it: the file's name without suffix.
        title: What people call it.
        description: One sentence.
        workflow: ComfyUI API JSON.
        controls: In the order of the panel.
    """

    name: str
    title: str
    description: str
    workflow: Mapping[str, Any]
    controls: tuple[Control, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what a host needs to build its panel, as JSON data; without the workflow."""
        controls = [
            {key: value for key, value in asdict(control).items() if value not in (None, ())}
            for control in self.controls
        ]
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "controls": controls,
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
        workflow[control.node]["inputs"][control.input] = value
    if problems:
        raise WorkflowError(problems)
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
    return {
        file.stem.lower(): file for folder in (PRESETS, *folders) for file in sorted(folder.glob("*.json"))
    }


def _read(file: Path) -> Preset:
    try:
        data = json.loads(file.read_text("utf-8"))
        preset = Preset(
            name=file.stem.lower(),
            title=data["title"],
            description=data.get("description", ""),
            workflow=data["workflow"],
            controls=tuple(read_control(entry) for entry in data["controls"]),
        )
        _check(preset)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BridgeError(
            f"preset {file.stem!r} cannot be read: {error}", code="bad_preset", hint=f"See {file}."
        ) from error
    return preset


def _check(preset: Preset) -> None:
    for control in preset.controls:
        if control.input not in preset.workflow[control.node]["inputs"]:
            raise ValueError(
                f"control {control.name!r} sets {control.node}.{control.input}, which is not there"
            )
        if problem := find_fault(control, control.default):
            raise ValueError(f"the default of control {control.name!r}: {problem.message}")


def _unknown(preset: Preset, name: str) -> Problem:
    known = [control.name for control in preset.controls]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"It has: {', '.join(known)}."
    return Problem(
        "unknown_control", f"preset {preset.title!r} has no control {name[:80]!r}", hint, input_name=name[:80]
    )
