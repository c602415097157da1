"""Animations: pictures one after another in one WebP or PNG file."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image as PillowImage

from bridge.imaging.arrays import ImageBytes
from bridge.imaging.png_text import insert_texts

_MODEL, _MAKE = 0x0110, 0x010F
"""EXIF's camera fields, in which ComfyUI keeps the prompt, and the workflow and more going down."""


def encode_animated_webp(
    frames: Sequence[ImageBytes],
    fps: float,
    *,
    is_lossless: bool,
    quality: int,
    effort: int,
    texts: Mapping[str, str],
) -> bytes:
    """Write an endless animation as WebP.

    Args:
        frames: Each of shape (H, W, 3) or (H, W, 4), u8.
        fps: Frames a second; a frame lasts whole milliseconds, at least one.
        is_lossless: Whether to keep every pixel.
        quality: 0..100; of a lossless file, how hard it is packed.
        effort: 0..6; more is slower and smaller.
        texts: Kept in EXIF as ComfyUI keeps them, each as ``name:text``; ``prompt`` under a tag of its own.
    """
    first, *others = map(PillowImage.fromarray, frames)
    exif = first.getexif()
    rest = [name for name in texts if name != "prompt"]
    tags = {name: _MAKE - index for index, name in enumerate(rest)} | {"prompt": _MODEL}
    for name, text in texts.items():
        exif[tags[name]] = f"{name}:{text}"
    options: dict[str, Any] = {"lossless": is_lossless, "quality": quality, "method": effort}
    return _encode(first, "WEBP", others, fps, exif=exif, **options)


def encode_animated_png(
    frames: Sequence[ImageBytes], fps: float, *, compression: int, texts: Mapping[str, str]
) -> bytes:
    """Write an animation as PNG (APNG), with texts inside as in any picture.

    Args:
        frames: Each of shape (H, W, 3) or (H, W, 4), u8.
        fps: Frames a second; a frame lasts whole milliseconds, at least one.
        compression: zlib's level, 0..9.
        texts: See ``insert_texts``.
    """
    first, *others = map(PillowImage.fromarray, frames)
    return insert_texts(_encode(first, "PNG", others, fps, compress_level=compression), texts)


def _encode(
    first: PillowImage.Image, form: str, others: list[PillowImage.Image], fps: float, **options: Any
) -> bytes:
    file = io.BytesIO()
    duration = max(1, int(1000 / fps))
    first.save(file, form, save_all=True, append_images=others, duration=duration, **options)
    return file.getvalue()
