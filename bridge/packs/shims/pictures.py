"""Pictures that packs show while they work."""

from typing import Any

import numpy as np
from PIL.Image import Image as Picture
from torch import Tensor

from bridge.protocol import Plane

MAX_SIDE = 512
"""The longest side of a preview where its pack names none, in pixels."""


def preview_plane(preview: Any) -> Plane:
    """Return what a client is shown.

    Args:
        preview: ``(format, picture, longest side)`` as ComfyUI's progress bar takes it, or a picture: one of
            Pillow's, or a tensor (H, W, C) or (B, H, W, C), 0..1.

    Raises:
        TypeError: If it is none of these.
    """
    limit: int | None = MAX_SIDE
    if isinstance(preview, tuple):
        _, preview, limit = preview
    if isinstance(preview, Tensor):
        first = preview[0] if preview.ndim == 4 else preview
        pixels = (first.detach().float().cpu().numpy()[..., :3] * 255).clip(0, 255).astype(np.uint8)
    elif isinstance(preview, Picture):
        shown = preview.convert("RGB")
        if limit:
            shown.thumbnail((limit, limit))
        pixels = np.asarray(shown)
    else:
        raise TypeError(f"{type(preview).__name__} is no picture to show")
    return Plane("preview", pixels.shape, "u8", pixels.tobytes())
