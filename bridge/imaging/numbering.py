"""Names of saved pictures: ``PREFIX_00001_.png``, counted upwards, never overwriting.

1. A folder is listed once per prefix and process; after that the next number is known.
2. A number is taken by giving the finished file its name, which fails if the name exists: two writers,
   of one process or two, never take the same one.
3. Nobody ever sees half a file under its final name.
"""

import itertools
import os
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from bridge.files import take_name, write_temporary

_DATE = re.compile(r"%date:([^%]+)%")
_DATE_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
_DATE_PART = re.compile("|".join(_DATE_PARTS))


def expand_prefix(prefix: str, width: int, height: int, now: datetime) -> str:
    """Fill the tokens of a file name prefix.

    ComfyUI's ``%width% %height% %year% %month% %day% %hour% %minute% %second%``, and
    ``%date:yyyy-MM-dd_hh-mm-ss%``.

    Args:
        prefix: As the artist wrote it.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        now: The time to name.
    """
    values = {
        "width": str(width),
        "height": str(height),
        "year": f"{now.year:04}",
        "month": f"{now.month:02}",
        "day": f"{now.day:02}",
        "hour": f"{now.hour:02}",
        "minute": f"{now.minute:02}",
        "second": f"{now.second:02}",
    }
    for token, value in values.items():
        prefix = prefix.replace(f"%{token}%", value)
    return _DATE.sub(
        lambda date: _DATE_PART.sub(lambda part: now.strftime(_DATE_PARTS[part[0]]), date[1]), prefix
    )


def save_numbered(folder: Path, stem: str, data: bytes, suffix: str = ".png") -> Path:
    """Write a file under the next free number.

    Args:
        folder: Made if missing.
        stem: What stands in front of the number.
        data: The whole file.
        suffix: What stands behind.

    Returns:
        The path, ``folder/stem_00001_.png``.

    Raises:
        OSError: If the disk is full or the folder cannot be written; nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return take_number(write_temporary(folder, data), folder / stem, suffix)


def take_number(temporary: Path, stem: Path, suffix: str) -> Path:
    """Give a finished file the next free number, beside where it was written.

    Args:
        temporary: In the same folder; gone afterwards, also when this fails.
        stem: Folder, and what stands in front of the number.
        suffix: What stands behind.

    Returns:
        The path, ``stem_00001_.png``.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder = stem.parent
    try:
        for count in _numbers(folder, stem.name, suffix):
            path = folder / f"{stem.name}_{count:05}_{suffix}"
            if take_name(temporary, path):
                return path
    finally:
        temporary.unlink(missing_ok=True)
    raise AssertionError("numbers never end")


@lru_cache(maxsize=1024)
def _numbers(folder: Path, stem: str, suffix: str) -> "itertools.count[int]":
    """Return the numbers still to try; shared by all writers of this process."""
    pattern = re.compile(rf"{re.escape(stem)}_(\d+)_?{re.escape(suffix)}", re.IGNORECASE)
    taken = (pattern.fullmatch(entry.name) for entry in os.scandir(folder))
    return itertools.count(max((int(match[1]) for match in taken if match), default=0) + 1)
