"""What is asked for: settings, the values of each preset's controls, and which daemon; kept with the project.

Everything is checked as it is set; what a file holds that is none of it is left out, so that a damaged or
newer file costs no more than its strange parts.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .._bridge.client import Locator
from .._bridge.errors import BridgeError
from .._bridge.host.daemon_choice import DaemonChoice
from .._bridge.host.png import write_file
from .._bridge.host.preset import FROM_CAPTURE, FROM_SHOT, SELECTION, Control, Preset, Unit
from .._bridge.host.recipe import CARRIED, SEED, Recipe, next_seed, random_seed
from .._bridge.host.settings import MAX_SIDE, MIN_SIDE, SETTINGS, STEP, Setting
from .editor import CAMERA, CAMERA_CUT, VIEWPORT, Source

FILE = "settings.json"

LARGEST = 2.0**64
"""Of a number; what is larger was damaged."""

OWN: Mapping[str, Setting] = {
    "source": Setting(
        "Capture",
        "What is sent to be repainted",
        VIEWPORT,
        choices=(
            (VIEWPORT, "Viewport", "What the level viewport shows, from where it is looked at"),
            (CAMERA, "Camera", "What a camera actor sees"),
            (CAMERA_CUT, "Sequencer", "What the camera of Sequencer's cut sees, at the playhead"),
        ),
    ),
    "camera": Setting("Camera", "The camera actor that is looked through; the first one if empty", ""),
    "field_of_view": Setting(
        "Viewport Field of View",
        "Degrees from left to right, as in the viewport's own menu; older engines do not tell it to plugins",
        90.0,
        5.0,
        170.0,
    ),
    "is_exposure_fixed": Setting(
        "Fixed Exposure",
        "Expose every picture alike, instead of as the level's own auto exposure would",
        False,
    ),
    "exposure": Setting("EV100", "What pictures are exposed for: 0 is dim, 15 a sunny day", 1.0, -10.0, 20.0),
    "is_unlit": Setting("Base Colour", "Repaint the materials' own colours, without light and shadow", False),
    "masks": Setting(
        "Actor Masks",
        "Send which pixels belong to which of the selected actors, for edges and masks",
        False,
    ),
    "to_plate": Setting("Image Plate", "Put results on a plane that fills the view, behind the scene", False),
    "to_blend": Setting("In the Viewport", "Lay results over the level viewport", True),
    "to_decal": Setting("Decal", "Throw results onto what their view sees, as a decal", False),
    "strength": Setting("Strength", "Of the next view that is projected", 1.0, 0.0, 1.0),
    "prompts_file": Setting(
        "Prompts File", "Path of a text file with one prompt a line; # begins a comment", ""
    ),
    "sequence": Setting("Sequence", "The level sequence that is rendered; the one that is open if empty", ""),
}
"""What only this host asks for."""

ALL: Mapping[str, Setting] = {**SETTINGS, **OWN}


PICTURE = "picture:"
"""Before the names of pictures, among the values of a preset."""

FROM_ELSEWHERE = FROM_CAPTURE | FROM_SHOT | {SELECTION}
"""Controls that are not the artist's to type."""


class Choices:
    """What the panel asks for.

    Args:
        folder: Where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._settings: dict[str, Any] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._unused: dict[str, list[str]] = {}
        self._digests: dict[str, str] = {}
        self._folded: dict[str, bool] = {}
        self._presets: dict[str, Preset] = {}
        self.daemon = DaemonChoice()
        self._read()

    # ---- settings --------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        return self._settings.get(name, ALL[name].default)

    def set(self, name: str, value: object) -> None:
        """Change a setting.

        Raises:
            BridgeError: ``bad_value``.
        """
        self._settings[name] = _checked(ALL[name].label, value, ALL[name])
        self._write()

    def set_daemon(self, name: str, value: object) -> None:
        """Change which daemon is talked to, or how it is started."""
        kept = asdict(self.daemon)
        kept[name] = bool(value) if isinstance(kept[name], bool) else str(value)
        self.daemon = DaemonChoice(**kept)
        self._write()

    def is_folded(self, section: str, default: bool = False) -> bool:
        """Tell whether a section of the panel is folded away."""
        return self._folded.get(section, default)

    def fold(self, section: str, is_folded: bool) -> None:
        """Fold a section away, or open it."""
        self._folded[section] = is_folded
        self._write()

    def locate(self, starts_daemon: bool) -> Locator:
        """Return how to find the daemon; see ``DaemonChoice.locator``."""
        return self.daemon.locator(starts_daemon)

    @property
    def look(self) -> Source:
        """What is looked from, and how large."""
        size = (_side(self["width"]), _side(self["height"])) if self["has_own_size"] else None
        exposure = self["exposure"] if self["is_exposure_fixed"] else None
        kind, camera, angle = self["source"], self["camera"], self["field_of_view"]
        return Source(kind, camera, angle, self["longest_side"], size, exposure)

    # ---- presets ---------------------------------------------------------------------------------

    def offer(self, presets: tuple[Preset, ...]) -> None:
        """Take the presets that the daemon has; those that want what is not sent from here are left out."""
        self._presets = {preset.name: preset for preset in presets if not preset.wants_other_views}

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The presets that the daemon has."""
        return tuple(self._presets.values())

    def preset_named(self, name: str) -> Preset | None:
        """Return the preset of that name, if the daemon has it."""
        return self._presets.get(name)

    @property
    def preset(self) -> Preset:
        """The preset that is chosen.

        Raises:
            BridgeError: ``not_connected`` while none are known, ``unknown_preset`` if it is none of them.
        """
        if not self._presets:
            raise BridgeError(
                "the daemon has not told its presets yet",
                code="not_connected",
                hint="Connect to the daemon first.",
            )
        preset = self._presets.get(self["preset"])
        if preset is None:
            titles = ", ".join(preset.title for preset in self.presets)
            raise BridgeError(
                f'the daemon has no preset "{self["preset"]}"',
                code="unknown_preset",
                hint=f"Choose another: {titles}.",
            )
        return preset

    def choose(self, name: str) -> None:
        """Use a preset; what it has in common with the one before, such as the prompt, is taken along.

        Raises:
            BridgeError: ``unknown_preset``; nothing was changed.
        """
        if name not in self._presets:
            raise BridgeError(
                f'the daemon has no preset "{name}"', code="unknown_preset", hint="Choose another one."
            )
        before = self._presets.get(self["preset"])
        common = {} if before is None else {control: self.value(before, control) for control in CARRIED}
        self._settings["preset"] = name
        preset = self._presets[name]
        for control, value in common.items():
            if value is not None and preset.find(control) is not None:
                self._values.setdefault(name, {})[control] = value
        self._digests[name] = preset.digest
        self._write()

    @property
    def has_preset_changed(self) -> bool:
        """Whether the preset is another than when its values were set."""
        return self._digests.get(self["preset"], self.preset.digest) != self.preset.digest

    def value(self, preset: Preset, name: str) -> Any:
        """Return the value of a control; ``None`` if the preset has none of that name."""
        control = preset.find(name)
        if control is None:
            return None
        value = self._values.get(preset.name, {}).get(name, _default(preset, control))
        try:
            return _checked_control(control, value)
        except BridgeError:  # the preset has changed
            return _default(preset, control)

    def set_value(self, name: str, value: object) -> None:
        """Change a control of the chosen preset.

        Raises:
            BridgeError: ``bad_value``.
        """
        control = self.preset.find(name)
        if control is None:
            raise BridgeError(f'the preset has no control "{name}"', code="unknown_control")
        self._values.setdefault(self.preset.name, {})[name] = _checked_control(control, value)
        self._digests[self.preset.name] = self.preset.digest
        self._write()

    def picture(self, preset: Preset, name: str) -> str:
        """Return the file of a picture that a preset asks for; empty if none is chosen."""
        return str(self._values.get(preset.name, {}).get(f"{PICTURE}{name}", ""))

    def set_picture(self, name: str, file: object) -> None:
        """Choose a picture for the chosen preset.

        Raises:
            BridgeError: ``bad_value``.
        """
        if not isinstance(file, str) or "\0" in file:
            raise _bad_value("A picture", file, "is the path of a file")
        self._values.setdefault(self.preset.name, {})[f"{PICTURE}{name}"] = file
        self._write()

    def is_used(self, unit: Unit) -> bool:
        """Tell whether a control unit of the chosen preset is used."""
        preset = self.preset
        if preset.name in self._unused:
            return unit.name not in self._unused[preset.name]
        weight = preset.find(unit.weight)
        return bool(weight and weight.default)

    def use(self, unit: str, is_used: bool) -> None:
        """Use a control unit of the chosen preset, or leave it out."""
        preset = self.preset
        unused = {known.name for known in preset.units if not self.is_used(known)}
        (unused.discard if is_used else unused.add)(unit)
        self._unused[preset.name] = sorted(unused)
        self._write()

    # ---- recipes ---------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """What is asked for now; a unit that is not used weighs nothing.

        Raises:
            BridgeError: See ``preset``.
        """
        preset = self.preset
        values = {
            control.name: self.value(preset, control.name) for control in preset.controls if is_shown(control)
        }
        values |= {unit.weight: 0.0 for unit in preset.units if not self.is_used(unit)}
        return Recipe(preset.name, values, preset.digest).with_dynamic()

    def use_again(self, recipe: Recipe) -> list[str]:
        """Ask for what a recipe says.

        Returns:
            The names of the values that the preset does not know any more.

        Raises:
            BridgeError: ``unknown_preset``.
        """
        self.choose(recipe.preset)
        preset = self.preset
        weights = {unit.weight: unit.name for unit in preset.units}
        refused = []
        for name, value in recipe.values.items():
            if name in weights:
                self.use(weights[name], value != 0)
            if name in weights and value == 0:
                continue
            try:
                if preset.find(name) is None:
                    refused.append(name)
                elif name not in FROM_ELSEWHERE:
                    self.set_value(name, value)
            except BridgeError:
                refused.append(name)
        self.set("seed_mode", "FIXED")
        return refused

    def draw_seed(self) -> None:
        """Draw another seed if that is the mode; to be called before a picture is made."""
        if self["seed_mode"] == "RANDOM" and self.preset.find(SEED):
            self.set_value(SEED, random_seed())

    def advance_seed(self) -> None:
        """Count the seed up if that is the mode; to be called after a picture was asked for."""
        if self["seed_mode"] == "INCREMENT" and self.preset.find(SEED):
            self.set_value(SEED, next_seed(int(self.value(self.preset, SEED))))

    def take_seeds(self, count: int) -> list[int]:
        """Return the seeds of that many pictures, and go on as after them; none for a preset without."""
        preset = self.preset
        if not preset.find(SEED):
            return []
        seeds = [int(self.value(preset, SEED))]
        while len(seeds) < count:
            following = {"RANDOM": random_seed(), "INCREMENT": next_seed(seeds[-1])}
            seeds.append(following.get(self["seed_mode"], seeds[-1]))
        if seeds[-1] != seeds[0]:
            self.set_value(SEED, seeds[-1])
        self.advance_seed()
        return seeds

    # ---- the file --------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data = json.loads(self._file.read_text("utf-8"))
            parts = {name: dict(part) for name, part in data.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return
        for name, value in parts.get("settings", {}).items():
            if name in ALL:
                with contextlib.suppress(BridgeError):
                    self._settings[name] = _checked(name, value, ALL[name])
        daemon, known = parts.get("daemon", {}), {field.name: field.type for field in fields(DaemonChoice)}
        kept = {name: value for name, value in daemon.items() if type(value).__name__ == known.get(name)}
        self.daemon = DaemonChoice(**kept)
        self._values = {
            str(name): dict(part) for name, part in parts.get("values", {}).items() if _is_table(part)
        }
        self._unused = {name: list(part) for name, part in parts.get("unused", {}).items() if _is_list(part)}
        self._digests = {name: str(digest) for name, digest in parts.get("digests", {}).items()}
        self._folded = {name: bool(is_folded) for name, is_folded in parts.get("folded", {}).items()}

    def _write(self) -> None:
        """Keep it; where that is not possible it is kept until the editor is closed."""
        data = {
            "settings": self._settings,
            "values": self._values,
            "unused": self._unused,
            "digests": self._digests,
            "folded": self._folded,
            "daemon": asdict(self.daemon),
        }
        with contextlib.suppress(OSError):
            write_file(self._file, json.dumps(data, indent=1).encode("utf-8"))


def is_shown(control: Control) -> bool:
    """Tell whether a control is the artist's; others are set by the capture or the shot."""
    return control.name not in FROM_ELSEWHERE


def _default(preset: Preset, control: Control) -> Any:
    is_weight = any(unit.weight == control.name for unit in preset.units)
    if is_weight and not control.default:  # a unit is off by its switch, not by its weight
        return 1.0
    if control.choices and control.type in ("choice", "model") and control.default not in control.choices:
        return control.choices[0]
    return control.default


def _checked(label: str, value: object, setting: Setting) -> Any:
    kind = type(setting.default)
    if kind in (int, float):
        return _number(label, value, setting.minimum, setting.maximum, is_whole=kind is int)
    if not isinstance(value, kind):
        raise _bad_value(label, value, "is on or off" if kind is bool else "is a text")
    if setting.choices and value not in [choice for choice, _, _ in setting.choices]:
        raise _bad_value(label, value, f"is one of {', '.join(name for _, name, _ in setting.choices)}")
    return value


def _checked_control(control: Control, value: object) -> Any:
    if control.type in ("integer", "number"):
        return _number(control.label, value, control.minimum, control.maximum, control.type == "integer")
    if control.type == "boolean":
        if not isinstance(value, bool):
            raise _bad_value(control.label, value, "is on or off")
    elif not isinstance(value, str) or "\0" in value:
        raise _bad_value(control.label, value, "is a text")
    elif control.type in ("choice", "model") and control.choices and value not in control.choices:
        raise _bad_value(control.label, value, f"is one of {', '.join(control.choices[:8])}")
    return value


def _number(
    label: str, value: object, minimum: float | None, maximum: float | None, is_whole: bool
) -> int | float:
    is_number = isinstance(value, int | float) and abs(value) < LARGEST  # NaN is not
    if not isinstance(value, int | float) or isinstance(value, bool) or not is_number:
        raise _bad_value(label, value, "is a number")
    value = min(
        max(value, -math.inf if minimum is None else minimum), math.inf if maximum is None else maximum
    )
    return round(value) if is_whole else float(f"{value:.6g}")  # as typed: the engine keeps 32 bits


def _bad_value(label: str, value: object, wanted: str) -> BridgeError:
    return BridgeError(
        f"{label} {wanted}, not {str(value)[:80]!r}", code="bad_value", hint="Type another value."
    )


def _side(pixels: int) -> int:
    return min(max(round(pixels / STEP) * STEP, MIN_SIDE), MAX_SIDE)


def _is_table(part: object) -> bool:
    return isinstance(part, dict)


def _is_list(part: object) -> bool:
    return isinstance(part, list) and all(isinstance(name, str) for name in part)
