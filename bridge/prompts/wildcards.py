"""Wildcards: text files of values, one a line, that ``__name__`` in a prompt draws from.

Rules:
1. ``__animal__`` is ``animal.txt``; ``__creatures/animal__`` lies in a folder; ``*`` stands for any name of a
   folder. Letter case does not matter. Of several folders the first that has the name counts.
2. Nothing outside the folders is read, links that lead out of them included.
3. Blank lines and what follows ``#`` at the beginning of a line are left out.
"""

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from bridge.errors import InputError
from bridge.host.prompt_file import read_text, split_prompts

MAX_FILES = 10_000
MAX_FILE_BYTES = 16 * 1024 * 1024


class Wildcards:
    """The wildcards of some folders, read when they are first asked for.

    Args:
        folders: Searched in this order; those that do not exist are passed over.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(folders)
        self._values: dict[str, tuple[str, ...]] = {}

    @cached_property
    def names(self) -> Mapping[str, Path]:
        """Name → file, in the order of the folders.

        Raises:
            InputError: ``too_many_wildcards``.
        """
        found: dict[str, Path] = {}
        for folder in self._folders:
            home = folder.resolve()
            for file in sorted(folder.rglob("*.txt")):
                if file.is_file() and file.resolve().is_relative_to(home):
                    name = file.relative_to(folder).with_suffix("").as_posix()
                    found.setdefault(name, file)
                if len(found) > MAX_FILES:
                    raise InputError(
                        f"{folder} holds more than {MAX_FILES} wildcards",
                        code="too_many_wildcards",
                        hint="Choose the folder that holds wildcards and nothing else.",
                    )
        return found

    def values(self, name: str) -> tuple[str, ...]:
        """Return what a wildcard may be, at least one value.

        Raises:
            InputError: ``unknown_wildcard``, or ``empty_wildcard``, ``not_text`` or ``prompts_too_large`` for
                its file.
        """
        key = name.strip().lower()
        if key not in self._values:
            files = [file for known, file in self.names.items() if _is_meant(key, known.lower())]
            if not files:
                raise self._unknown(name)
            self._values[key] = tuple(dict.fromkeys(value for file in files for value in _read(file)))
        return self._values[key]

    def _unknown(self, name: str) -> InputError:
        nearest = difflib.get_close_matches(name.lower(), self.names, n=1)
        where = " or ".join(str(folder) for folder in self._folders) or "a folder, and name that folder"
        return InputError(
            f"there is no wildcard __{name[:80]}__",
            code="unknown_wildcard",
            hint=f"Did you mean __{nearest[0]}__?" if nearest else f"Put {name[:80]}.txt into {where}.",
        )


def _is_meant(asked: str, known: str) -> bool:
    """Tell whether a name is the one asked for; ``*`` does not reach into folders."""
    left, right = asked.split("/"), known.split("/")
    return len(left) == len(right) and all(map(fnmatch.fnmatchcase, right, left))


def _read(file: Path) -> list[str]:
    values = [line.text for line in split_prompts(read_text(file, MAX_FILE_BYTES))]
    if not values:
        raise InputError(
            f"the wildcard file {file} has no values", code="empty_wildcard", hint="Write one value a line."
        )
    return values
