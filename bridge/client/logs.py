"""The daemon's log: where it lies, and its end. It holds no prompts and no secrets."""

import os
from pathlib import Path

from .runtime import state_folder


def log_file() -> Path:
    """Return where the daemon's log lies; it may not exist yet."""
    return state_folder() / "daemon.log"


def last_lines(file: Path, most_bytes: int) -> list[str]:
    """Return the whole lines at the end of a text file, without their ends; none if it cannot be read.

    Args:
        file: UTF-8; what is not is replaced.
        most_bytes: How much of its end is read.
    """
    try:
        with file.open("rb") as log:
            cut = log.seek(0, os.SEEK_END) > most_bytes
            log.seek(-most_bytes if cut else 0, os.SEEK_END if cut else os.SEEK_SET)
            lines = log.read(most_bytes).decode(errors="replace").splitlines()
    except OSError:
        return []
    return lines[1:] if cut else lines
