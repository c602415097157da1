"""Names from outside, and the folders they must stay in. Standard library only."""

import os
import re
from pathlib import Path, PureWindowsPath

from bridge.errors import InputError

MAX_NAME_BYTES = 200
"""Of one part of a path; file systems allow 255, and numbers and suffixes come on top."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that mean devices on Windows, whatever the suffix."""

_ANNOTATION = re.compile(r"(.*?) ?\[(input|output|temp)\]")
"""ComfyUI's way to name a file in another folder."""


def resolve_in(root: Path, name: str) -> Path:
    """Return the path of a name inside a folder, and never one outside it.

    Both slashes part folders, on every system, so that a workflow means the same everywhere.

    Args:
        root: The folder; need not exist.
        name: A relative path.

    Raises:
        InputError: ``bad_path`` where the name is absolute, climbs out, follows a link out, or is none
            that every system can hold.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    is_absolute = name.startswith(("/", "\\")) or bool(PureWindowsPath(name).drive)
    if is_absolute or ".." in parts or not parts or not all(map(_is_sound, parts)):
        raise _refusal(name)
    base = Path(os.path.realpath(root))
    path = Path(os.path.realpath(base.joinpath(*parts)))
    if not path.is_relative_to(base):
        raise _refusal(name)
    return path


def split_annotation(name: str, home: str) -> tuple[str, str]:
    """Part ``name [output]`` into the folder it names and the name; without one, ``home`` is meant."""
    match = _ANNOTATION.fullmatch(name)
    return (match[2], match[1]) if match else (home, name)


def _is_sound(part: str) -> bool:
    try:
        size = len(part.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    has_forbidden = any(ord(char) < 32 or char in '<>:"|?*' for char in part)
    return size <= MAX_NAME_BYTES and not has_forbidden and not _RESERVED.fullmatch(part)


def _refusal(name: str) -> InputError:
    shown = name.encode(errors="replace").decode()[:80]
    return InputError(
        f"{shown!r} is not a name inside the folder",
        code="bad_path",
        hint="Give a relative name; pictures stay inside the input and output folders.",
    )
