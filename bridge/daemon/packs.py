"""Packs of nodes that pip has installed: which there are, and which the user has switched off.

A pack is there once ``pip install`` has put it there, which is the user's consent to its code; nothing of it
is imported here, only in the worker.
"""

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.client import state_folder
from bridge.engine import PACK_GROUP
from bridge.errors import BridgeError
from bridge.files import replace_file


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """A pack that pip has installed.

    Args:
        name: Of its entry point.
        package: That brings it.
        version: Of the package.
        is_off: Whether the user has switched it off.
    """

    name: str
    package: str
    version: str
    is_off: bool


def installed_packs() -> tuple[InstalledPack, ...]:
    """Return the packs that are there, in the order of their names."""
    off = packs_switched_off()
    entries = sorted(importlib.metadata.entry_points(group=PACK_GROUP), key=lambda entry: entry.name)
    return tuple(
        InstalledPack(
            entry.name,
            entry.dist.name if entry.dist else "",
            entry.dist.version if entry.dist else "",
            entry.name in off,
        )
        for entry in entries
    )


def packs_switched_off() -> Sequence[str]:
    """Return the names of the packs that the user does not want."""
    try:
        names = json.loads(_file().read_bytes())["off"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def switch_pack(name: str, *, on: bool) -> None:
    """Have the next daemon load a pack, or not.

    Raises:
        BridgeError: ``pack_not_found``, or ``bad_folder`` if the choice cannot be kept.
    """
    known = [pack.name for pack in installed_packs()]
    if name not in known:
        there = f"There are: {', '.join(known)}." if known else "pip has installed none."
        raise BridgeError(f"no pack is called {name!r}", code="pack_not_found", hint=there)
    off = {*packs_switched_off(), name} - ({name} if on else set())
    try:
        replace_file(_file(), json.dumps({"off": sorted(off)}).encode())
    except OSError as error:
        hint = "Choose another folder with FRAMEBRIDGE_HOME."
        raise BridgeError(f"cannot write {_file()}: {error}", code="bad_folder", hint=hint) from error


def _file() -> Path:
    return state_folder() / "packs.json"
