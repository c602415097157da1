"""Pictures to files, with their workflow inside, and to whoever is looking."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from bridge import __version__
from bridge.diffusion import Image, Mask, job_catalogue
from bridge.engine import GIVEN, Job, current_job
from bridge.graph import ALWAYS, ExtraJson, Prefix, Range, WorkflowJson, node
from bridge.imaging import (
    FrameStore,
    ImageBytes,
    cut_to_bytes,
    encode_animated_png,
    encode_animated_webp,
    encode_png,
    output_entry,
    output_stem,
    save_numbered,
    to_plane,
    workflow_texts,
    writing_to,
)
from bridge.models import models_used

Fps = Annotated[float, Range(0.01, 1000.0, 0.01)]

PREVIEW_PREFIX = f"preview_{secrets.token_hex(4)}"
"""One for the whole process, so that the folder need not be listed for every preview."""


@node(
    "SaveImage",
    category="image",
    display_name="Save Image",
    is_output=True,
    differs="Alpha is left away.",
)
async def save_image(
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save pictures as PNG with the workflow, the frame they saw and the models' hashes inside."""
    job = current_job()
    texts = workflow_texts(prompt, extra_pnginfo)
    with writing_to(job.folders.frames):
        origin = await asyncio.to_thread(_origin, job)
    texts["framebridge"] = json.dumps(origin)
    await _save(images, filename_prefix, texts, job.folders.output, "output")


@node("PreviewImage", category="image", display_name="Preview Image", is_output=True)
async def preview_image(
    images: Image,
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Show pictures without keeping them."""
    texts = workflow_texts(prompt, extra_pnginfo)
    await _save(images, PREVIEW_PREFIX, texts, current_job().folders.temp, "temp")


@node("MaskPreview", category="mask", is_output=True)
async def mask_preview(
    mask: Mask,
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Show masks without keeping them."""
    await preview_image(mask[..., None].expand(-1, -1, -1, 3), prompt, extra_pnginfo)


@node("SaveImageWebsocket", category="api/image", is_output=True, fingerprint=lambda: ALWAYS)
def save_image_websocket(images: Image) -> None:
    """Send pictures to whoever asked, without writing a file."""
    current_job().send(tuple(to_plane("image", cut_to_bytes(image)) for image in images[..., :3].numpy()))


@node("SaveAnimatedWEBP", category="image/animation", is_output=True)
async def save_animated_webp(
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    fps: Fps = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Range(0, 100)] = 80,
    method: Literal["default", "fastest", "slowest"] = "default",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save a batch of pictures as one animated WebP with its workflow inside."""
    encode = partial(
        encode_animated_webp,
        fps=fps,
        is_lossless=lossless,
        quality=quality,
        effort={"default": 4, "fastest": 0, "slowest": 6}[method],
        texts=workflow_texts(prompt, extra_pnginfo),
    )
    await _save_animation(images, filename_prefix, encode, ".webp")


@node(
    "SaveAnimatedPNG",
    category="image/animation",
    is_output=True,
    differs="The workflow lies in text chunks as in any picture, not in chunks of its own behind the pixels.",
)
async def save_animated_png(
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    fps: Fps = 6.0,
    compress_level: Annotated[int, Range(0, 9)] = 4,
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save a batch of pictures as one animated PNG with its workflow inside."""
    texts = workflow_texts(prompt, extra_pnginfo)
    encode = partial(encode_animated_png, fps=fps, compression=compress_level, texts=texts)
    await _save_animation(images, filename_prefix, encode, ".png")


def _origin(job: Job) -> dict[str, Any]:
    """Say what the pixels depend on besides the workflow, and keep the frame that was seen."""
    catalogue, frame = job_catalogue(), job.frame
    # What a client sent by its id is no view, and no file of its own.
    is_view = frame is not None and not all(name.startswith(GIVEN) for name in frame.planes)
    return {
        "version": __version__,
        "frame": _frame_store(job.folders.frames).keep(frame) if frame and is_view else None,
        **job.environment,
        "models": models_used(job.workflow, job.definitions, catalogue),
    }


@lru_cache(maxsize=8)
def _frame_store(folder: Path) -> FrameStore:
    return FrameStore(folder)


async def _save(images: Image, prefix: str, texts: Mapping[str, str], root: Path, kind: str) -> None:
    """Write each picture of a batch, off the event loop, and report their names as ComfyUI does."""
    height, width = images.shape[1:3]
    path = output_stem(root, prefix, width, height)
    shown = []
    for index, image in enumerate(images):
        stem = path.name.replace("%batch_num%", str(index))
        with writing_to(root):
            saved = await asyncio.to_thread(_write, image, texts, path.parent, stem)
        shown.append(output_entry(saved, root, kind))
    current_job().show({"images": shown})


async def _save_animation(
    images: Image, prefix: str, encode: Callable[[list[ImageBytes]], bytes], suffix: str
) -> None:
    """Write a batch as one file, off the event loop, and report its name as ComfyUI does."""
    root = current_job().folders.output
    height, width = images.shape[1:3]
    path = output_stem(root, prefix, width, height)
    with writing_to(root):
        data = await asyncio.to_thread(encode, [cut_to_bytes(image) for image in images.numpy()])
        saved = await asyncio.to_thread(save_numbered, path.parent, path.name, data, suffix)
    current_job().show({"images": [output_entry(saved, root, "output")], "animated": [True]})


def _write(image: torch.Tensor, texts: Mapping[str, str], folder: Path, stem: str) -> Path:
    return save_numbered(folder, stem, encode_png(cut_to_bytes(image[..., :3].numpy()), texts))
