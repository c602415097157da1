"""Pictures in files: reading them from the input folder, saving them with their workflow inside."""

import asyncio
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import torch

from bridge import __version__
from bridge.builtin import model_folder
from bridge.diffusion import Image, Mask
from bridge.engine import Job, current_job
from bridge.errors import ExecutionError, InputError
from bridge.graph import ChoicesFrom, Hidden, node
from bridge.imaging import (
    FrameStore,
    encode_png,
    expand_prefix,
    read_picture,
    resolve_in,
    save_numbered,
    to_bytes,
)
from bridge.models import Catalogue, models_used

Json = Mapping[str, Any]

PREVIEW_PREFIX = f"preview_{secrets.token_hex(4)}"
"""One for the whole process, so that the folder need not be listed for every preview."""

_ANNOTATION = re.compile(r"(.*?) ?\[(input|output|temp)\]")


def picture_stamp(image: str) -> tuple[int, int] | None:
    """Return what changes when the file does; ``None`` while there is none."""
    try:
        stat = _picture_path(image).stat()
    except (OSError, InputError):
        return None
    return stat.st_mtime_ns, stat.st_size


@node("LoadImage", category="image", fingerprint=picture_stamp)
def load_image(image: Annotated[str, ChoicesFrom("input")]) -> tuple[Image, Mask]:
    """Load a PNG, JPEG or WebP; the mask is white where the picture is transparent.

    ``name [output]`` and ``name [temp]`` look into those folders instead.
    """
    picture = read_picture(_picture_path(image))
    colour = torch.from_numpy(picture.image)[None]
    if picture.alpha is None:
        return colour, torch.zeros(colour.shape[:3])
    return colour, 1.0 - torch.from_numpy(picture.alpha)[None]


@node("SaveImage", category="image", is_output=True)
async def save_image(
    images: Image,
    filename_prefix: str = "ComfyUI",
    prompt: Annotated[Json | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[Json | None, Hidden("EXTRA_PNGINFO")] = None,
) -> None:
    """Save pictures as PNG with the workflow, the frame they saw and the models' hashes inside."""
    job = current_job()
    texts = _workflow_texts(prompt, extra_pnginfo)
    with _reporting(job.folders.frames):
        origin = await asyncio.to_thread(_origin, job)
    texts["framebridge"] = json.dumps(origin)
    await _save(images, filename_prefix, texts, job.folders.output, "output")


@node("PreviewImage", category="image", is_output=True)
async def preview_image(
    images: Image,
    prompt: Annotated[Json | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[Json | None, Hidden("EXTRA_PNGINFO")] = None,
) -> None:
    """Show pictures without keeping them."""
    texts = _workflow_texts(prompt, extra_pnginfo)
    await _save(images, PREVIEW_PREFIX, texts, current_job().folders.temp, "temp")


def _picture_path(name: str) -> Path:
    match = _ANNOTATION.fullmatch(name)
    folder, name = (match[2], match[1]) if match else ("input", name)
    root: Path = getattr(current_job().folders, folder)
    return resolve_in(root, name)


def _workflow_texts(prompt: Json | None, extra: Json | None) -> dict[str, str]:
    """ComfyUI's text chunks: the workflow as submitted, and whatever the client wants kept."""
    kept = {"prompt": prompt} if prompt is not None else {}
    return {key: json.dumps(value) for key, value in (kept | dict(extra or {})).items()}


def _origin(job: Job) -> dict[str, Any]:
    """Say what the pixels depend on besides the workflow, and keep the frame that was seen."""
    catalogue = Catalogue(job.folders.models, model_folder())
    return {
        "version": __version__,
        "frame": _frame_store(job.folders.frames).keep(job.frame) if job.frame else None,
        **job.environment,
        "models": models_used(job.workflow, job.definitions, catalogue),
    }


@lru_cache(maxsize=8)
def _frame_store(folder: Path) -> FrameStore:
    return FrameStore(folder)


async def _save(images: Image, prefix: str, texts: Mapping[str, str], root: Path, kind: str) -> None:
    """Write each picture of a batch, off the event loop, and report their names as ComfyUI does."""
    height, width = images.shape[1:3]
    path = resolve_in(root, expand_prefix(prefix, width, height, datetime.now()))
    shown = []
    for index, image in enumerate(images):
        stem = path.name.replace("%batch_num%", str(index))
        with _reporting(root):
            saved = await asyncio.to_thread(_write, image, texts, path.parent, stem)
        subfolder = saved.parent.relative_to(root.resolve()).as_posix()
        shown.append(
            {"filename": saved.name, "subfolder": "" if subfolder == "." else subfolder, "type": kind}
        )
    current_job().show({"images": shown})


def _write(image: torch.Tensor, texts: Mapping[str, str], folder: Path, stem: str) -> Path:
    return save_numbered(folder, stem, encode_png(to_bytes(image[..., :3].numpy()), texts))


@contextmanager
def _reporting(folder: Path) -> Iterator[None]:
    """Say it to people when the disk is full or closed to us."""
    try:
        yield
    except OSError as error:
        raise ExecutionError(
            f"nothing can be written to {folder}: {error.strerror or error}",
            code="output_failed",
            hint="Is there room on the disk, and is the folder writable?",
        ) from error
