"""What there is to know about an installed model without reading it through: its card.

1. Of a file only the header is read, and of each version of a file only once: what was found is remembered
   in the user's cache, so that folders of thousands are listed at once.
2. Files beside a model are looked at every time; their words may change while the weights do not.
3. The SHA-256 is shown where it is known; nothing is hashed for a list.
4. A file that is damaged, or no model, has a card that says so.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from bridge.errors import BridgeError
from bridge.models.catalogue import FOLDERS, Catalogue
from bridge.models.digest import known_digest
from bridge.models.family import kind_of
from bridge.models.header import Header, read_header
from bridge.models.notes import Notes, first_of, notes_of_metadata
from bridge.models.place import family_words
from bridge.models.sidecar import files_in, notes_beside, picture_beside

MOST_REMEMBERED = 50_000
"""Versions of files; the oldest are forgotten first."""

_FORM = 1
"""Of what is remembered; counts up when it says something else."""


@dataclass(frozen=True, slots=True)
class Card:
    """An installed model; texts are empty where nothing is known.

    Args:
        folder: Its kind, a key of ``FOLDERS``.
        name: As workflows name it.
        path: Where it lies.
        bytes: Its size.
        kind: What it holds: ``checkpoint``, ``lora`` …; ``unknown``.
        family: What it was made for.
        notes: What people wrote about it; its ``sha256`` is what was said, not what was read.
        sha256: Of this very file, if it was read before.
        has_thumbnail: Whether there is a preview picture.
        fault: Why it cannot be used.
    """

    folder: str
    name: str
    path: str
    bytes: int = 0
    kind: str = "unknown"
    family: str = ""
    notes: Notes = field(default_factory=Notes)
    sha256: str = ""
    has_thumbnail: bool = False
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON data; the notes' among them."""
        said = {**asdict(self.notes), **asdict(self)}
        said["sha256"] = self.sha256 or self.notes.sha256
        said["is_hashed"] = bool(self.sha256)
        del said["notes"]
        return {key: value for key, value in said.items() if value or key in ("folder", "name", "bytes")}


def cards(catalogue: Catalogue, folder: str = "") -> Iterator[Card]:
    """Yield the cards of all models of a kind, or of every kind, by kind and name."""
    memory = _Memory()
    listed: dict[Path, frozenset[str]] = {}
    try:
        for kind in (folder,) if folder else FOLDERS:
            for name, path in catalogue.paths(kind).items():
                with contextlib.suppress(OSError):  # gone since it was listed
                    yield _card(kind, name, path, memory, listed)
    finally:
        memory.save()


def card(catalogue: Catalogue, folder: str, name: str) -> Card:
    """Return the card of one model.

    Raises:
        ModelError: As ``Catalogue.find``.
        OSError: If it cannot be looked at.
    """
    memory = _Memory()
    found = _card(folder, name, catalogue.find(folder, name), memory, {})
    memory.save()
    return found


def _card(folder: str, name: str, path: Path, memory: "_Memory", listed: dict[Path, frozenset[str]]) -> Card:
    if path.is_dir():
        return _card_of_folder(folder, name, path)
    stat = path.stat()
    key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}|{_FORM}"
    inside = memory.get(key)
    if inside is None:
        inside = _look_inside(path)
        memory.put(key, inside)
    if path.parent not in listed:
        listed[path.parent] = files_in(path.parent)
    beside = listed[path.parent]
    notes = Notes(**{**inside["notes"], "triggers": tuple(inside["notes"]["triggers"])})
    return Card(
        folder,
        name,
        str(path),
        stat.st_size,
        inside["kind"],
        inside["family"],
        first_of((notes_beside(path, beside), notes)),
        known_digest(path),
        inside["has_picture"] or picture_beside(path, beside) is not None,
        inside["fault"],
    )


def _card_of_folder(folder: str, name: str, path: Path) -> Card:
    """Describe a model in diffusers' layout by its denoiser, or by the one network that it is."""
    files = [file for file in path.rglob("*") if file.is_file()]
    found = Card(folder, name, str(path), sum(file.stat().st_size for file in files))
    weights = sorted(file for file in files if file.name.endswith(".safetensors"))
    parts = {file.parent.name: file for file in reversed(weights)}
    main = parts.get("unet") or parts.get("transformer") or next(iter(weights), None)
    if main is None:
        return replace(found, fault="it has no .safetensors file")
    inside = _look_inside(main)
    kind = "checkpoint" if (path / "model_index.json").is_file() else inside["kind"]
    return replace(found, kind=kind, family=inside["family"], fault=inside["fault"])


def _look_inside(path: Path) -> dict[str, Any]:
    try:
        header = read_header(path) if path.suffix != ".bin" else Header({}, {})
    except BridgeError as error:
        return _inside(Notes(), fault=error.message)
    return _inside(
        notes_of_metadata(header.metadata),
        kind_of(header),
        family_words(header, path.name),
        "modelspec.thumbnail" in header.metadata,
    )


def _inside(
    notes: Notes, kind: str = "unknown", family: str = "", has_picture: bool = False, fault: str = ""
) -> dict[str, Any]:
    return {
        "kind": kind, "family": family, "notes": asdict(notes), "has_picture": has_picture, "fault": fault
    }  # fmt: skip


class _Memory:
    """What was found in the headers of files, by their path, size, date and inode; a cache, no more."""

    def __init__(self) -> None:
        self._known: Mapping[str, str] = _read(_memory_file())
        self._new: dict[str, str] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is remembered of a version of a file."""
        text = self._known.get(key)
        return json.loads(text) if text else None

    def put(self, key: str, inside: Mapping[str, Any]) -> None:
        """Remember it, once saved."""
        self._new[key] = json.dumps(inside)

    def save(self) -> None:
        """Keep what is new."""
        if not self._new:
            return
        file = _memory_file()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(file, timeout=2)) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS headers (key TEXT PRIMARY KEY, inside TEXT)")
                database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", self._new.items())
                database.execute(_FORGET, [MOST_REMEMBERED])
        except (OSError, sqlite3.Error):
            return  # it is found again the next time


_FORGET = "DELETE FROM headers WHERE rowid NOT IN (SELECT rowid FROM headers ORDER BY rowid DESC LIMIT ?)"


def _read(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=2)) as database:
            return dict(database.execute("SELECT key, inside FROM headers"))
    except sqlite3.Error:
        return {}


def _memory_file() -> Path:
    return user_cache_path("framebridge", appauthor=False) / "headers.sqlite"
