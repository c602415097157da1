"""Files that are written whole or not at all. Standard library only.

1. Nobody ever sees half a file under its final name, nor after a crash.
2. A name is taken by giving it to the finished file, which fails if the name exists: of two writers, of one
   process or two, never both have it.
"""

import errno
import os
import secrets
import sys
from pathlib import Path

_PART_SUFFIX = ".part"
"""Of files that are not whole yet; they are hidden too."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system without hard links (exFAT, some network shares) answers."""


def write_temporary(folder: Path, data: bytes) -> Path:
    """Write bytes into a new hidden file of a folder, to be renamed when it is whole.

    Raises:
        OSError: If the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = folder / f".{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def take_name(temporary: Path, path: Path) -> bool:
    """Give a file its final name, and return whether nobody had it; the temporary name may stay too."""
    try:
        if sys.platform == "win32":
            os.rename(temporary, path)
        else:
            os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _take_name_without_links(temporary, path)
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Write a file anew: after a crash at any moment it holds what it held, or all of this.

    Args:
        path: Its folder is made if missing.
        data: The whole file.

    Raises:
        OSError: If it cannot be written; nothing has changed then.
    """
    temporary = _written_beside(path, data)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def new_file(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet, and return whether it was not; one that is stays as it is.

    Args:
        path: Its folder is made if missing.
        data: The whole file.

    Raises:
        OSError: If it cannot be written.
    """
    temporary = _written_beside(path, data)
    try:
        return take_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _written_beside(path: Path, data: bytes) -> Path:
    """Write a temporary file that a power cut leaves whole; else its new name could lack its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_temporary(path.parent, data)
    try:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _take_name_without_links(temporary: Path, path: Path) -> bool:
    """Hold the name with an empty file for the moment between the check and the rename."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    os.replace(temporary, path)
    return True
