"""Presets: a workflow and the few controls that a panel shows."""

import base64
import copy
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.builtin.control import Control, ModelNames, find_fault
from bridge.builtin.links import bypass, ends_of, needed_by
from bridge.builtin.unit import Unit
from bridge.errors import Problem, WorkflowError


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that the artist chooses, and a host sends along with the frame.

    Args:
        name: Of the plane: ``reference``, or ``reference_…``.
        label: For people.
        help: One or two sentences for a tooltip.
    """

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A workflow with controls.

    Args:
        name: What programs call it.
        title: What people call it.
        description: One sentence.
        workflow: ComfyUI API JSON.
        controls: In the order of the panel.
        units: The ControlNets among them, in the order of the panel.
        titles: Node id → what people call the node, for messages about its progress.
        digest: Tells this version of the preset from others.
        base: What it is a variant of: the name of its file.
        models: For which models the variant is, for people; empty where there is one variant only.
        source: What a host captures for it: ``cameras`` for every camera of the scene side by side,
            ``result`` for a result, to go on with it, ``around`` for the view of a result, widened; empty
            for whatever the artist chose.
        pictures: What the artist chooses besides.
        icon: A picture of what it does, PNG; its variants have none of their own.
    """

    name: str
    title: str
    description: str
    workflow: Mapping[str, Any]
    controls: tuple[Control, ...]
    units: tuple[Unit, ...]
    titles: Mapping[str, str]
    digest: str
    base: str
    models: str = ""
    source: str = ""
    pictures: tuple[Picture, ...] = ()
    icon: Path | None = None

    @property
    def loaders(self) -> list[str]:
        """Ids of the nodes whose progress is that of reading a model."""
        return [node_id for node_id, node in self.workflow.items() if "Loader" in node["class_type"]]

    def lacks(self, models: ModelNames) -> Iterator[tuple[str, str]]:
        """Yield kind and name of the models that it needs as it comes, and that are not there.

        Args:
            models: Lists the models that can be chosen now.
        """
        workflow = expand(self, {})
        needed = needed_by(workflow, ends_of(self.workflow))
        for control in self.controls:
            if control.folder and control.node in needed and control.default not in models(control.folder):
                yield control.folder, control.default

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
            "base": self.base,
            "models": self.models,
            "source": self.source,
            "pictures": [asdict(picture) for picture in self.pictures],
            "lacks": [{"folder": folder, "name": name} for folder, name in self.lacks(models)],
            "icon": base64.b64encode(self.icon.read_bytes()).decode() if self.icon else "",
        }


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


def _unknown(preset: Preset, name: str) -> Problem:
    known = [control.name for control in preset.controls]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"It has: {', '.join(known)}."
    return Problem(
        "unknown_control", f"preset {preset.title!r} has no control {name[:80]!r}", hint, input_name=name[:80]
    )
