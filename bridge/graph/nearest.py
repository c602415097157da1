"""What somebody probably meant by a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PureWindowsPath

MAX_LENGTH = 200
"""Longer names are not compared: the comparison takes time that grows with their square."""


class Suggestions:
    """Finds names that look alike, a limited number of times.

    Args:
        budget: How many names to look up; a workflow that is wrong all over gets no further ones,
            so that it cannot keep the daemon busy.
    """

    def __init__(self, budget: int = 20) -> None:
        self._budget = budget

    def nearest(self, name: str, names: Iterable[str], count: int = 1) -> list[str]:
        """Return the names that look most like the wrong one, best first; case is ignored."""
        self._budget -= 1
        if self._budget < 0 or len(name) > MAX_LENGTH:
            return []
        spellings = {candidate.casefold(): candidate for candidate in names}
        return [spellings[match] for match in get_close_matches(name.casefold(), spellings, count)]

    def nearest_files(self, name: str, names: Iterable[str], count: int = 3) -> list[str]:
        """Return the files that look most like a missing one; folders and suffixes are not compared."""
        files: dict[str, list[str]] = {}
        for file in names:
            files.setdefault(_stem(file), []).append(file)
        found = [file for stem in self.nearest(_stem(name), files, count) for file in files[stem]]
        return found[:count]

    def did_you_mean(self, name: str, names: Iterable[str]) -> str:
        """Ask about the nearest name; an empty text if nothing is near."""
        found = self.nearest(name, names)
        return f'Did you mean "{found[0]}"?' if found else ""


def _stem(file: str) -> str:
    """Return a file's name alone; Windows' rules take both kinds of slash for a separator."""
    return PureWindowsPath(file).stem
