"""``node_helpers``: small things that nodes share."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from PIL import ImageFile
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["hasher", "image_alpha_fix", "pillow", "string_to_torch_dtype"]


def pillow(fn: Callable[..., Any], arg: Any) -> Any:
    """Call a function of Pillow's on a picture; once more, letting its end be missing, if that fails."""
    try:
        return fn(arg)
    except (OSError, SyntaxError, ValueError):
        kept = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return fn(arg)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = kept


def hasher() -> Callable[..., Any]:
    """Return the function that tells files apart."""
    return hashlib.sha256


def string_to_torch_dtype(string: str) -> torch.dtype | None:
    """Return a precision by ``fp32``, ``fp16`` or ``bf16``."""
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)


def image_alpha_fix(destination: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Give two batches of pictures the same channels: the destination loses alpha, or gets an opaque one."""
    if destination.shape[-1] < source.shape[-1]:
        source = source[..., : destination.shape[-1]]
    elif destination.shape[-1] > source.shape[-1]:
        destination = pad(destination, (0, 1))
        destination[..., -1] = 1.0
    return destination, source
