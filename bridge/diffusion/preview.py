"""Small pictures of latents while they are still being made, by a linear map from latents to colour.

The map is fitted once for each autoencoder: it encodes a picture of soft random colours, and least
squares tells which mix of latent channels stands for which colour. That takes one small forward pass,
knows nothing about the model family, and costs a preview one matrix product.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.residency import Network
from bridge.diffusion.types import Autoencoder
from bridge.diffusion.vae import encode_image
from bridge.engine import current_job
from bridge.errors import BridgeError, Interrupted
from bridge.protocol import Plane

MAX_SIDE = 512
"""The longest side of a preview, in pixels."""

_SWATCH_SIDE = 32
_maps: "weakref.WeakKeyDictionary[Network[Any], Tensor]" = weakref.WeakKeyDictionary()


async def previewer(vae: Autoencoder) -> Callable[[Tensor], Plane] | None:
    """Return what shows the first picture of a batch of latents.

    To be asked before a run, as its first call for an autoencoder loads that. One that cannot be used is a
    warning: no preview is worth a run.

    Args:
        vae: The autoencoder that will decode them.

    Returns:
        Latents (B, C, h, w), as on sockets → a plane ``preview``, u8 sRGB; one pixel a latent, smaller where
        that exceeds ``MAX_SIDE``. ``None`` where there is nothing to be shown.

    Raises:
        Interrupted: If the job was cancelled.
    """
    try:
        return functools.partial(_preview, await _colours(vae))
    except Interrupted:
        raise
    except BridgeError as error:
        current_job().warn("no_preview", f"previews are off: {error.message}", error.hint)
        return None


def _preview(colours: Tensor, latents: Tensor) -> Plane:
    first = latents[:1].float().cpu()
    longest = max(first.shape[2:])
    if longest > MAX_SIDE:
        first = interpolate(first, scale_factor=MAX_SIDE / longest, mode="area")
    picture = _with_one(first[0].movedim(0, -1)) @ colours  # (h, w, 3)
    pixels = picture.mul(255).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
    return Plane("preview", pixels.shape, "u8", pixels.tobytes())


async def _colours(vae: Autoencoder) -> Tensor:
    """Return the fitted map, (channels + 1, 3); its last row is the colour of latents of zero."""
    if vae.network not in _maps:
        swatches = _swatches()
        image = interpolate(swatches, scale_factor=vae.latent_factor, mode="bilinear").movedim(1, -1)
        latents = await encode_image(vae, image)
        rows = _with_one(latents[0].movedim(0, -1)).reshape(-1, latents.shape[1] + 1)
        target = swatches[0].movedim(0, -1).reshape(-1, 3)
        _maps[vae.network] = torch.linalg.lstsq(rows, target).solution
    return _maps[vae.network]


def _swatches() -> Tensor:
    """Soft random colours, (1, 3, side, side): blobs of several sizes, stretched to the full range."""
    generator = torch.Generator().manual_seed(0)
    size = (_SWATCH_SIDE, _SWATCH_SIDE)
    layers = [
        interpolate(torch.rand((1, 3, side, side), generator=generator), size=size, mode="bilinear")
        for side in (3, 6, 12)
    ]
    return ((torch.cat(layers).mean(0, keepdim=True) - 0.5) * 2 + 0.5).clamp(0, 1)


def _with_one(values: Tensor) -> Tensor:
    return torch.cat((values, torch.ones_like(values[..., :1])), dim=-1)
