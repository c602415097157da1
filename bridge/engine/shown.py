"""What nodes show, in ComfyUI's form: ``{"images": [{"filename": …, "subfolder": …, "type": "output"}]}``."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def merge_shown(shown: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add to what a node shows: lists of one name are joined, anything else is replaced."""
    for name, value in more.items():
        known = shown.get(name)
        shown[name] = [*known, *value] if isinstance(known, list) and isinstance(value, list) else value


def is_gone(shown: Mapping[str, Any], folders: Mapping[str, Path]) -> bool:
    """Tell whether a file that a node shows is not there any more, because somebody has deleted it.

    Args:
        shown: By the node.
        folders: ``output`` and ``temp``: where such files are.
    """
    return any(not os.path.exists(path) for path in _files(shown, folders))


def _files(shown: Mapping[str, Any], folders: Mapping[str, Path]) -> Iterator[Path]:
    for entries in shown.values():
        for entry in entries if isinstance(entries, (list, tuple)) else ():
            match entry:
                case {"filename": str(name), "subfolder": str(subfolder), "type": str(kind)}:
                    if kind in folders:
                        yield folders[kind] / subfolder / name
