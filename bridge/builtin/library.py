"""Where presets lie. A file in ``presets/``, or in a folder of the user's, is a preset and its variants."""

import difflib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from bridge.builtin.control import Control, find_fault, read_control
from bridge.builtin.preset import Picture, Preset, expand
from bridge.builtin.unit import Unit, check_unit
from bridge.builtin.variant import standard, variants_of
from bridge.errors import BridgeError, InputError, LocalProtocolError
from bridge.protocol import Answer, encode

PRESETS = Path(__file__).parent / "presets"

SOURCES = ("", "around", "cameras", "result")
"""What a preset may ask a host to capture; the first is whatever the artist chose."""

MAX_ICON = 256 * 1024
"""Bytes of a preset's picture; a host is told all of them in one message."""

MOST_KEPT = 512
"""Files whose presets are kept in memory as long as they stay as they are."""


def all_presets(folders: Sequence[Path] = ()) -> tuple[dict[str, Preset], list[BridgeError]]:
    """Return the presets by name, ours first, and what is wrong with each file that holds none.

    Args:
        folders: The user's own; each holds ``NAME.json``. One replaces ours of the same name.
    """
    found: dict[str, Preset] = {}
    faults = []
    for base, file in _files(folders).items():
        try:
            found.update(_read(base, file))
        except BridgeError as error:
            faults.append(error)
    return found, faults


def load_preset(name: str, folders: Sequence[Path] = ()) -> Preset:
    """Return the preset of that name; letter case does not matter.

    Args:
        name: Of one of ``all_presets``.
        folders: As there.

    Raises:
        BridgeError: ``unknown_preset``, or ``bad_preset`` where its file cannot be read.
    """
    wanted = name.lower()
    for base, file in _files(folders).items():
        if wanted == base or wanted.startswith(f"{base}-"):
            found = _read(base, file)
            if wanted in found:
                return found[wanted]
    known, _ = all_presets(folders)
    nearest = difflib.get_close_matches(wanted, known, n=1)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are: {', '.join(known)}."
    raise BridgeError(f"there is no preset {name[:80]!r}", code="unknown_preset", hint=hint)


def expand_preset(name: str, values: Mapping[str, Any], folders: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the workflow of a preset by name; see ``load_preset`` and ``expand``."""
    return expand(load_preset(name, folders), values)


def save_preset(folder: Path, name: str, data: Mapping[str, Any], replaces: bool = False) -> Preset:
    """Keep a preset of the user's, whole or not at all.

    Args:
        folder: The user's.
        name: Of the file, without its suffix.
        data: What the file is to hold; see ``make_preset``.
        replaces: Whether one of that name may go.

    Raises:
        InputError: ``preset_exists``.
        BridgeError: ``bad_preset`` if it could not be read again; ``folder_unwritable``.
    """
    file = folder / f"{name}.json"
    known, _ = all_presets([folder])
    if not replaces and (name in known or name in _files([folder])):
        raise InputError(
            f"there is a preset {name!r} already",
            code="preset_exists",
            hint="Choose another title, or replace it: --replace.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            partial.write_text(json.dumps(data, indent=1, ensure_ascii=False), "utf-8")
            found = _read(name, partial)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise BridgeError(
            f"{file} cannot be written: {error.strerror or error}",
            code="folder_unwritable",
            hint="Free some space, or give this user the right to write there.",
        ) from error
    return next(iter(found.values()))


def remove_preset(folder: Path, name: str) -> None:
    """Take a preset of the user's away; ours stay.

    Raises:
        BridgeError: ``unknown_preset``; ``folder_unwritable``.
    """
    own = {_name(file): file for file in folder.glob("*.json")}
    if name.lower() not in own:
        raise BridgeError(
            f"there is no preset {name[:80]!r} of your own",
            code="unknown_preset",
            hint=f"There are: {', '.join(own) or 'none'}.",
        )
    try:
        own[name.lower()].unlink()
    except OSError as error:
        raise BridgeError(
            f"{own[name.lower()]} cannot be removed: {error.strerror or error}",
            code="folder_unwritable",
            hint="Give this user the right to write there.",
        ) from error


def _files(folders: Sequence[Path]) -> dict[str, Path]:
    """Files by the name of their preset: ours in their order, then the user's by the alphabet."""
    order = {name: place for place, name in enumerate(standard()["order"])}
    ours = sorted(PRESETS.glob("*.json"), key=lambda file: (order.get(_name(file), len(order)), _name(file)))
    theirs = (file for folder in folders for file in sorted(folder.glob("*.json"), key=_name))
    return {_name(file): file for file in (*ours, *theirs) if not file.name.startswith(".")}


def _name(file: Path) -> str:
    return file.stem.lower()


def _read(base: str, file: Path) -> Mapping[str, Preset]:
    """Read the presets of a file: the variants of one."""
    icon = file.with_suffix(".png")
    try:
        return _presets(base, file, icon, _version(file), _version(icon) if icon.is_file() else None)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        LocalProtocolError,
    ) as error:
        reason = f"{error} is not there" if isinstance(error, KeyError) else error
        place = os.fsencode(file).decode(errors="replace")
        raise BridgeError(
            f"preset {file.stem!r} cannot be read: {reason}", code="bad_preset", hint=f"See {place}."
        ) from error


def _version(file: Path) -> tuple[int, ...]:
    """Return what differs once a file is another."""
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(MOST_KEPT)
def _presets(base: str, file: Path, icon: Path, *versions: tuple[int, ...] | None) -> Mapping[str, Preset]:
    """Return the presets of a file, read once in each of its versions and its picture's."""
    data = json.loads(file.read_text("utf-8"))
    _check_texts(data)
    if icon.is_file() and (size := icon.stat().st_size) > MAX_ICON:
        raise ValueError(f"its picture {icon.name} has {size // 1024} KiB, more than {MAX_ICON // 1024}")
    found = {
        base + suffix: _preset(base, base + suffix, variant, icon) for suffix, variant in variants_of(data)
    }
    if not found:
        raise ValueError("its list of variants is empty")
    for preset in found.values():
        encode(Answer("any", {"presets": [preset.to_json(lambda kind: ())]}))  # it can be told to hosts
    return found


def _check_texts(data: Any) -> None:
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    title = data["title"]
    if not isinstance(title, str) or not title.strip():
        raise ValueError("its title must be a text, and not empty")
    named = [(f"its {key}", data.get(key, "")) for key in ("description", "base", "models")]
    named += [("the title of a variant", each.get("title", "")) for each in data.get("variants", ())]
    for what, text in named:
        if not isinstance(text, str):
            raise ValueError(f"{what} must be a text")


def _preset(base: str, name: str, data: Mapping[str, Any], icon: Path) -> Preset:
    preset = Preset(
        name=name,
        title=data["title"],
        description=data.get("description", ""),
        workflow=data["workflow"],
        controls=tuple(read_control(entry) for entry in data["controls"]),
        units=tuple(Unit(**entry) for entry in data["units"]),
        titles=_titles(data["workflow"]),
        digest=_digest(data),
        base=data.get("base", base),
        models=data.get("models", ""),
        source=data.get("source", ""),
        pictures=tuple(Picture(**entry) for entry in data.get("pictures", ())),
        icon=icon if name == base and icon.is_file() else None,
    )
    _check(preset)
    for control in preset.controls:
        for node, input_name in control.targets:
            data["workflow"][node]["inputs"][input_name] = control.default
    return preset


def _check(preset: Preset) -> None:
    _check_workflow(preset.workflow)
    parts: list[Control | Unit | Picture] = [*preset.controls, *preset.units, *preset.pictures]
    for part in map(asdict, parts):
        texts = [part["name"], part["label"], part["help"], part.get("folder") or ""]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"name, label, help and folder of {part['name']!r} must be texts")
    if preset.source not in SOURCES:
        raise ValueError(f"its source is none of {', '.join(filter(None, SOURCES))}")
    for control in preset.controls:
        for node, name in control.targets:
            if name not in preset.workflow[node]["inputs"]:
                raise ValueError(f"control {control.name!r} sets {node}.{name}, which is not there")
        if problem := find_fault(control, control.default):
            raise ValueError(f"the default of control {control.name!r}: {problem.message}")
    controls = {control.name: control for control in preset.controls}
    if len(controls) < len(preset.controls):
        names = [control.name for control in preset.controls]
        raise ValueError(f"two controls are called {next(name for name in names if names.count(name) > 1)!r}")
    for unit in preset.units:
        check_unit(unit, controls, preset.workflow)


def _check_workflow(workflow: Mapping[str, Any]) -> None:
    if not workflow:
        raise ValueError("its workflow is empty")
    for node_id, node in workflow.items():
        if not isinstance(node.get("class_type"), str):
            raise ValueError(f"node {node_id} has no class_type")
        if not isinstance(node.get("inputs"), dict):
            raise ValueError(f"node {node_id} has no inputs")
        for name, value in node["inputs"].items():
            if isinstance(value, list) and len(value) == 2 and value[0] not in workflow:
                raise ValueError(f"{node_id}.{name} comes from node {value[0]!r}, which is not there")


def _titles(workflow: Mapping[str, Any]) -> dict[str, str]:
    return {
        node_id: str(node.get("_meta", {}).get("title") or node.get("class_type"))
        for node_id, node in workflow.items()
    }


def _digest(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
