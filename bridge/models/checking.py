"""Whether installed models are whole, and what they were when they came: ``framebridge models verify``."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bridge.errors import ModelError
from bridge.models.catalogue import Catalogue
from bridge.models.digest import remember_digest
from bridge.models.header import read_header
from bridge.models.notes import first_of, notes_of_metadata
from bridge.models.sidecar import files_in, notes_beside

CHUNK_BYTES = 4 * 1024 * 1024

Advance = Callable[[int], None]
"""Told how many more bytes have been read; may raise to stop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about a model.

    Args:
        state: ``good``: its checksum is the recorded one; ``unrecorded``: it is whole, and nobody recorded a
            checksum to hold it against; ``bad``: it is damaged, truncated, or another file than recorded.
        folder: Its kind.
        name: As workflows name it.
        message: The same for people.
        hint: What to do about a bad one.
        sha256: Of the file as it is.
    """

    state: Literal["good", "unrecorded", "bad"]
    folder: str
    name: str
    message: str
    hint: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON data."""
        return {key: value for key, value in asdict(self).items() if value}


def verify(catalogue: Catalogue, folder: str, name: str, advance: Advance = lambda count: None) -> Verdict:
    """Read a model through and hold it against the checksums that are recorded for it.

    They come from the record of its pull, from a file of Civitai beside it, or from its own metadata.
    A model that is there under a name that none can have is bad.

    Raises:
        ModelError: As ``Catalogue.find``.
    """
    try:
        path = catalogue.find(folder, name)
    except ModelError as error:
        if name not in catalogue.names(folder):
            raise
        return Verdict("bad", folder, name, error.message, error.hint)
    try:
        if path.is_dir():
            return _verify_folder(folder, name, path, advance)
        return _verify_file(folder, name, path, advance)
    except OSError as error:
        return Verdict("bad", folder, name, f"it cannot be read: {error}", "Check the disk that it lies on.")
    except ModelError as error:
        return Verdict("bad", folder, name, error.message, error.hint)


def _verify_file(folder: str, name: str, path: Path, advance: Advance) -> Verdict:
    if path.suffix == ".bin":  # of an installed Python package, which pip has checked
        digest, _ = _digests(path, 0, advance)
        return Verdict("unrecorded", folder, name, "it belongs to an installed package", sha256=digest)
    header = read_header(path)
    recorded = first_of((notes_beside(path, files_in(path.parent)), notes_of_metadata(header.metadata)))
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
    digest, tensors = _digests(path, start, advance)
    remember_digest(path, digest)
    for said, read in ((recorded.sha256, digest), (recorded.tensors_sha256, tensors)):
        if said and said != read:
            return Verdict(
                "bad",
                folder,
                name,
                f"its checksum is {read[:12]}…, recorded is {said[:12]}…: it has changed, or is another file",
                "Move it away and get it again, or delete the file beside it that records the checksum.",
                digest,
            )
    if recorded.sha256 or recorded.tensors_sha256:
        return Verdict("good", folder, name, "its checksum is the recorded one", sha256=digest)
    return Verdict(
        "unrecorded", folder, name, "it is whole; no checksum is recorded to hold it against", sha256=digest
    )


def _verify_folder(folder: str, name: str, path: Path, advance: Advance) -> Verdict:
    files = sorted(path.rglob("*.safetensors"))
    if not files:
        return Verdict("bad", folder, name, "it has no .safetensors file", "Download all files of the model.")
    for file in files:
        read_header(file)
        remember_digest(file, _digests(file, 0, advance)[0])
    return Verdict("unrecorded", folder, name, "its files are whole; no checksum is recorded for a folder")


def _digests(path: Path, start: int, advance: Advance) -> tuple[str, str]:
    """Return the SHA-256 of a file, and that of what begins at a place in it."""
    whole, part = hashlib.sha256(), hashlib.sha256()
    left = start
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
            part.update(chunk[left:] if left else chunk)
            left = max(0, left - len(chunk))
            advance(len(chunk))
    return whole.hexdigest(), part.hexdigest()
