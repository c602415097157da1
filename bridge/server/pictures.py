"""The pictures that a workflow may name: what lies in the input folder, and results by ``name [output]``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import overload

from bridge.errors import InputError
from bridge.paths import resolve_in, split_annotation

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npz", ".exr")

MAX_LISTED = 10_000
"""Names; a folder that holds more is not listed to its end, but each of its files may be named."""


class PictureNames(Sequence[str]):
    """The names of the pictures in a folder.

    Asking for one name looks at one file, however full the folders are; only listing lists. The worker
    judges a name again when it opens the file.

    Args:
        folders: ``input``, ``output`` and ``temp``.
        home: The one that is listed, and where a name without a folder is.
    """

    def __init__(self, folders: Mapping[str, Path], home: str = "input") -> None:
        self._folders = folders
        self._home = home

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        folder, name = split_annotation(name, self._home)
        try:
            return resolve_in(self._folders[folder], name).is_file()
        except (InputError, OSError):
            return False

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._listed[index]

    def __len__(self) -> int:
        return len(self._listed)

    @cached_property
    def _listed(self) -> Sequence[str]:
        names = _pictures_below(self._folders[self._home])
        return sorted(name for name, _ in zip(names, range(MAX_LISTED), strict=False))


def _pictures_below(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES):
                yield (Path(place) / name).relative_to(folder).as_posix()
