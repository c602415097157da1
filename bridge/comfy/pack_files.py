"""What packs of nodes bring for the editor: scripts, examples, translations. Files are read when asked for.

A pack's folders are its own, and it was the user who named the pack; still no name leads out of them.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

Packs = Mapping[str, Mapping[str, str]]
"""Name of a pack → where its ``web``, ``locales`` and ``examples`` lie, as far as it has them."""

MAX_FILES = 1000
"""Of one kind in one pack."""

MAX_TEXT_BYTES = 4 * 1024 * 1024

_PARTS = ("nodeDefs", "commands", "settings")
"""Files of a language beside ``main.json``, and the keys that they become."""


def pack_scripts(packs: Packs) -> list[str]:
    """Return the addresses of the scripts that the editor is to load."""
    return [
        f"/extensions/{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in _folders(packs, "web")
        for path in _files(folder, "**/*.js")
    ]


def pack_examples(packs: Packs) -> dict[str, list[str]]:
    """Return the names of example workflows, by pack."""
    found = {
        name: [path.stem for path in _files(folder, "*.json")] for name, folder in _folders(packs, "examples")
    }
    return {name: names for name, names in found.items() if names}


def pack_translations(packs: Packs) -> dict[str, Any]:
    """Return translations by language; where two packs translate the same, the later counts."""
    merged: dict[str, Any] = {}
    for _, folder in _folders(packs, "locales"):
        for place in sorted(path for path in folder.iterdir() if path.is_dir()):
            texts = _text(place / "main.json")
            texts |= {part: found for part in _PARTS if (found := _text(place / f"{part}.json"))}
            merged[place.name] = _merged(merged.get(place.name, {}), texts)
    return merged


def _folders(packs: Packs, kind: str) -> Iterator[tuple[str, Path]]:
    for name, folders in packs.items():
        if kind in folders and (folder := Path(folders[kind])).is_dir():
            yield name, folder


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path, _ in zip(folder.glob(pattern), range(MAX_FILES), strict=False))


def _text(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_TEXT_BYTES:
            raise ValueError("it is too large")
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s holds no translations: %s", file, error)
        return {}
    return data if isinstance(data, dict) else {}


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            value = _merged(known, value)
        result[key] = value
    return result
