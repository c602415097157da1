"""Pictures to latents and back."""

from typing import Annotated

from bridge.diffusion import Image, Latent, Tiling, Vae, decode_latents, encode_image
from bridge.graph import Range, node

Overlap = Annotated[int, Range(0, 4096, 32)]
TemporalSize = Annotated[int, Range(8, 4096, 4)]
TemporalOverlap = Annotated[int, Range(4, 4096, 4)]


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
    differs="An overlap of half a tile or more is taken as a quarter of a tile; ComfyUI fails.",
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
    tiling = Tiling(tile_size, overlap if overlap < tile_size // 2 else tile_size // 4)
    latents = await encode_image(vae, pixels, tiling)
    return {"samples": latents, "downscale_ratio_spacial": vae.latent_factor}


@node("VAEDecodeTiled", category="_for_testing", display_name="VAE Decode (Tiled)")
async def vae_decode_tiled(
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Range(64, 4096, 32)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Image:
    """Turn latents into pictures tile by tile, for little memory; the temporal numbers concern video only."""
    tiling = Tiling(tile_size, min(overlap, tile_size // 4))  # ComfyUI bounds it here alone
    return await decode_latents(vae, samples["samples"], tiling)
