"""Pictures to latents and back."""

from typing import Annotated

from bridge.diffusion import Image, Latent, Tiling, Vae, decode_latents, encode_image
from bridge.graph import Range, node

Overlap = Annotated[int, Range(0, 4096, 32)]
TemporalSize = Annotated[int, Range(8, 4096, 4)]
TemporalOverlap = Annotated[int, Range(4, 4096, 4)]

DIFFERS = "Tiles are spread evenly and cut once; ComfyUI averages three ways to cut."


@node("VAEEncode", category="latent", display_name="VAE Encode")
async def vae_encode(pixels: Image, vae: Vae) -> Latent:
    """Turn pictures into latents."""
    return {"samples": await encode_image(vae, pixels), "downscale_ratio_spacial": vae.latent_factor}


@node("VAEDecode", category="latent", display_name="VAE Decode")
async def vae_decode(samples: Latent, vae: Vae) -> Image:
    """Turn latents into pictures."""
    return await decode_latents(vae, samples["samples"])


@node(
    "VAEEncodeTiled",
    category="_for_testing",
    display_name="VAE Encode (Tiled)",
    differs=DIFFERS,
)
async def vae_encode_tiled(
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, Range(64, 4096, 64)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Latent:
    """Turn pictures into latents tile by tile, for little memory; the temporal numbers concern video only."""
    latents = await encode_image(vae, pixels, _tiling(tile_size, overlap))
    return {"samples": latents, "downscale_ratio_spacial": vae.latent_factor}


@node(
    "VAEDecodeTiled",
    category="_for_testing",
    display_name="VAE Decode (Tiled)",
    differs=DIFFERS,
)
async def vae_decode_tiled(
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Range(64, 4096, 32)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Image:
    """Turn latents into pictures tile by tile, for little memory; the temporal numbers concern video only."""
    return await decode_latents(vae, samples["samples"], _tiling(tile_size, overlap))


def _tiling(side: int, overlap: int) -> Tiling:
    """Bound the overlap by a quarter of a tile, as ComfyUI does."""
    return Tiling(side, min(overlap, side // 4))
