"""``/userdata``: the user's own files, such as workflows saved in the editor.

1. Everything is below one folder, which holds nothing else; no name leads out of it.
2. A file is written whole or not at all.
3. There is one user: whoever is let in.
4. Of two that want one new name, one gets it, and the other is told.
5. What cannot be looked at, such as a link that leads nowhere, is not listed.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.bodies import nothing
from bridge.comfy.places import below, is_set, keeping, leave_room
from bridge.comfy.view import file_answer
from bridge.errors import InputError
from bridge.files import new_file, replace_file, take_name
from bridge.paths import resolve_in
from bridge.server import as_json

MAX_LISTED = 10_000


def userdata_routes(user: Path) -> list[Route]:
    """Return the routes of the user's files.

    Args:
        user: The folder that holds them; need not exist.
    """
    files = UserFiles(user)
    return [
        Route("/users", files.users, methods=["GET"]),
        Route("/users", files.add_user, methods=["POST"]),
        Route("/userdata", files.list, methods=["GET"]),
        Route("/v2/userdata", files.list_all, methods=["GET"]),
        Route("/userdata/{file:path}/move/{to:path}", files.move, methods=["POST"]),
        Route("/userdata/{file:path}", files.get, methods=["GET"]),
        Route("/userdata/{file:path}", files.put, methods=["POST"]),
        Route("/userdata/{file:path}", files.delete, methods=["DELETE"]),
    ]


class UserFiles:
    """Files of the user, below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def users(self, request: Request) -> Response:
        """Say that files are kept here, for one user."""
        return as_json({"storage": "server", "migrated": await asyncio.to_thread(self._root.is_dir)})

    async def add_user(self, request: Request) -> Response:
        """Refuse: there is one user."""
        return as_json({"error": "There is one user."}, HTTPStatus.BAD_REQUEST)

    async def list(self, request: Request) -> Response:
        """Answer with the files of a folder: ``dir``, ``recurse``, ``full_info``, ``split``."""
        name = request.query_params.get("dir", "")
        if not name:
            return Response("Directory not provided", HTTPStatus.BAD_REQUEST)
        folder = below(self._root, name)
        if not os.path.isdir(folder):
            return Response("Directory not found", HTTPStatus.NOT_FOUND)
        found = await asyncio.to_thread(_files, folder, is_set(request, "recurse"))
        if is_set(request, "full_info"):
            return as_json(await asyncio.to_thread(_infos, found, folder))
        names = [path.relative_to(folder).as_posix() for path in found]
        return as_json([[name, *name.split("/")] for name in names] if is_set(request, "split") else names)

    async def list_all(self, request: Request) -> Response:
        """Answer with the files and folders below ``path``, folders first."""
        name = unquote(request.query_params.get("path", ""))
        try:
            folder = resolve_in(self._root, name) if name else self._root
        except InputError:
            return Response("Invalid path requested", HTTPStatus.BAD_REQUEST)
        if not os.path.exists(folder):
            return as_json([]) if not name else Response("Requested path not found", HTTPStatus.NOT_FOUND)
        if not os.path.isdir(folder):
            return Response("Requested path is not a directory", HTTPStatus.BAD_REQUEST)
        return as_json(await asyncio.to_thread(_entries, folder, self._root))

    async def get(self, request: Request) -> Response:
        """Answer with a file."""
        return await file_answer(self._existing(request.path_params["file"]))

    async def put(self, request: Request) -> Response:
        """Keep the body as a file; ``overwrite=false`` keeps what is there."""
        path = below(self._root, request.path_params["file"])
        replaces = is_set(request, "overwrite", "true")
        data = await request.body()
        with keeping(path.name):
            if not await asyncio.to_thread(_write, path, data, replaces=replaces):
                return Response("File already exists", HTTPStatus.CONFLICT)
            return as_json(self._described(request, path))

    async def delete(self, request: Request) -> Response:
        """Remove a file."""
        path = self._existing(request.path_params["file"])
        with keeping(path.name):
            await asyncio.to_thread(path.unlink)
        return nothing(HTTPStatus.NO_CONTENT)

    async def move(self, request: Request) -> Response:
        """Give a file another name; ``overwrite=false`` keeps what has that name."""
        path, target = (
            self._existing(request.path_params["file"]),
            below(self._root, request.path_params["to"]),
        )
        replaces = is_set(request, "overwrite", "true")
        with keeping(target.name):
            if not await asyncio.to_thread(_move, path, target, replaces=replaces):
                return Response("File already exists", HTTPStatus.CONFLICT)
            return as_json(self._described(request, target))

    def _existing(self, name: str) -> Path:
        path = below(self._root, name)
        if not os.path.isfile(path):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {path.name}")
        return path

    def _described(self, request: Request, path: Path) -> Any:
        root = Path(os.path.realpath(self._root))
        return _info(path, root) if is_set(request, "full_info") else path.relative_to(root).as_posix()


def _files(folder: Path, recurse: bool) -> list[Path]:
    """List the files in a folder, hidden ones left out."""
    found = (Path(place, name) for place, _, names in _walk(folder, recurse) for name in names)
    return list(islice(found, MAX_LISTED))


def _entries(folder: Path, root: Path) -> list[Mapping[str, Any]]:
    """List the files and folders below a folder, hidden ones left out."""
    found = list(
        islice(_described_below(Path(os.path.realpath(folder)), Path(os.path.realpath(root))), MAX_LISTED)
    )
    return sorted(found, key=lambda entry: (entry["type"], entry["name"].lower()))


def _described_below(folder: Path, root: Path) -> Iterator[Mapping[str, Any]]:
    for place, folders, names in _walk(folder, True):
        for name in (*folders, *names):
            path = Path(place, name)
            entry = {"name": name, "path": path.relative_to(root).as_posix()}
            if name in folders:
                yield {**entry, "type": "directory"}
                continue
            with contextlib.suppress(OSError):  # rule 5
                stat = path.stat()
                yield {**entry, "type": "file", "size": stat.st_size, "modified": stat.st_mtime}


def _walk(folder: Path, recurse: bool) -> Iterator[tuple[str, list[str], list[str]]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if recurse else []
        yield place, folders, sorted(name for name in names if not name.startswith("."))


def _infos(paths: Iterable[Path], root: Path) -> list[dict[str, Any]]:
    infos = []
    for path in paths:
        with contextlib.suppress(OSError):  # rule 5
            infos.append(_info(path, root))
    return infos


def _info(path: Path, root: Path) -> dict[str, Any]:
    stat = path.stat()
    return {
        "path": path.relative_to(root).as_posix(),
        "size": stat.st_size,
        "modified": stat.st_mtime,
        "created": stat.st_ctime,
    }


def _write(path: Path, data: bytes, *, replaces: bool) -> bool:
    """Keep a file; return whether its name was free, or could be made so."""
    leave_room(path, len(data))
    if not replaces:
        return new_file(path, data)
    replace_file(path, data)
    return True


def _move(path: Path, target: Path, *, replaces: bool) -> bool:
    """Give a file another name; return whether that was free, or could be made so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if replaces:
        path.replace(target)
    elif take_name(path, target):
        path.unlink(missing_ok=True)
    else:
        return False
    return True
