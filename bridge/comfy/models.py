"""Which models there are, in ComfyUI's ways of asking: names, files, previews, metadata."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.picture_head import picture_type
from bridge.comfy.view import file_headers
from bridge.errors import ModelError
from bridge.models import ALIASES, FOLDERS, Catalogue, read_header, thumbnail
from bridge.server import as_json


def model_routes(catalogue: Catalogue) -> list[Route]:
    """Return the routes that list models.

    Args:
        catalogue: Where they are.
    """
    models = ModelLists(catalogue)
    return [
        Route("/embeddings", models.embeddings),
        Route("/models", models.folders),
        Route("/models/{folder}", models.names),
        Route("/experiment/models", models.places),
        Route("/experiment/models/preview/{folder}/{index:int}/{name:path}", models.preview),
        Route("/experiment/models/{folder}", models.files),
        Route("/view_metadata/{folder}", models.metadata),
    ]


class ModelLists:
    """Lists models and shows what they say of themselves; the disk is read anew for each question."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def embeddings(self, request: Request) -> Response:
        """Answer with the names of embeddings, without suffix."""
        names = await asyncio.to_thread(self._catalogue.names, "embeddings")
        return as_json([str(PurePosixPath(name).with_suffix("")) for name in names])

    async def folders(self, request: Request) -> Response:
        """Answer with the kinds of models."""
        return as_json(list(FOLDERS))

    async def names(self, request: Request) -> Response:
        """Answer with the models of a kind."""
        return as_json(await asyncio.to_thread(self._catalogue.names, _kind(request)))

    async def places(self, request: Request) -> Response:
        """Answer with the kinds of models, and where each lies."""
        roots = [str(folder.path) for folder in self._catalogue.folders]
        return as_json([{"name": kind, "folders": roots} for kind in FOLDERS])

    async def files(self, request: Request) -> Response:
        """Answer with the models of a kind, their size and dates."""
        return as_json(await asyncio.to_thread(self._files, _kind(request)))

    async def preview(self, request: Request) -> Response:
        """Answer with the picture beside a model, or in it."""
        path = self._find(_kind(request), request.path_params["name"])
        picture = await asyncio.to_thread(lambda: thumbnail(path, _metadata(path)))
        if not picture:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the model has no picture")
        media_type = picture_type(picture)
        return Response(picture, media_type=media_type, headers=file_headers(path.name, media_type))

    async def metadata(self, request: Request) -> Response:
        """Answer with what the header of ``filename`` says besides its tensors."""
        path = self._find(_kind(request), request.query_params.get("filename", ""))
        found = await asyncio.to_thread(_metadata, path)
        if not found:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the model says nothing of itself")
        return as_json(dict(found))

    def _files(self, kind: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for name, path in self._catalogue.paths(kind).items():
            try:
                stat = path.stat()
            except OSError:
                continue  # gone meanwhile
            dates = {"modified": stat.st_mtime, "created": stat.st_ctime}
            found.append({"name": name, "pathIndex": 0, **dates, "size": stat.st_size})
        return found

    def _find(self, kind: str, name: str) -> Path:
        try:
            return self._catalogue.find(kind, name)
        except ModelError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, error.message) from error


def is_kind(name: str) -> bool:
    """Whether there can be models of a kind, under ComfyUI's name or an older one."""
    return name in FOLDERS or name in ALIASES


def _kind(request: Request) -> str:
    kind: str = request.path_params["folder"]
    if not is_kind(kind):
        raise HTTPException(HTTPStatus.NOT_FOUND, "there are no such models")
    return kind


def _metadata(path: Path) -> Mapping[str, str]:
    """Return what a safetensors file says of itself; nothing for a folder or a damaged file."""
    try:
        return {} if path.is_dir() else read_header(path).metadata
    except ModelError:
        return {}
