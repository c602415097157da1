"""Names from outside, and the folders they must stay in. Standard library only.

1. Every path that a workflow or a client names goes through ``parts_of``, and all but the names of models,
   whose folders may link to each other, through ``resolve_in``.
2. Both slashes part folders, on every system, so that a workflow means the same everywhere.
3. A name is judged as text, then where its links lead; ``open_in`` also refuses a link that somebody puts
   there between the judgement and the opening.
"""

import errno
import os
import re
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from bridge.errors import InputError

MAX_NAME_BYTES = 200
"""Of one part of a path; file systems allow 255, and numbers and suffixes come on top."""

MAX_PARTS = 32

MAX_NAMES_BYTES = 3000
"""Of all parts of a path together."""

MAX_PATH_BYTES = 4000
"""Of a whole path; systems allow 4096, and what a file is called until it is whole comes on top."""

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])[ .]*(\..*)?", re.IGNORECASE)
"""Names that mean devices on Windows, whatever the suffix."""

_FORBIDDEN = re.compile(r'[<>:"|?*]')

_ANNOTATION = re.compile(r"(.*?) ?\[(input|output|temp)\]")
"""ComfyUI's way to name a file in another folder."""


def resolve_in(root: Path, name: str) -> Path:
    """Return the path of a name inside a folder, and never one outside it.

    Args:
        root: The folder; need not exist.
        name: A relative path.

    Raises:
        InputError: ``bad_path`` where the name is absolute, climbs out, follows a link out, is too
            long, or is none that every system can hold.
    """
    parts = parts_of(name)
    if _FORBIDDEN.search(name):
        raise _refusal(name)
    base = Path(os.path.realpath(root))
    path = Path(os.path.realpath(base.joinpath(*parts)))
    if path == base or not path.is_relative_to(base) or len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise _refusal(name)
    return path


def beginning_in(root: Path, prefix: str) -> Path:
    """Return the path of the beginning of a name, which a number and a suffix follow.

    Args:
        root: The folder; need not exist.
        prefix: As ``split_beginning`` takes it.

    Raises:
        InputError: As ``resolve_in``.
    """
    whole, rest = split_beginning(prefix)
    path = resolve_in(root, whole)
    return path.with_name(path.name + rest)


def split_beginning(prefix: str) -> tuple[str, str]:
    """Part the beginning of a name into one that could be whole, and the dots and spaces behind it.

    Args:
        prefix: Folders, and a beginning. What no name can hold on some system becomes ``_``.

    Raises:
        InputError: As ``parts_of``.
    """
    if not PureWindowsPath(prefix).drive:
        prefix = _FORBIDDEN.sub("_", prefix)
    whole = prefix.rstrip(". ")
    if not whole or whole.endswith(("/", "\\")):
        whole = prefix
    parts_of(whole)
    return whole, prefix[len(whole) :]


def open_in(root: Path, name: str) -> BinaryIO:
    """Open a file inside a folder for reading.

    Raises:
        InputError: As ``resolve_in``.
        OSError: If there is no such file, or it is a folder.
    """
    path = resolve_in(root, name)
    try:
        return open(path, "rb", opener=_open_no_link)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refusal(name) from error
        raise


def parts_of(name: str) -> tuple[str, ...]:
    """Part a relative path into the names of its folders and its file.

    Raises:
        InputError: ``bad_path`` where it is absolute, climbs, is empty or too long, names a device, or has
            parts that no file can be called.
    """
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    is_absolute = name.startswith(("/", "\\")) or bool(PureWindowsPath(name).drive)
    is_sound = 0 < len(parts) <= MAX_PARTS and ".." not in parts and all(map(_is_sound, parts))
    if is_absolute or not is_sound or len("/".join(parts).encode()) > MAX_NAMES_BYTES:
        raise _refusal(name)
    return parts


def split_annotation(name: str, home: str) -> tuple[str, str]:
    """Part ``name [output]`` into the folder it names and the name; without one, ``home`` is meant."""
    match = _ANNOTATION.fullmatch(name)
    return (match[2], match[1]) if match else (home, name)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _is_sound(part: str) -> bool:
    try:
        size = len(part.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    has_forbidden = any(ord(char) < 32 or char == ":" for char in part)
    is_cut = part != part.rstrip(". ")  # by Windows, which then means another file
    return size <= MAX_NAME_BYTES and not has_forbidden and not is_cut and not _RESERVED.fullmatch(part)


def _refusal(name: str) -> InputError:
    shown = name.encode(errors="replace").decode()[:80]
    return InputError(
        f"{shown!r} is not a name inside the folder",
        code="bad_path",
        hint="Give a relative name, of which no part ends in a dot or space; files stay inside their folder.",
    )
