"""``POST /upload/image`` and ``/upload/mask``: pictures of clients, into the input folder or another.

1. The same bytes under the same name are one file; other bytes get the name ``name (1).png``, unless the
   client says ``overwrite``.
2. A file appears whole, under a name that it took for itself; two uploads at once never mix.
3. A file that is called a picture must be one, of bearable size, judged before anything decodes it.
"""

import asyncio
import filecmp
import itertools
import json
import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.clerk import PictureClerk
from bridge.comfy.picture_head import judged
from bridge.comfy.places import Folders, file_at, keeping, leave_room
from bridge.files import take_name, write_temporary
from bridge.paths import split_annotation
from bridge.server import as_json

MAX_FIELD_BYTES = 64 * 1024
MAX_FIELDS = 16

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def upload_routes(folders: Folders, clerk: PictureClerk) -> list[Route]:
    """Return the routes that take files.

    Args:
        folders: Where they go.
        clerk: Joins masks and pictures.
    """
    taker = Taker(folders, clerk)
    return [
        Route("/upload/image", taker.image, methods=["POST"]),
        Route("/upload/mask", taker.mask, methods=["POST"]),
    ]


class Taker:
    """Takes files of clients."""

    def __init__(self, folders: Folders, clerk: PictureClerk) -> None:
        self._folders = folders
        self._clerk = clerk

    async def image(self, request: Request) -> Response:
        """Keep the file ``image`` of a form."""
        async with request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            return await self._keep(form, await _file_of(form).read())

    async def mask(self, request: Request) -> Response:
        """Keep the picture that ``original_ref`` names, with the alpha of the file ``image``."""
        async with request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            original = self._original(form)
            data = await _file_of(form).read()
            judged("the mask", data)
            with keeping("the mask"):
                mask = await asyncio.to_thread(write_temporary, self._folders["temp"], data)
            try:
                _, joined = await self._clerk.with_alpha(original, mask)
            finally:
                mask.unlink(missing_ok=True)
            return await self._keep(form, joined)

    async def _keep(self, form: FormData, data: bytes) -> Response:
        name = _file_of(form).filename or ""
        if not name:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "the file has no name")
        if name.lower().endswith(PICTURE_SUFFIXES):
            judged(name, data)
        folder, name = split_annotation(name, _text(form, "type") or "input")
        subfolder = _text(form, "subfolder")
        path = file_at(self._folders, name, folder, subfolder)
        replaces = _text(form, "overwrite") in ("true", "1")
        with keeping(path.name):
            kept = await asyncio.to_thread(_write, path, data, replaces=replaces)
        return as_json(
            {"name": str(PurePosixPath(name).with_name(kept.name)), "subfolder": subfolder, "type": folder}
        )

    def _original(self, form: FormData) -> Path:
        reference = _reference(_text(form, "original_ref"))
        path = file_at(
            self._folders,
            str(reference.get("filename", "")),
            str(reference.get("type", "output")),
            str(reference.get("subfolder", "")),
        )
        if not os.path.isfile(path):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {path.name}")
        return path


def _write(path: Path, data: bytes, *, replaces: bool) -> Path:
    """Keep bytes under a name, or under the next free one like it; return which."""
    leave_room(path, len(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_temporary(path.parent, data)
    try:
        if replaces:
            return temporary.replace(path)
        for candidate in _names_like(path):
            if take_name(temporary, candidate) or _is_same(temporary, candidate):
                return candidate
    finally:
        temporary.unlink(missing_ok=True)
    raise AssertionError("names never end")


def _names_like(path: Path) -> Iterator[Path]:
    yield path
    for count in itertools.count(1):
        yield path.with_name(f"{path.stem} ({count}){path.suffix}")


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same; those of different size are not read."""
    try:
        return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)
    except OSError:  # a folder of that name, or gone meanwhile
        return False


def _file_of(form: FormData) -> UploadFile:
    file = form.get("image")
    if not isinstance(file, UploadFile):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "send the file as image")
    return file


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _reference(text: str) -> dict[str, Any]:
    try:
        reference = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "original_ref is no JSON") from error
    if not isinstance(reference, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "original_ref names no file")
    return reference
