"""Putting a file among the models: into the folder of its kind, under a plain name, over nothing."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from bridge.errors import ModelError
from bridge.models.catalogue import FOLDERS
from bridge.models.header import read_header
from bridge.models.place import folder_of

LONGEST_NAME = 150
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_ENDING = re.compile(r"\.(safetensors|sft|bin|ckpt|pt|pth)$", re.IGNORECASE)


def add_file(source: Path, root: Path, folder: str = "", *, links: bool = False) -> Path:
    """Copy a model into a folder of models; returns where it is.

    Args:
        source: A safetensors file, which stays as it is.
        root: The folder of models.
        folder: Its kind; judged by its content if empty.
        links: Whether to make a second name of the same file, which takes no room, instead of a copy.

    Raises:
        ModelError: What is wrong with it; ``file_exists``; ``bad_folder`` if it cannot be written.
    """
    kind = folder_of(read_header(source), source.name, folder)
    target = place_for(root, kind) / file_name(source.name)
    if target.exists() or target.is_symlink():
        raise ModelError(
            f'"{target.name}" is there already, in {target.parent}',
            code="file_exists",
            hint="Nothing is ever overwritten: rename the new file first, if it is another one.",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if links:
            os.link(source, target)
        else:
            _copy(source, target)
    except OSError as error:
        hint = "Leave --link away: both must lie on one disk." if links else "Is there room on the disk?"
        raise ModelError(f"{target} cannot be written: {error}", code="bad_folder", hint=hint) from error
    return target


def place_for(root: Path, folder: str) -> Path:
    """Return the folder of a kind below a folder of models: the one that is there, else ComfyUI's."""
    for parent in (root, root / "models"):
        for name in FOLDERS[folder]:
            if (parent / name).is_dir():
                return parent / name
    base = root / "models" if (root / "models").is_dir() else root
    return base / FOLDERS[folder][0]


def file_name(text: str) -> str:
    """Return a plain file name that ends in ``.safetensors``, made of whatever somebody calls a file."""
    stem = _ENDING.sub("", _plain(text.replace("\\", "/").rstrip("/").rpartition("/")[2]))
    return f"{stem[:LONGEST_NAME].strip(' .') or 'model'}.safetensors"


def folders_in(text: str) -> tuple[str, ...]:
    """Return the folders in the name of a model, each plain: none leads upwards."""
    parts = text.replace("\\", "/").split("/")[:-1]
    return tuple(plain for part in parts if part.strip(" .") and (plain := _plain(part)))


def _plain(text: str) -> str:
    plain = re.sub(r"[^\w.()+ -]", "_", text).strip(" .")[: LONGEST_NAME + 20]
    return f"model_{plain}" if _DEVICES.match(plain) else plain


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        with source.open("rb") as there, partial.open("xb") as here:
            shutil.copyfileobj(there, here, 4 * 1024 * 1024)
            here.flush()
            os.fsync(here.fileno())
        try:
            os.link(partial, target)  # fails if there is one
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            partial.rename(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
