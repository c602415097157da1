"""Check a packed add-on before anybody else does: what Blender's extension platform demands, and more.

The rules of the manifest are those of Blender's manual, "Extensions › Getting Started › Manifest", schema
1.0.0, and of ``blender --command extension validate``, which not every machine has.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.packaging.contents import (
    Check,
    Contents,
    Faults,
    Field,
    Rule,
    assigned,
    inspected,
    misplaced,
    unfit,
    unreadable,
)
from bridge.packaging.staging import PURE
from bridge.packaging.wheels import SUMS, read_sums

ROOT = "framebridge"
MAX_TAGLINE = 64
OLDEST_EXTENSIONS = (4, 2, 0)
"""The first Blender with extensions."""

SPDX = "# SPDX-License-Identifier: GPL-3.0-or-later"
LICENCES = {
    "LICENSE": "GNU GENERAL PUBLIC LICENSE",
    "_bridge/LICENSE": "Apache License",
    "wheels/LICENSE": "Redistribution and use in source and binary forms",
}
"""Where the licence texts lie, and what each says."""

PERMISSIONS = {"files", "network", "clipboard", "camera", "microphone"}
TAGS = {
    *("3D View", "Add Curve", "Add Mesh", "Animation", "Bake", "Camera", "Compositing", "Development"),
    *("Game Engine", "Geometry Nodes", "Grease Pencil", "Import-Export", "Lighting", "Material", "Mesh"),
    *("Modeling", "Node", "Object", "Paint", "Physics", "Pipeline", "Render", "Rigging"),
    *("Scene", "Sculpt", "Sequencer", "System", "Text Editor", "Tracking", "User Interface", "UV"),
}
"""What Blender's extension platform sorts add-ons by."""

_NUMBER = r"(?:0|[1-9]\d*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_WHEEL = re.compile(r"\./wheels/[^/\\\"]+-[^/\\\"]+\.whl")


def inspect_archive(archive: Path) -> list[Check]:
    """Check the files, manifest, versions, wheels, licences and sources of a packed add-on.

    Raises:
        InvalidPackage: With every fault.
    """
    return inspected(archive, ROOT, CHECKS)


def manifest_of(contents: Contents) -> Mapping[str, Any]:
    """Return the manifest; empty if there is none that can be read."""
    try:
        return tomllib.loads(contents.text("blender_manifest.toml"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _files(contents: Contents) -> Faults:
    yield from misplaced(contents)
    if "__init__.py" not in contents.files:
        yield "__init__.py is missing"


def _manifest(contents: Contents) -> Faults:
    manifest = manifest_of(contents)
    if not manifest:
        yield "blender_manifest.toml is missing or no TOML"
        return
    yield from unfit(manifest, FIELDS, OPTIONAL, "the manifest")


def _versions(contents: Contents) -> Faults:
    named = {
        "blender_manifest.toml": str(manifest_of(contents).get("version")),
        "bl_info": _legacy_version(contents.text("__init__.py")),
        "_bridge": assigned(contents.text("_bridge/__init__.py"), "__version__"),
    }
    if len(set(named.values())) > 1:
        yield "versions differ: " + ", ".join(f"{place} {version}" for place, version in named.items())


def _wheels(contents: Contents) -> Faults:
    pinned = read_sums(contents.text(f"wheels/{SUMS}"))
    packed = {name.removeprefix("wheels/") for name in contents.files if name.endswith(".whl")}
    listed = {PurePosixPath(path).name for path in manifest_of(contents).get("wheels", ())}
    for name in sorted(pinned.keys() | packed | listed):
        data = contents.files.get(f"wheels/{name}")
        if data is None:
            yield f"the wheel {name} is missing"
        elif name not in pinned:
            yield f"the wheel {name} is not one of {SUMS}"
        elif hashlib.sha256(data).hexdigest() != pinned[name]:
            yield f"the wheel {name} is not the one that {SUMS} names"
        elif (name in listed) is name.endswith(PURE):
            yield f"the wheel {name} is {'' if name in listed else 'not '}listed in the manifest"
    if not any(name.endswith(PURE) for name in packed):
        yield "there is no wheel for platforms without a binary one"


def _licences(contents: Contents) -> Faults:
    for name, phrase in LICENCES.items():
        if phrase not in contents.text(name):
            yield f"{name} is missing or not the licence it should be"
    for name in contents.sources:
        if not name.startswith("_bridge/") and not contents.text(name).startswith(SPDX):
            yield f"{name} does not begin with its licence: {SPDX}"


def _legacy_version(source: str) -> str:
    header = assigned(source, "bl_info") or {}
    return ".".join(map(str, header.get("version", ())))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value == value.strip() and value.isprintable()


def _is_tagline(value: Any) -> bool:
    return _is_text(value) and len(value) <= MAX_TAGLINE and (value[-1].isalnum() or value[-1] in ")]}")


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _is_blender_version(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d+\.\d+\.\d+", value):
        return False
    return tuple(map(int, value.split("."))) >= OLDEST_EXTENSIONS


def _each(is_good: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda values: isinstance(values, list) and bool(values) and all(map(is_good, values))


def _matches(pattern: str) -> Callable[[Any], Any]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value)


def _are_permissions(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= PERMISSIONS and all(map(_is_tagline, value.values()))


FIELDS: dict[str, Field] = {
    "schema_version": (lambda value: value == "1.0.0", '"1.0.0"'),
    "id": (lambda value: value == ROOT, f'"{ROOT}"'),
    "version": (_is_version, "a semantic version"),
    "name": (_is_text, "a text"),
    "tagline": (_is_tagline, f"at most {MAX_TAGLINE} letters without punctuation at the end"),
    "maintainer": (_is_text, "a text"),
    "type": (lambda value: value == "add-on", '"add-on"'),
    "blender_version_min": (_is_blender_version, "4.2.0 or later, as three numbers"),
    "license": (_each(_matches(r"SPDX:[\w.+-]+")), 'a list of "SPDX:…"'),
    "blender_version_max": (_is_blender_version, "4.2.0 or later, as three numbers"),
    "website": (_matches(r"https?://\S+"), "a web address"),
    "copyright": (_each(_matches(r"\d{4}(-\d{4})? \S.*")), 'a list of "YEAR Name"'),
    "permissions": (
        _are_permissions,
        f"a table of {', '.join(sorted(PERMISSIONS))} with a reason each, at most {MAX_TAGLINE} letters "
        "without punctuation at the end",
    ),
    "tags": (_each(TAGS.__contains__), "a list of Blender's tags"),
    "platforms": (_each(_matches(r"(linux|macos|windows)-(x64|arm64)")), "a list of platforms"),
    "wheels": (_each(_matches(_WHEEL.pattern)), 'a list of "./wheels/….whl"'),
}
OPTIONAL = {"blender_version_max", "website", "copyright", "permissions", "tags", "platforms", "wheels"}

CHECKS: dict[str, Rule] = {
    "files": (_files, lambda contents: f"{len(contents.files)} files, {contents.size / 1e6:.1f} MB"),
    "manifest": (_manifest, lambda contents: f"{len(manifest_of(contents))} fields, as the platform demands"),
    "versions": (_versions, lambda contents: f"{manifest_of(contents).get('version')} everywhere"),
    "wheels": (
        _wheels,
        lambda contents: f"{sum(name.endswith('.whl') for name in contents.files)}, unmodified",
    ),
    "licences": (_licences, lambda contents: "texts complete, every source names its own"),
    "sources": (unreadable, lambda contents: f"{len(contents.sources)} modules of Python 3.11"),
}
"""Name → what yields the faults, and what says what was looked at."""
