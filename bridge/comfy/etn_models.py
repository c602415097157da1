"""What Krita's plugin wants to know of models before it offers them, and the LoRAs that it brings along."""

import asyncio
import contextlib
import functools
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bridge.comfy.models import is_kind
from bridge.comfy.places import SMALL_BYTES, leave_room
from bridge.errors import BridgeError
from bridge.models import (
    FOLDERS,
    MAX_HEADER_BYTES,
    Catalogue,
    Family,
    UNetPart,
    add_file,
    denoiser,
    file_name,
    read_header,
    read_header_from,
)
from bridge.server import announced_bytes, as_json, take_large_body, whole_number

FAMILIES: Mapping[Family, str] = {
    Family.SD1: "sd15",
    Family.SD2: "sd20",
    Family.SDXL: "sdxl",
    Family.SDXL_REFINER: "sdxl-refiner",
    Family.SD3: "sd3",
    Family.FLUX: "flux",
    Family.PIXART_ALPHA: "pixart-alpha",
    Family.PIXART_SIGMA: "pixart-sigma",
}
"""Family → what the plugin calls it."""

MAX_LORA_BYTES = 8 * 1024**3

ROOM_BYTES = 16 * 1024**2
"""The disk is asked for room again whenever so much has come."""

ABANDONED_S = 3600
"""After so long without a byte an upload goes on no more; each part must come much sooner."""

_WAITING = ".upload-"
"""How folders begin in which uploads become whole."""

UNKNOWN: Mapping[str, Any] = {"base_model": "unknown"}


class ModelInfo:
    """Says of which families models are, and takes LoRAs.

    Args:
        catalogue: The models.
        max_bytes: Of a LoRA.
    """

    def __init__(self, catalogue: Catalogue, max_bytes: int = MAX_LORA_BYTES) -> None:
        self._catalogue = catalogue
        self._max_bytes = max_bytes

    async def get(self, request: Request) -> Response:
        """Describe the models of a kind, ``limit`` of them from ``offset`` on."""
        kind = request.path_params.get("folder", "checkpoints")
        if not is_kind(kind):
            return _refused(f"Invalid folder path, must be one of {', '.join(FOLDERS)}")
        offset, limit = whole_number(request, "offset", 0, 0), whole_number(request, "limit", 0, None)
        return as_json(await asyncio.to_thread(self._describe, kind, offset, limit))

    async def upload(self, request: Request) -> Response:
        """Take a LoRA; one that has its name stays."""
        kind, name = request.path_params["folder"], request.path_params["name"]
        if kind != "loras":
            return _refused("Only loras can be uploaded")
        if not name.endswith(".safetensors") or file_name(name) != name:
            return _refused("Invalid filename: letters, digits, dots, dashes and .safetensors at the end")
        if name in await asyncio.to_thread(self._catalogue.names, kind):
            return as_json({"status": "cached"})
        if not self._catalogue.folders:
            return _refused("No model folder: framebridge serve --models DIR")
        try:
            return await self._receive(request, self._catalogue.folders[0].path, name)
        except BridgeError as error:
            return _refused(f"{error.message}. {error.hint}")
        except OSError as error:
            return _refused(f"The file cannot be written: {error.strerror}", HTTPStatus.INSUFFICIENT_STORAGE)

    def _describe(self, kind: str, offset: int, limit: int | None) -> dict[str, Any]:
        paths = self._catalogue.paths(kind)
        chosen = list(paths)[offset:] if limit is None else list(paths)[offset : offset + limit]
        told = {name: dict(family_of_model(paths[name])) for name in chosen}
        if limit is not None:
            told["_meta"] = {"offset": offset, "count": len(chosen), "total": len(paths)}
        return told

    async def _receive(self, request: Request, root: Path, name: str) -> Response:
        """Write the body beside where it belongs; it gets its name when it is whole and judged."""
        take_large_body(request, self._max_bytes)
        root.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_clear, root)
        waiting = root / f"{_WAITING}{secrets.token_hex(8)}"
        waiting.mkdir()
        path = waiting / name
        size, roomy, is_judged = 0, SMALL_BYTES, False
        try:
            leave_room(path, announced_bytes(request.scope))
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._max_bytes:
                        return _refused("The file is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                    if size > roomy:
                        leave_room(path, ROOM_BYTES)
                        roomy = size + ROOM_BYTES
                    await asyncio.to_thread(file.write, chunk)
                    if not is_judged:
                        file.flush()
                        is_judged = await asyncio.to_thread(_judge, path)
            await asyncio.to_thread(functools.partial(add_file, path, root, "loras", links=True))
        except ClientDisconnect:
            return _refused("The file did not arrive whole")
        finally:
            path.unlink(missing_ok=True)
            waiting.rmdir()
        return as_json({"status": "success"}, HTTPStatus.CREATED)


def _judge(path: Path) -> bool:
    """Judge the beginning of a file; ``False`` while its header is not there.

    Raises:
        ModelError: What is wrong with it.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or size < 8 + length <= 8 + MAX_HEADER_BYTES:
            return False
        file.seek(0)
        read_header_from(path.name, file.read)
    return True


def _clear(root: Path) -> None:
    """Remove what uploads have left that ended with the daemon; another daemon's may still go on."""
    for waiting in root.glob(f"{_WAITING}*"):
        with contextlib.suppress(OSError):
            changed_at = max(path.stat().st_mtime for path in (waiting, *waiting.iterdir()))
            if changed_at < time.time() - ABANDONED_S:
                shutil.rmtree(waiting)


def family_of_model(path: Path) -> Mapping[str, Any]:
    """Return ``base_model``, ``is_inpaint``, ``is_refiner`` and ``type`` of a file or a diffusers folder."""
    try:
        file = _denoiser_file(path) if path.is_dir() else path
        stat = file.stat()
        return _family_of_file(file, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        return {**UNKNOWN, "error": f"it cannot be read: {error.strerror}"}


@functools.lru_cache(maxsize=4096)
def _family_of_file(file: Path, mtime_ns: int, size: int) -> Mapping[str, Any]:
    """Look into a version of a file."""
    try:
        header = read_header(file)
        part = denoiser(header, file.name)
    except BridgeError as error:
        return {**UNKNOWN, "error": error.message}
    takes_picture = isinstance(part, UNetPart) and part.layout.in_channels > 4
    return {
        "base_model": FAMILIES[part.family],
        "is_inpaint": takes_picture,
        "is_refiner": part.family is Family.SDXL_REFINER,
        "type": "v-prediction" if "v_pred" in header.tensors else "eps",
    }


def _denoiser_file(folder: Path) -> Path:
    """Return the weights of the denoiser of a model in diffusers' layout.

    Raises:
        FileNotFoundError: If it has none.
    """
    for place in ("unet", "transformer", "."):
        for file in sorted((folder / place).glob("*.safetensors")):
            return file
    raise FileNotFoundError(2, "no .safetensors file", str(folder))


def _refused(message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
    return as_json({"error": message}, status)
