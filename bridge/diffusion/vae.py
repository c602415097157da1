"""Pictures to latents and back, tile by tile where memory is short.

Latents on sockets are what the autoencoder itself makes: not multiplied by the scaling factor.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.residency import placement, with_room
from bridge.diffusion.tiling import Blend, Tiling, tiles
from bridge.diffusion.types import Autoencoder
from bridge.engine import current_job
from bridge.errors import ExecutionError, InputError, OutOfMemory

TILING = Tiling()
"""What is used where memory is short."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Direction:
    """Encoding or decoding: what it is called, how, and pixels a latent on the way in and out."""

    name: str
    call: Callable[[Any, Tensor], Tensor]
    unit_in: int
    unit_out: int


async def encode_image(vae: Autoencoder, image: Tensor, tiling: Tiling | None = None) -> Tensor:
    """Encode pictures; a size that is no multiple of the latent factor is cropped, around the centre.

    Args:
        vae: An autoencoder, of latent factor f.
        image: Shape (B, H, W, 3), range 0..1; at least f pixels a side.
        tiling: Tiles to work in; ``None`` for the whole at once where memory holds it.

    Returns:
        The mean of the posterior, shape (B, 4, H // f, W // f), float32, on the CPU.

    Raises:
        InputError: If the picture is too small.
        OutOfMemory: If not even a tile of it fits.
        ExecutionError: Code ``nan_output`` if the autoencoder is broken.
        Interrupted: If the job was cancelled.
    """
    factor = vae.latent_factor
    height, width = (side // factor * factor for side in image.shape[1:3])
    if not height or not width:
        raise InputError(
            f"a picture of {image.shape[2]}×{image.shape[1]} is too small",
            hint=f"{factor}×{factor} is the least.",
        )
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    pixels = image[:, top : top + height, left : left + width, :3].movedim(-1, 1)
    encoding = _Direction(
        "encoding", lambda network, pixels: network.encode(pixels).latent_dist.mean, factor, 1
    )
    return await _convert(vae, encoding, pixels * 2 - 1, tiling)


async def decode_latents(vae: Autoencoder, latents: Tensor, tiling: Tiling | None = None) -> Tensor:
    """Decode latents to pictures.

    Args:
        vae: An autoencoder, of latent factor f.
        latents: Shape (B, 4, h, w), as ``encode_image`` returns them.
        tiling: Tiles to work in; ``None`` for the whole at once where memory holds it.

    Returns:
        Shape (B, f h, f w, 3), range 0..1, float32, on the CPU.

    Raises:
        OutOfMemory: If not even a tile of it fits.
        ExecutionError: Code ``nan_output`` if latents or autoencoder are broken.
        Interrupted: If the job was cancelled.
    """
    decoding = _Direction(
        "decoding", lambda network, latents: network.decode(latents).sample, 1, vae.latent_factor
    )
    pixels = await _convert(vae, decoding, latents, tiling)
    return pixels.movedim(1, -1).add(1).mul(0.5).clamp(0, 1).contiguous()


async def _convert(vae: Autoencoder, direction: _Direction, values: Tensor, tiling: Tiling | None) -> Tensor:
    result = await _whole_or_tiled(vae, direction, values, tiling)
    network = vae.network.module()
    if not bool(result.isfinite().all()) and bool(values.isfinite().all()) and network.dtype != torch.float32:
        _log.warning("%s gave numbers out of range; it runs in float32 from now on", vae.network.name)
        network.float()
        result = await _whole_or_tiled(vae, direction, values, tiling)
    if not bool(result.isfinite().all()):
        raise ExecutionError(
            f"{direction.name} with {vae.network.name} gave values that are no numbers",
            code="nan_output",
            hint="Latents or VAE are damaged: try another seed, checkpoint or VAE, or --dtype float32.",
        )
    return result


async def _whole_or_tiled(
    vae: Autoencoder, direction: _Direction, values: Tensor, tiling: Tiling | None
) -> Tensor:
    if not tiling:
        async with current_job().step():
            try:
                return _run(vae, direction, values)
            except OutOfMemory:
                _log.warning("not enough memory for %s as a whole; working in tiles", direction.name)
    return await _tiled(vae, direction, values, tiling or TILING)


async def _tiled(vae: Autoencoder, direction: _Direction, values: Tensor, tiling: Tiling) -> Tensor:
    unit_in, unit_out = direction.unit_in, direction.unit_out
    batch, _, height, width = (*values.shape[:2], *(side // unit_in for side in values.shape[2:]))
    tile, overlap = tiling.in_units(vae.latent_factor)
    blend: Blend | None = None
    for rows, columns in tiles(height, width, tile, overlap):
        async with current_job().step():
            piece = _run(vae, direction, values[..., _scaled(rows, unit_in), _scaled(columns, unit_in)])
        if blend is None:
            blend = Blend((batch, piece.shape[1], height * unit_out, width * unit_out), overlap * unit_out)
        blend.add(piece, _scaled(rows, unit_out), _scaled(columns, unit_out))
    assert blend is not None
    return blend.result


def _run(vae: Autoencoder, direction: _Direction, values: Tensor) -> Tensor:
    """Run the autoencoder once; float32 on the CPU."""

    @torch.inference_mode()
    def call() -> Tensor:
        network = vae.network.module()
        height, width = (side * vae.latent_factor // direction.unit_in for side in values.shape[2:])
        with memory_errors(f"{direction.name} {width}×{height} pixels"):
            here = placement()
            there = values.to(here.device, network.dtype, memory_format=here.memory_format)
            return direction.call(network, there).float().cpu()

    return with_room(call, keep=(vae.network,)).clone()


def _scaled(span: slice, unit: int) -> slice:
    return slice(span.start * unit, span.stop * unit)
