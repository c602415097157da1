"""What the daemon says about its presets, checked as anything from outside is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import BridgeError

CONTROL_TYPES = ("text", "integer", "number", "choice", "boolean", "model")

FIXED_TYPES = {
    "prompt": "text", "negative_prompt": "text", "seed": "integer", "steps": "integer", "strength": "number",
    "objects": "text", "selection": "text",
}  # fmt: skip
"""Controls that a panel treats specially, and must know."""

FROM_CAPTURE = frozenset({"width", "height"})
"""Controls that a panel does not show: the capture has their answer."""

OBJECTS, SELECTION = "objects", "selection"
"""Controls for prompts of single objects, and for the objects that are selected; see ``objects``."""

FROM_SCENE = frozenset({OBJECTS, SELECTION})
"""Controls that are not shown as a text: the scene has their answer."""

FROM_SHOT = frozenset({"depth_near", "depth_far"})
"""Controls that an animation sets for all of its frames."""


AROUND, CAMERAS, RESULT = "around", "cameras", "result"
"""What a preset may want captured: a result and what lies around it, every camera, or a result."""

MOST_PRESETS, MOST_CONTROLS, LONGEST_TEXT = 256, 256, 10_000
"""What a panel can show; whoever sends more is broken."""


@dataclass(frozen=True)
class Control:
    """One value of a preset that the panel shows; see the daemon's protocol for the fields."""

    name: str
    label: str
    type: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""
    advanced: bool = False
    folder: str = ""


@dataclass(frozen=True)
class Unit:
    """A ControlNet of a preset.

    Args:
        name: Unique in the preset.
        label: For people.
        map: What it looks at: ``depth``, ``canny``, ``normal`` or ``edges``.
        weight: Name of the control for its weight.
        start: Name of the control for where in the schedule it begins, 0..1; empty if there is none.
        end: Likewise for its end.
        help: For a tooltip.
    """

    name: str
    label: str
    map: str
    weight: str
    start: str = ""
    end: str = ""
    help: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture that the artist chooses.

    Args:
        name: Of the plane that it travels as.
        label: For people.
        help: For a tooltip.
    """

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True)
class Preset:
    """A workflow of the daemon's, as far as a panel needs to know it.

    Args:
        name: What programs call it.
        title: What people call it.
        description: One sentence.
        controls: In the order of the panel.
        units: Its ControlNets.
        titles: Node id → title, for progress in words.
        loaders: Ids of nodes whose progress is that of reading a model.
        workflow: What it does, in ComfyUI's API form, with the defaults of its controls.
        digest: Changes when the preset does.
        base: Presets of one base do the same with other models.
        models: For which models it is, for people.
        source: ``AROUND``, ``CAMERAS`` or ``RESULT``; empty for what the artist chose.
        pictures: What the artist chooses besides.
        lacks: Kind and name of the models that it needs and that are not there.
        icon: A picture of what it does, PNG; empty where the one it is a variant of has it.
    """

    name: str
    title: str
    description: str
    controls: tuple[Control, ...]
    units: tuple[Unit, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    loaders: frozenset[str] = frozenset()
    workflow: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    base: str = ""
    models: str = ""
    source: str = ""
    pictures: tuple[Picture, ...] = ()
    lacks: tuple[tuple[str, str], ...] = ()
    icon: bytes = field(default=b"", repr=False)

    @property
    def wants_other_views(self) -> bool:
        """Whether it looks from elsewhere than the artist chose, which only some hosts do."""
        return self.source in (AROUND, CAMERAS)

    def progress_words(self, node: str, value: float, maximum: float, steps: object) -> str:
        """Say how far a node is: ``Sampler 3 of 8``, ``Loading checkpoint 40 %``.

        Args:
            node: Its id.
            value: How far it is.
            maximum: How far it has to go; 0 while unknown.
            steps: The number of steps that was asked for, if that is known.
        """
        title = self.titles.get(node, "")
        if node in self.loaders:
            title = f"Loading {title[:1].lower()}{title[1:]}"
        if not maximum:
            return f"{title or 'Working'}…"
        if maximum == steps:
            return f"{title} {value:.0f} of {maximum:.0f}".strip()
        return f"{title} {min(value / maximum, 1.0):.0%}".strip()

    def find(self, name: str) -> Control | None:
        """Return the control of that name, if the preset has it."""
        return next((control for control in self.controls if control.name == name), None)

    @property
    def unit_controls(self) -> frozenset[str]:
        """Names of the controls that are part of a unit."""
        return frozenset(name for unit in self.units for name in (unit.weight, unit.start, unit.end) if name)


def read_presets(data: Mapping[str, Any]) -> tuple[Preset, ...]:
    """Read the daemon's answer to the query for ``presets``.

    Raises:
        BridgeError: ``bad_answer`` if it is not what a daemon of ours says.
    """
    try:
        presets = tuple(_preset(entry) for entry in data["presets"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad_answer(f"its presets make no sense ({type(error).__name__}: {error})") from error
    if not presets:
        raise _bad_answer("it has no presets")
    if len(presets) > MOST_PRESETS or len({preset.name for preset in presets}) < len(presets):
        raise _bad_answer("it has too many presets, or two of one name")
    return presets


def _preset(entry: Mapping[str, Any]) -> Preset:
    controls = tuple(_control(control) for control in entry["controls"])
    names = {control.name for control in controls}
    if len(controls) > MOST_CONTROLS or len(names) < len(controls):
        raise ValueError("it has too many controls, or two of one name")
    units = tuple(_unit(unit) for unit in entry.get("units", ()))
    for unit in units:
        for name in filter(None, (unit.weight, unit.start, unit.end)):
            if name not in names:
                raise ValueError(f"unit {unit.name} names a control {name} that is not there")
    return Preset(
        name=str(entry["name"]),
        title=str(entry["title"]),
        description=str(entry.get("description", "")),
        controls=controls,
        units=units,
        titles={str(node): str(title) for node, title in entry.get("titles", {}).items()},
        loaders=frozenset(str(node) for node in entry.get("loaders", ())),
        workflow=dict(entry.get("workflow", {})),
        digest=str(entry.get("digest", "")),
        base=str(entry.get("base", "")),
        models=str(entry.get("models", "")),
        source=str(entry.get("source", "")),
        pictures=tuple(_picture(picture) for picture in entry.get("pictures", ())),
        lacks=tuple((str(model["folder"]), str(model["name"])) for model in entry.get("lacks", ())),
        icon=base64.b64decode(entry.get("icon", ""), validate=True),
    )


def _picture(entry: Mapping[str, Any]) -> Picture:
    picture = Picture(str(entry["name"]), str(entry["label"]), str(entry.get("help", "")))
    if not picture.name.startswith("reference") or "\0" in picture.name + picture.label:
        raise ValueError(f"it wants a picture {picture.name!r}, which is no name of one")
    return picture


def _unit(entry: Mapping[str, Any]) -> Unit:
    return Unit(**{key: str(entry[key]) for key in Unit.__dataclass_fields__ if key in entry})


def _control(entry: Mapping[str, Any]) -> Control:
    known = {key: entry[key] for key in Control.__dataclass_fields__ if key in entry}
    control = Control(**{**known, "choices": tuple(str(choice) for choice in known.get("choices", ()))})
    if control.type not in CONTROL_TYPES:
        raise ValueError(f"control {control.name} has the unknown type {control.type}")
    may_be_empty = control.help, control.folder
    for text in (control.name, control.label, *may_be_empty, *control.choices):
        is_text = isinstance(text, str) and "\0" not in text and len(text) <= LONGEST_TEXT
        if not is_text or (not text and text not in may_be_empty):
            raise ValueError(f"control {control.name!r} has a name, label or choice that is no text")
    for number in (control.minimum, control.maximum, control.step):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"control {control.name} has a bound that is no number")
    if control.type != (FIXED_TYPES.get(control.name) or control.type):
        raise ValueError(f"control {control.name} is a {control.type}, not a {FIXED_TYPES[control.name]}")
    if control.type == "choice" and control.default not in control.choices:
        raise ValueError(f"control {control.name} has the default {control.default!r}, which is no choice")
    expected = _DEFAULTS.get(control.type, (str,))
    if not isinstance(control.default, expected):
        raise ValueError(f"control {control.name} has a default of another type")
    return control


_DEFAULTS: Mapping[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
"""What the default of a control is, where it is no text."""


def _bad_answer(reason: str) -> BridgeError:
    return BridgeError(
        f"the daemon's answer cannot be used: {reason}",
        code="bad_answer",
        hint="The add-on and the daemon may be of different versions: update both.",
    )
