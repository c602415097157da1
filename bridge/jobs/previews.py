"""Preview pictures in the ``temp`` folder: they live as long as the history that shows them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def sweep_previews(folder: Path, shown: Iterable[Mapping[str, Mapping[str, Any]]]) -> None:
    """Remove the files of a folder that nothing in the history shows.

    Args:
        folder: The ``temp`` folder; it may not exist.
        shown: Of each job that is remembered: node id → what it shows, in ComfyUI's form.
    """
    kept = {folder / name for job in shown for name in _names(job)}
    for path in sorted(folder.rglob("*"), reverse=True):  # files before the folders they are in
        with suppress(OSError):  # a folder that is not empty stays
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path not in kept:
                path.unlink()


def _names(job: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    for node in job.values():
        for entries in node.values():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and entry.get("type") == "temp":
                    yield Path(str(entry.get("subfolder", ""))) / str(entry.get("filename", ""))
