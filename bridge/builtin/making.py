"""A preset from any workflow: the inputs to show, and what of the host takes the place of loaded pictures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.builtin.control import find_fault, read_control
from bridge.errors import InputError, Problem, WorkflowError
from bridge.graph import PICTURE_FOLDERS, Definitions, InputDefinition, Link, Workflow, WorkflowNode
from bridge.prompts import prompt_inputs

PLANES = ("color", "depth", "canny", "normal", "mask", "edges", "reference")
"""What a host sends in a loaded picture's place; of the last, a picture that the artist chooses."""

_ROLES = {"seed": "seed", "noise_seed": "seed", "steps": "steps", "cfg": "guidance", "denoise": "strength"}
"""Inputs of samplers and what they are called in presets, so that hosts know them."""

_KINDS_OF_MODELS = {"lora_name": "LoRA", "control_net_name": "ControlNet", "vae_name": "VAE"}
"""Inputs that name a model, and what people call it."""

_TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "text", "BOOLEAN": "boolean"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An input that a panel is to show.

    Args:
        place: ``node.input``.
        name: In ``values``; one of the names that hosts know, where it is one of them.
        label: For people.
        also: Places that get the same value.
    """

    place: str
    name: str
    label: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What of a workflow could be shown, and what a host could feed.

    Args:
        inputs: Place → what people would call it, for every input that holds a value.
        suggested: What most people would show, in the order of a panel.
        pictures: Id → title of the nodes that load a picture.
    """

    inputs: Mapping[str, str]
    suggested: Sequence[Shown]
    pictures: Mapping[str, str]


def offer_of(workflow: Workflow, definitions: Definitions) -> Offer:
    """Say what of a workflow a preset could show.

    Args:
        workflow: Of known nodes.
        definitions: Of these.

    Raises:
        WorkflowError: ``unknown_node``.
    """
    _check_nodes(workflow, definitions)
    places = {
        f"{node.id}.{entry.name}": _label(node, entry.name, definitions)
        for node, entry in _widgets(workflow, definitions)
    }
    pictures = {node.id: _title(node, definitions) for node in _loaders(workflow, definitions)}
    return Offer(places, tuple(_suggested(workflow, definitions)), pictures)


def chosen(place: str, label: str, suggested: Sequence[Shown]) -> Shown:
    """Return what an artist chose to show; what is among the suggestions keeps the name that hosts know.

    Args:
        place: ``node.input``.
        label: For people; may be empty.
        suggested: Of the workflow's offer.
    """
    known = next((each for each in suggested if place in (each.place, *each.also)), None)
    if known is None:
        return Shown(place, place.replace(".", "_"), label)
    return replace(known, label=label or known.label)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a preset is to be made of.

    Args:
        title: For people.
        workflow: Of known nodes.
        shown: What the panel shows, in its order.
        feeds: Id of a node that loads a picture → which of ``PLANES`` takes its place.
        description: One sentence.
    """

    title: str
    workflow: Workflow
    shown: Sequence[Shown]
    feeds: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def make_preset(draft: Draft, definitions: Definitions) -> dict[str, Any]:
    """Return the data of a preset's file.

    What the workflow saves or previews is sent to the host instead. Sizes of empty latents, and of what the
    host sends, become the controls ``width`` and ``height``, which hosts set to what they capture.

    Raises:
        InputError: ``bad_show`` or ``bad_feed`` if a name leads nowhere.
        WorkflowError: ``unknown_node``, or what is wrong with a value that is shown.
    """
    _check_nodes(draft.workflow, definitions)
    if not draft.title.strip():
        raise InputError("a preset needs a title", code="bad_title", hint="Say what it does, in a few words.")
    controls = [_control(shown, draft.workflow, definitions) for shown in draft.shown]
    workflow = draft.workflow.to_json()
    for control in controls:
        for node_id, name in ((control["node"], control["input"]), *control.get("also", ())):
            workflow[node_id]["inputs"].setdefault(name, control["default"])
    _feed(workflow, draft, definitions)
    _send(workflow)
    known = {control["name"] for control in controls}
    controls += [control for control in _sizes(workflow, definitions) if control["name"] not in known]
    pictures = [{"name": "reference", "label": "Reference"}] if "reference" in draft.feeds.values() else []
    return {
        "title": draft.title.strip(),
        "description": draft.description.strip(),
        "controls": controls,
        **({"pictures": pictures} if pictures else {}),
        "workflow": workflow,
    }


def name_of(title: str) -> str:
    """Return the name of a preset's file: its title in small letters, without what file names cannot hold.

    Raises:
        InputError: ``bad_title`` if nothing is left.
    """
    name = re.sub(r"[^\w]+", "-", title.lower()).strip("-_")[:60]
    if not name:
        raise InputError(f"{title[:40]!r} has no letters", code="bad_title", hint="Choose another title.")
    return name


def _check_nodes(workflow: Workflow, definitions: Definitions) -> None:
    problems = [
        Problem(
            "unknown_node",
            f'there is no node class "{node.class_type}"',
            "See framebridge nodes for those that there are.",
            node.id,
        )
        for node in workflow.nodes.values()
        if node.class_type not in definitions
    ]
    if problems:
        raise WorkflowError(problems)


def _widgets(workflow: Workflow, definitions: Definitions) -> Iterator[tuple[WorkflowNode, InputDefinition]]:
    """Yield every input that holds a value, with its node."""
    for node in workflow.nodes.values():
        for entry in definitions[node.class_type].inputs:
            if entry.is_widget and not isinstance(node.inputs.get(entry.name, entry.default), Link | None):
                yield node, entry


def _suggested(workflow: Workflow, definitions: Definitions) -> Iterator[Shown]:
    places: dict[str, list[str]] = {}
    for name, side in (("prompt", "positive"), ("negative_prompt", "negative")):
        try:
            places[name] = list(prompt_inputs(workflow, definitions, side))
        except InputError:
            continue  # none, or several: the artist chooses
    for node, entry in _widgets(workflow, definitions):
        if role := _ROLES.get(entry.name):
            places.setdefault(role, []).append(f"{node.id}.{entry.name}")
        elif entry.choices_from and entry.choices_from not in PICTURE_FOLDERS:
            name = "checkpoint" if entry.choices_from == "checkpoints" else entry.name
            places.setdefault(_unused(name, places), []).append(f"{node.id}.{entry.name}")
    for name, (place, *also) in places.items():
        label = _KINDS_OF_MODELS.get(name, name.replace("_", " ").capitalize())
        yield Shown(place, name, label, tuple(also))


def _control(shown: Shown, workflow: Workflow, definitions: Definitions) -> dict[str, Any]:
    node, entry = _find(shown.place, workflow, definitions)
    also = [_find(place, workflow, definitions) for place in shown.also]
    control: dict[str, Any] = {
        "name": shown.name,
        "label": shown.label or _label(node, entry.name, definitions),
        "node": node.id,
        "input": entry.name,
        "default": node.inputs.get(entry.name, entry.default),
        **_kind(entry),
    }
    if also:
        control["also"] = [[other.id, same.name] for other, same in also]
    if entry.tooltip:
        control["help"] = entry.tooltip
    if problem := find_fault(read_control(control), control["default"]):
        raise WorkflowError([problem])
    return control


def _kind(entry: InputDefinition) -> dict[str, Any]:
    if entry.choices is not None:
        return {"type": "choice", "choices": list(entry.choices)}
    if entry.choices_from in PICTURE_FOLDERS:
        return {"type": "text"}
    if entry.choices_from:
        return {"type": "model", "folder": entry.choices_from}
    bounds = {"minimum": entry.minimum, "maximum": entry.maximum, "step": entry.step}
    return {"type": _TYPES[entry.type], **{key: value for key, value in bounds.items() if value is not None}}


def _feed(workflow: dict[str, Any], draft: Draft, definitions: Definitions) -> None:
    """Lead the links to loaded pictures to what a host sends."""
    loaders = {node.id for node in _loaders(draft.workflow, definitions)}
    for node_id, plane in draft.feeds.items():
        if node_id not in loaders or plane not in PLANES:
            raise InputError(
                f"{node_id}={plane} leads nowhere",
                code="bad_feed",
                hint=f"Pictures are loaded by: {', '.join(loaders) or 'none'}; planes: {', '.join(PLANES)}.",
            )
        picture = ["framebridge_reference", 0] if plane == "reference" else _outlet(plane)
        for node in workflow.values():
            for name, value in node["inputs"].items():
                if value == [node_id, 0]:
                    node["inputs"][name] = list(picture)
                elif value == [node_id, 1]:
                    node["inputs"][name] = _outlet("mask")
        del workflow[node_id]
    needed = {value[0] for node in workflow.values() for value in node["inputs"].values() if _is_link(value)}
    workflow.update({node_id: node for node_id, node in _HOST_NODES.items() if node_id in needed})


def _outlet(plane: str) -> list[Any]:
    if plane == "edges":
        return ["framebridge_edges", 0]
    return ["framebridge_viewport", PLANES.index(plane)]


_HOST_NODES: Mapping[str, Mapping[str, Any]] = {
    "framebridge_viewport": {
        "class_type": "ViewportFrame",
        "inputs": {
            "width": 0, "height": 0, "canny_source": "colour", "canny_low": 40, "canny_high": 100,
            "depth_near": 0.0, "depth_far": 0.0,
        },
        "_meta": {"title": "Viewport"},
    },
    "framebridge_edges": {
        "class_type": "ViewportEdges",
        "inputs": {"width": 0, "height": 0},
        "_meta": {"title": "Geometry edges"},
    },
    "framebridge_reference": {
        "class_type": "HostPicture",
        "inputs": {"name": "reference", "width": 0, "height": 0},
        "_meta": {"title": "Reference"},
    },
}  # fmt: skip


def _send(workflow: dict[str, Any]) -> None:
    """Have what shows or saves pictures hand them to the host."""
    for node in workflow.values():
        if node["class_type"] in ("SaveImage", "PreviewImage"):
            node["class_type"], node["inputs"] = "SendToHost", {"images": node["inputs"]["images"]}
            node["_meta"] = {"title": "To the host"}


def _sizes(workflow: Mapping[str, Any], definitions: Definitions) -> Iterator[dict[str, Any]]:
    """Yield the controls of the sides of what the host sends, and of latents that begin empty."""
    for side in ("width", "height"):
        places = [
            [node_id, side]
            for node_id, node in workflow.items()
            if _has_size_of_view(node, definitions) and not _is_link(node["inputs"].get(side))
        ]
        if places:
            node_id, _ = places[0]
            default = workflow[node_id]["inputs"][side]
            yield {"name": side, "node": node_id, "default": default, "also": places[1:]}


def _has_size_of_view(node: Mapping[str, Any], definitions: Definitions) -> bool:
    kind = node["class_type"]
    outputs = [output.type for output in definitions[kind].outputs] if kind in definitions else []
    is_empty_latent = outputs == ["LATENT"] and not any(_is_link(value) for value in node["inputs"].values())
    is_view = kind in ("ViewportFrame", "ViewportEdges")
    return (is_empty_latent or is_view) and {"width", "height"} <= node["inputs"].keys()


def _loaders(workflow: Workflow, definitions: Definitions) -> list[WorkflowNode]:
    return [
        node
        for node in workflow.nodes.values()
        if any(entry.choices_from in PICTURE_FOLDERS for entry in definitions[node.class_type].inputs)
    ]


def _find(place: str, workflow: Workflow, definitions: Definitions) -> tuple[WorkflowNode, InputDefinition]:
    for node, entry in _widgets(workflow, definitions):
        if f"{node.id}.{entry.name}" == place:
            return node, entry
    raise InputError(
        f"{place[:80]!r} is no input of this workflow that holds a value",
        code="bad_show",
        hint="Name it as node.input: 3.seed.",
    )


def _label(node: WorkflowNode, name: str, definitions: Definitions) -> str:
    return f"{_title(node, definitions)}: {name.replace('_', ' ')}"


def _title(node: WorkflowNode, definitions: Definitions) -> str:
    return node.title or definitions[node.class_type].display_name or node.class_type


def _unused(name: str, places: Mapping[str, Any]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(places) + 3))
    return next(each for each in (name, *numbered) if each not in places)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
