"""Files beside a model that tell of it: ours, and those of A1111's and ComfyUI's helpers.

| file beside ``X.safetensors`` | written by |
|---|---|
| ``X.framebridge.json`` | ``framebridge models pull`` |
| ``X.civitai.info`` | Civitai Helper of A1111 |
| ``X.metadata.json`` | ComfyUI's LoRA Manager |
| ``X.json`` | A1111's own card editor |
| ``X.preview.png``, ``X.png`` … | all of them |
"""

import base64
import binascii
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bridge.models.civitai import notes_of_version
from bridge.models.notes import Notes, digest_in, first_of, json_of, line_of, text_of, words_of

RECORD_ENDING = ".framebridge.json"

PICTURE_ENDINGS = tuple(
    f"{middle}.{ending}" for middle in (".preview", "") for ending in ("png", "jpg", "jpeg", "webp")
)
_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")

MOST_JSON_BYTES = 4_000_000
MOST_PICTURE_BYTES = 2_000_000
"""A preview larger than this is passed over."""


def notes_beside(path: Path, listed: Collection[str]) -> Notes:
    """Return what the files beside a model say of it.

    Args:
        path: Of the model: a file, or a folder in diffusers' layout.
        listed: Names of the files in its folder.
    """
    found = []
    for ending, notes_in in _READERS.items():
        file = path.with_name(path.stem + ending)
        if file.name in listed and isinstance(data := json_of(_content(file, MOST_JSON_BYTES)), dict):
            found.append(notes_in(data, path.name))
    return first_of(found)


def picture_beside(path: Path, listed: Collection[str]) -> Path | None:
    """Return the preview picture beside a model, if there is one."""
    names = (path.stem + ending for ending in PICTURE_ENDINGS)
    return next((path.with_name(name) for name in names if name in listed), None)


def thumbnail(path: Path, metadata: Mapping[str, str]) -> bytes:
    """Return the preview of a model as PNG, JPEG or WebP: the one beside it, else the one in it; or nothing.

    Args:
        path: Of the model.
        metadata: Of its header.
    """
    beside = picture_beside(path, files_in(path.parent))
    for data in (_content(beside, MOST_PICTURE_BYTES) if beside else b"", _inside(metadata)):
        if data.startswith(_PICTURE_STARTS):
            return data
    return b""


def files_in(folder: Path) -> frozenset[str]:
    """Return the names in a folder; none if it cannot be read."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def record_text(source: str, notes: Notes, size: int, pulled: str) -> str:
    """Return what is kept beside a model that was pulled.

    Args:
        source: The address it came from, without secrets.
        notes: What is known of it.
        size: Bytes.
        pulled: The day, as in 2026-01-31.
    """
    said = {
        "source": source,
        "bytes": size,
        "sha256": notes.sha256,
        "pulled": pulled,
        "title": notes.title,
        "author": notes.author,
        "licence": notes.licence,
        "base_model": notes.base_model,
        "triggers": list(notes.triggers),
        "description": notes.description,
    }
    return json.dumps({key: value for key, value in said.items() if value}, indent=2, ensure_ascii=False)


def _record(data: Mapping[str, Any], name: str) -> Notes:
    return Notes(
        title=line_of(data.get("title")),
        author=line_of(data.get("author")),
        description=text_of(data.get("description")),
        triggers=words_of(data.get("triggers") or []),
        licence=line_of(data.get("licence")),
        base_model=line_of(data.get("base_model")),
        source=line_of(data.get("source")),
        sha256=digest_in(data.get("sha256")),
    )


def _civitai(data: Mapping[str, Any], name: str) -> Notes:
    return notes_of_version(data, name)


def _lora_manager(data: Mapping[str, Any], name: str) -> Notes:
    own = Notes(
        title=line_of(data.get("model_name")),
        base_model=line_of(data.get("base_model")),
        sha256=digest_in(data.get("sha256")),
    )
    return first_of((own, notes_of_version(data.get("civitai"), name)))


def _a1111(data: Mapping[str, Any], name: str) -> Notes:
    return Notes(
        description=text_of(data.get("description") or data.get("notes")),
        triggers=words_of(data.get("activation text")),
        base_model=line_of(data.get("sd version")),
        sha256=digest_in(data.get("sha256")),
    )


_READERS = {
    RECORD_ENDING: _record,
    ".civitai.info": _civitai,
    ".metadata.json": _lora_manager,
    ".json": _a1111,
}


def _inside(metadata: Mapping[str, str]) -> bytes:
    text = metadata.get("modelspec.thumbnail", "")
    if not text.startswith("data:image/") or len(text) > 2 * MOST_PICTURE_BYTES:
        return b""
    try:
        return base64.b64decode(text.partition(",")[2], validate=True)
    except binascii.Error:
        return b""


def _content(file: Path, most: int) -> bytes:
    """Return what a file holds, or nothing if it is too large or cannot be read."""
    try:
        return file.read_bytes() if file.is_file() and file.stat().st_size <= most else b""
    except OSError:
        return b""
