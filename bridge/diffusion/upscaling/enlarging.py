"""Enlarging pictures with a network, tile by tile, in as small tiles as memory asks for."""

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.precision import must_repeat
from bridge.diffusion.residency import with_room
from bridge.diffusion.tiling import Blend, stepped_tiles
from bridge.diffusion.upscaling.loading import Upscaler
from bridge.engine import current_job
from bridge.errors import OutOfMemory
from bridge.imaging import check_size

TILE = 512
"""Side of a tile, in pixels of the small picture; ComfyUI's."""

SMALLEST_TILE = 128
"""Where halving the tile ends."""

OVERLAP = 32
"""How far tiles overlap, in pixels of the small picture; ComfyUI's."""


async def upscale(upscaler: Upscaler, image: Tensor) -> Tensor:
    """Enlarge pictures as much as a network does.

    Args:
        upscaler: Of some scale s.
        image: Shape (B, H, W, 3), range 0..1; alpha is left out.

    Returns:
        Shape (B, s·H, s·W, 3), range 0..1, float32, on the CPU.

    Raises:
        InputError: Code ``image_too_large`` if the result would be.
        OutOfMemory: If not even the smallest tile fits.
        ExecutionError: Code ``nan_output`` if the network is broken.
        Interrupted: If the job was cancelled.
    """
    count, height, width = image.shape[:3]
    scale = upscaler.network.module().scale
    check_size(width * scale, height * scale, count)
    with memory_errors(f"making room for {width * scale}×{height * scale} pixels"):
        enlarged = torch.empty(count, height * scale, width * scale, 3)
        pixels = image[..., :3].movedim(-1, 1)
        tile = TILE
        while True:
            try:
                await _enlarge(upscaler, pixels, enlarged.movedim(-1, 1), tile)
            except OutOfMemory as error:
                if tile // 2 < SMALLEST_TILE:
                    error.hint = "Free memory: close other programs, or choose a smaller upscaling model."
                    raise
            else:
                return enlarged
            tile //= 2
            current_job().warn(
                "tiled",
                f"there was not enough memory for tiles of {2 * tile} pixels, so smaller ones were enlarged",
                "Their seams can differ a little. Close other programs, or choose a smaller upscaling model.",
            )


async def _enlarge(upscaler: Upscaler, pixels: Tensor, enlarged: Tensor, tile: int) -> None:
    """Enlarge pictures (B, 3, H, W) one by one into others."""
    height, width = pixels.shape[2:]
    scale = enlarged.shape[2] // height
    places = list(stepped_tiles(height, width, tile, OVERLAP))
    job, done = current_job(), 0
    for index in range(len(pixels)):
        blend = Blend((1, *enlarged.shape[1:]), OVERLAP * scale)
        for rows, columns in places:
            async with job.step():
                piece = _run(upscaler, pixels[index : index + 1, :, rows, columns])
            blend.add(piece, _scaled(rows, scale), _scaled(columns, scale))
            done += 1
            job.progress(done, len(places) * len(pixels))
        enlarged[index] = piece[0] if len(places) == 1 else blend.result[0].clamp(0, 1)


def _run(upscaler: Upscaler, pixels: Tensor) -> Tensor:
    """Run the network; float32 on the CPU, range 0..1."""
    network = upscaler.network

    @torch.inference_mode()
    def call() -> Tensor:
        module = network.module()
        dtype = next(module.parameters()).dtype  # spandrel may know that a network needs float32
        height, width = pixels.shape[2:]
        with memory_errors(f"enlarging {width}×{height} pixels with {network.name}"):
            return module(network.placement.bring(pixels).to(dtype)).float().cpu()  # type: ignore[no-any-return]

    result = with_room(call, keep=(network,))
    while must_repeat(network, pixels, result, "The picture or the model file is damaged: try another."):
        result = with_room(call, keep=(network,))
    return result.clamp(0, 1)


def _scaled(span: slice, unit: int) -> slice:
    return slice(span.start * unit, span.stop * unit)
