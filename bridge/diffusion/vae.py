"""Pictures to latents and back, one by one, and tile by tile where memory is short.

Latents on sockets are what the autoencoder itself makes: not multiplied by the scaling factor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.precision import must_repeat
from bridge.diffusion.residency import with_room
from bridge.diffusion.tiling import Blend, Place, Tiling, three_tilings
from bridge.diffusion.types import Autoencoder
from bridge.engine import current_job
from bridge.errors import InputError, OutOfMemory

ENCODING_TILES = Tiling(512, 64)
DECODING_TILES = Tiling(512, 128)


@dataclass(frozen=True, slots=True)
class _Direction:
    """Encoding or decoding.

    Args:
        name: What it is called.
        call: How it is done.
        unit_in: Pixels a latent on the way in.
        unit_out: Pixels a latent on the way out.
        fallback: Tiles to work in where memory is short; ComfyUI's.
        hint: What the user can do where no numbers come of it.
    """

    name: str
    call: Callable[[Any, Tensor], Tensor]
    unit_in: int
    unit_out: int
    fallback: Tiling
    hint: str


async def encode_image(vae: Autoencoder, image: Tensor, tiling: Tiling | None = None) -> Tensor:
    """Encode pictures; a size that is no multiple of the latent factor is cropped, around the centre.

    Args:
        vae: An autoencoder, of latent factor f.
        image: Shape (B, H, W, 3), range 0..1; at least f pixels a side.
        tiling: Tiles to work in; ``None`` for the whole at once where memory holds it.

    Returns:
        The mean of the posterior, shape (B, C, H // f, W // f), float32, on the CPU.

    Raises:
        InputError: If the picture is too small.
        OutOfMemory: If not even a tile of it fits.
        ExecutionError: Code ``nan_output`` if the autoencoder is broken.
        Interrupted: If the job was cancelled.
    """
    return await _convert(vae, _encoding(vae), _pixels(vae, image), tiling)


async def decode_latents(vae: Autoencoder, latents: Tensor, tiling: Tiling | None = None) -> Tensor:
    """Decode latents to pictures.

    Args:
        vae: An autoencoder, of latent factor f.
        latents: Shape (B, C, h, w), as ``encode_image`` returns them; C is the VAE's.
        tiling: Tiles to work in; ``None`` for the whole at once where memory holds it.

    Returns:
        Shape (B, f h, f w, 3), range 0..1, float32, on the CPU.

    Raises:
        InputError: Code ``model_mismatch`` if another kind of VAE made the latents.
        OutOfMemory: If not even a tile of it fits.
        ExecutionError: Code ``nan_output`` if latents or autoencoder are broken.
        Interrupted: If the job was cancelled.
    """
    if latents.shape[1] != vae.latent_channels:
        raise InputError(
            f"the latents have {latents.shape[1]} channels, {vae.network.name} works on "
            f"{vae.latent_channels}",
            code="model_mismatch",
            hint="Decode them with the VAE of the checkpoint that made them.",
        )
    factor = vae.latent_factor
    decoding = _Direction(
        "decoding",
        lambda network, latents: network.decode(latents).sample,
        unit_in=1,
        unit_out=factor,
        fallback=DECODING_TILES,
        hint="Latents or VAE are damaged: try another seed, checkpoint or VAE, or --dtype float32.",
    )
    pixels = await _convert(vae, decoding, latents, tiling)
    return pixels.movedim(1, -1).add(1).mul(0.5).clamp(0, 1).contiguous()


def _encoding(vae: Autoencoder) -> _Direction:
    return _Direction(
        "encoding",
        lambda network, pixels: network.encode(pixels).latent_dist.mean,
        unit_in=vae.latent_factor,
        unit_out=1,
        fallback=ENCODING_TILES,
        hint="The picture or the VAE is damaged: try another VAE, or --dtype float32.",
    )


def _pixels(vae: Autoencoder, image: Tensor) -> Tensor:
    """Return pictures as an autoencoder reads them, cropped to whole latents: (B, 3, H, W), range −1..1."""
    factor = vae.latent_factor
    height, width = (side // factor * factor for side in image.shape[1:3])
    if not height or not width:
        raise InputError(
            f"a picture of {image.shape[2]}×{image.shape[1]} is too small",
            hint=f"{factor}×{factor} is the least.",
        )
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width, :3].movedim(-1, 1) * 2 - 1


async def _convert(vae: Autoencoder, direction: _Direction, values: Tensor, tiling: Tiling | None) -> Tensor:
    """Convert one by one: other jobs get their turns, and a large batch takes no more memory than one."""
    converted: list[Tensor] = []
    for index in range(len(values)):
        one = values[index : index + 1]
        whole = None if tiling else await _whole(vae, direction, one)
        if whole is None:
            tiling = tiling or direction.fallback
            whole = await _tiled(vae, direction, one, tiling)
        converted.append(whole)
        if len(values) > 1:
            current_job().progress(len(converted), len(values))
    return torch.cat(converted)


async def _whole(vae: Autoencoder, direction: _Direction, values: Tensor) -> Tensor | None:
    """Return ``None`` where memory is too small for the whole."""
    async with current_job().step():
        try:
            return _run(vae, direction, values)
        except OutOfMemory:
            current_job().warn(
                "tiled",
                f"there was not enough memory for {direction.name} as a whole, so it was done in tiles",
                "Their seams can differ a little in colour. Close other programs, or use a smaller picture.",
            )
            return None


async def _tiled(vae: Autoencoder, direction: _Direction, values: Tensor, tiling: Tiling) -> Tensor:
    tile, overlap = tiling.in_units(vae.latent_factor)
    height, width = (side // direction.unit_in for side in values.shape[2:])
    tilings = list(three_tilings(height, width, tile, overlap))
    results = [await _blended(vae, direction, values, places, overlap) for places in tilings]
    return torch.stack(results).mean(0)


async def _blended(
    vae: Autoencoder, direction: _Direction, values: Tensor, places: list[Place], overlap: int
) -> Tensor:
    unit_in, unit_out = direction.unit_in, direction.unit_out
    height, width = (side // unit_in * unit_out for side in values.shape[2:])
    blend: Blend | None = None
    for rows, columns in places:
        async with current_job().step():
            piece = _run(vae, direction, values[..., _scaled(rows, unit_in), _scaled(columns, unit_in)])
        blend = blend or Blend((*piece.shape[:2], height, width), overlap * unit_out)
        blend.add(piece, _scaled(rows, unit_out), _scaled(columns, unit_out))
    assert blend is not None
    return blend.result


def _run(vae: Autoencoder, direction: _Direction, values: Tensor) -> Tensor:
    """Run the autoencoder; float32 on the CPU."""
    network = vae.network

    @torch.inference_mode()
    def call() -> Tensor:
        module = network.module()
        height, width = (side * vae.latent_factor // direction.unit_in for side in values.shape[2:])
        with memory_errors(f"{direction.name} {width}×{height} pixels"):
            return direction.call(module, network.placement.bring(values)).float().cpu()

    result = with_room(call, keep=(network,))
    while must_repeat(network, values, result, direction.hint):
        result = with_room(call, keep=(network,))
    return result.clone()


def _scaled(span: slice, unit: int) -> slice:
    return slice(span.start * unit, span.stop * unit)
