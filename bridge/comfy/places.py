"""What a request says about a file, turned into a path: folder, subfolder, name."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

from bridge.errors import BridgeError, InputError
from bridge.graph import PICTURE_FOLDERS
from bridge.paths import resolve_in, split_annotation
from bridge.server import MIN_FREE_BYTES

SMALL_BYTES = 1024 * 1024
"""What is as small, such as a workflow or a setting, is kept while there is any room."""

Folders = Mapping[str, Path]
"""``input``, ``output`` and ``temp``: the only folders whose files the routes of pictures know."""


def file_at(folders: Folders, filename: str, folder: str, subfolder: str = "") -> Path:
    """Return the path of a file that a client names in ComfyUI's way.

    Args:
        folders: Where files may be.
        filename: May end in `` [output]``, `` [input]`` or `` [temp]``, which then counts.
        folder: ``input``, ``output`` or ``temp``.
        subfolder: Below that.

    Raises:
        HTTPException: 400 if the name or the folder is none, 403 if the subfolder leads out.
    """
    folder, filename = split_annotation(filename, folder)
    if folder not in PICTURE_FOLDERS:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "type is input, output or temp")
    try:
        resolve_in(folders[folder], filename)
    except InputError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, error.message) from error
    try:
        return resolve_in(folders[folder], f"{subfolder}/{filename}" if subfolder else filename)
    except InputError as error:
        raise HTTPException(HTTPStatus.FORBIDDEN, error.message) from error


def below(root: Path, name: str) -> Path:
    """Return the path of a name below a folder.

    Raises:
        HTTPException: 403 if it leads out, or is none that every system can hold.
    """
    try:
        return resolve_in(root, name)
    except InputError as error:
        raise HTTPException(HTTPStatus.FORBIDDEN, error.message) from error


def leave_room(path: Path, size: int) -> None:
    """Refuse a file that leaves too little room on its disk for results, unless it is small.

    Args:
        path: Where it is to be; its folder need not exist.
        size: Bytes.

    Raises:
        BridgeError: ``disk_full``.
        OSError: If the disk cannot be asked.
    """
    if size <= SMALL_BYTES:
        return
    place = next(folder for folder in path.parents if os.path.isdir(folder))
    if shutil.disk_usage(place).free - size < MIN_FREE_BYTES:
        raise BridgeError(
            f"{path.name} is not kept: less than {MIN_FREE_BYTES / 1e9:.0f} GB would be left on the disk",
            code="disk_full",
            hint="Make room on the disk.",
        )


@contextmanager
def keeping(name: str) -> Iterator[None]:
    """Say it to people when a file cannot be kept.

    Raises:
        BridgeError: ``output_failed``, for an OSError in the block.
    """
    try:
        yield
    except OSError as error:
        raise BridgeError(
            f"{name} cannot be kept: {error.strerror or error}",
            code="output_failed",
            hint="Is there room on the disk, and is the folder writable?",
        ) from error


def is_set(request: Request, name: str, default: str = "") -> bool:
    """Tell whether a query says ``true`` to something."""
    return request.query_params.get(name, default).lower() == "true"
