"""A plan: what would be pulled, from where, to where, and under which licence. The user agrees to a plan.

1. To make one, only what the source says and the file's header are fetched. So web pages, pickles, archives
   and models of no known kind are refused before anything is written.
2. The header says how long the file must be, and what it holds; it is what the plan is held to later.
3. Names come from strangers: of a name only its last part counts, and only plain letters of it.
"""

import hashlib
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.downloads.first_bytes import fetch_header
from bridge.downloads.offer import Offer, ask, completed
from bridge.downloads.sizes import gigabytes
from bridge.downloads.source import read_source
from bridge.downloads.web import Web
from bridge.errors import BridgeError
from bridge.models import (
    FOLDERS,
    Notes,
    digest_in,
    family_words,
    file_name,
    first_of,
    folder_of,
    folders_in,
    kind_of,
    notes_of_metadata,
    place_for,
)

RESERVE_BYTES = 256 * 1024 * 1024
"""What must stay free on the disk."""

FreeBytes = Callable[[Path], int]
"""Returns what is free where a folder is, or would be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be pulled.

    Args:
        id: Names the plan; cannot be guessed.
        source: Where from, without secrets.
        url: Of the file; may hold a secret.
        folder: Its kind.
        target: The file that will be there.
        bytes: Its size, exactly.
        sha256: Its checksum; empty where nobody says one.
        header_bytes: How long its header is, and what stands before it.
        header_sha256: Of these bytes.
        kind: What it holds.
        family: What it was made for.
        notes: What is said about it.
        partial_bytes: What is here already from a pull that was cut.
        free_bytes: On the disk.
        keys: That came with the address, by host.
    """

    id: str
    source: str
    url: str = field(repr=False)
    folder: str
    target: Path
    bytes: int
    sha256: str
    header_bytes: int
    header_sha256: str
    kind: str
    family: str
    notes: Notes
    partial_bytes: int
    free_bytes: int
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The name of the file that will be there."""
        return self.target.name

    def to_json(self) -> dict[str, Any]:
        """Return what a user must know to agree, as JSON data."""
        return {
            "plan": self.id,
            "source": self.source,
            "folder": self.folder,
            "name": self.name,
            "path": str(self.target),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "kind": self.kind,
            "family": self.family,
            "licence": self.notes.licence,
            "title": self.notes.title,
            "author": self.notes.author,
            "triggers": list(self.notes.triggers),
            "page": self.notes.source,
            "partial_bytes": self.partial_bytes,
            "free_bytes": self.free_bytes,
        }


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user may say besides the source.

    Args:
        folder: The kind of folder; judged by content if empty.
        name: Of the file; the source's own if empty. May name folders below that of the kind.
        sha256: That the file must have.
    """

    folder: str = ""
    name: str = ""
    sha256: str = ""


class Planner:
    """Makes plans.

    Args:
        web: Where to ask, given the user's keys that came with an address.
        root: The folder of models that files go into.
        free_bytes: What is free on a disk.
    """

    def __init__(
        self, web: Callable[[Mapping[str, str]], Web], root: Path, free_bytes: FreeBytes | None = None
    ) -> None:
        self.free_bytes = free_bytes or free_space
        self.web = web
        self._root = root

    def plan(self, source: str, choices: Choices | None = None) -> Plan:
        """Find out what would be pulled.

        Args:
            source: As ``read_source`` takes it.
            choices: What the user says besides.

        Raises:
            BridgeError: Why it cannot be, or would not be wanted.
        """
        choices = choices or Choices()
        _check(choices)
        wanted = read_source(source)
        keys = _keys_in(wanted.place)
        web = self.web(keys)
        offer = ask(web, wanted)
        reply = web.open(offer.url)
        try:
            offer = completed(offer, reply)
            name = file_name(choices.name or wanted.file or offer.file)
            header, start, size = fetch_header(reply, wanted.file or offer.file or name)
        finally:
            reply.close()
        notes = first_of((offer.notes, Notes(licence=wanted.licence), notes_of_metadata(header.metadata)))
        folder = folder_of(header, name, choices.folder)
        target = place_for(self._root, folder).joinpath(*folders_in(choices.name), name)
        plan = Plan(
            secrets.token_urlsafe(12),
            offer.shown,
            offer.url,
            folder,
            target,
            size,
            _checksum(offer, choices),
            len(start),
            hashlib.sha256(start).hexdigest(),
            kind_of(header),
            family_words(header, name),
            notes,
            _size_of(partial_of(target)),
            self.free_bytes(target.parent),
            keys,
        )
        raise_if_there(plan)
        raise_if_too_large(plan)
        return plan


def partial_of(target: Path) -> Path:
    """Return the file that a download grows in."""
    return target.with_name(target.name + ".partial")


def free_space(folder: Path) -> int:
    """Return the bytes that are free where a folder is, or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def raise_if_there(plan: Plan) -> None:
    """Refuse to replace a file.

    Raises:
        BridgeError: ``file_exists``.
    """
    if plan.target.exists() or plan.target.is_symlink():
        raise BridgeError(
            f'"{plan.name}" is there already, in {plan.target.parent}',
            code="file_exists",
            hint="Nothing is ever overwritten: use what is there, or pull it under another name with --name",
        )


def raise_if_too_large(plan: Plan, done: int | None = None, free: int | None = None) -> None:
    """Refuse a file that the disk has no room for.

    Args:
        plan: What is to be pulled.
        done: What of it is on the disk already.
        free: Bytes that are free now.

    Raises:
        BridgeError: ``disk_full``.
    """
    free = plan.free_bytes if free is None else free
    left = plan.bytes - (plan.partial_bytes if done is None else done)
    if left + RESERVE_BYTES > free:
        raise BridgeError(
            f'"{plan.name}" needs {gigabytes(left)} more on the disk of {plan.target.parent}, where '
            f"{gigabytes(free)} are free ({gigabytes(RESERVE_BYTES)} stay free in any case)",
            code="disk_full",
            hint="Make room, or choose a folder on another disk: --into DIR",
        )


def _check(choices: Choices) -> None:
    if choices.folder and choices.folder not in FOLDERS:
        raise BridgeError(
            f'there is no kind of model folder called "{choices.folder[:60]}"',
            code="unknown_folder",
            hint=f"Kinds: {', '.join(FOLDERS)}.",
        )
    if choices.sha256 and not digest_in(choices.sha256):
        raise BridgeError(
            "a SHA-256 has 64 hexadecimal digits",
            code="bad_checksum",
            hint="Copy it again from where it is published.",
        )


def _checksum(offer: Offer, choices: Choices) -> str:
    wanted = digest_in(choices.sha256)
    if wanted and offer.sha256 and wanted != offer.sha256:
        raise BridgeError(
            f"the source has a file with the checksum {offer.sha256[:12]}…, not {wanted[:12]}…",
            code="checksum_differs",
            hint="It is another version of the file than the one you want. Check the address.",
        )
    return wanted or offer.sha256


def _keys_in(place: Any) -> dict[str, str]:
    token = getattr(place, "token", "")
    return {"civitai.com": token} if token else {}


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
