"""What all nodes that save have in common: where files go, what they carry, what is said of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.errors import ExecutionError
from bridge.imaging.numbering import expand_prefix
from bridge.paths import beginning_in


def output_stem(root: Path, prefix: str, width: int = 0, height: int = 0) -> Path:
    """Return the folder and the beginning of a name that a prefix stands for.

    Args:
        root: The folder that the file stays in.
        prefix: As the artist wrote it; see ``expand_prefix``. An empty one is ``ComfyUI``.
        width: Of the picture, pixels.
        height: Of the picture, pixels.

    Raises:
        InputError: ``bad_path`` if it leads out of the folder.
    """
    return beginning_in(root, expand_prefix(prefix or "ComfyUI", width, height, datetime.now()))


def workflow_texts(prompt: Mapping[str, Any] | None, extra: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a file keeps of its origin, as ComfyUI does: name → JSON.

    Args:
        prompt: The workflow as submitted; ``None`` if there is none.
        extra: Whatever else the client wants kept.
    """
    kept = {"prompt": prompt} if prompt is not None else {}
    return {key: json.dumps(value) for key, value in (kept | dict(extra or {})).items()}


def output_entry(saved: Path, root: Path, kind: str) -> dict[str, str]:
    """Describe a saved file as ComfyUI's clients expect it.

    Args:
        saved: The file.
        root: The folder that it is in, perhaps further down.
        kind: Which folder that is: ``output``, ``temp``.
    """
    subfolder = saved.parent.relative_to(root.resolve()).as_posix()
    return {"filename": saved.name, "subfolder": "" if subfolder == "." else subfolder, "type": kind}


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Say it to people when the disk is full or closed to us.

    Raises:
        ExecutionError: Code ``output_failed``, for an OSError in the block.
    """
    try:
        yield
    except OSError as error:
        raise ExecutionError(
            f"nothing can be written to {folder}: {error.strerror or error}",
            code="output_failed",
            hint="Is there room on the disk, and is the folder writable?",
        ) from error
