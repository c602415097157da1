"""Latents: empty ones, pictures to latents and back, latents in files."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import torch

from bridge.diffusion import (
    LATENT_FACTOR,
    Image,
    Latent,
    LatentBatch,
    Vae,
    decode_latents,
    encode_image,
    read_latents,
    write_latents,
)
from bridge.engine import current_job
from bridge.graph import ChoicesFrom, Hidden, Range, node
from bridge.imaging import check_size, expand_prefix, resolve_in, save_numbered

Json = Mapping[str, Any]
Side = Annotated[int, Range(16, 16_384, 8)]


def latent_stamp(latent: str) -> tuple[int, int] | None:
    """Return what changes when the file does; ``None`` while there is none."""
    try:
        stat = resolve_in(current_job().folders.input, latent).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


@node("EmptyLatentImage", category="latent", display_name="Empty Latent Image")
def empty_latent_image(
    width: Side = 512, height: Side = 512, batch_size: Annotated[int, Range(1, 4096)] = 1
) -> Latent:
    """Make latents that hold nothing yet, of a size in pixels."""
    check_size(width, height, batch_size)
    samples = torch.zeros(batch_size, 4, height // LATENT_FACTOR, width // LATENT_FACTOR)
    return {"samples": samples, "downscale_ratio_spacial": LATENT_FACTOR}


@node("VAEEncode", category="latent", display_name="VAE Encode")
async def vae_encode(pixels: Image, vae: Vae) -> Latent:
    """Turn pictures into latents."""
    return {"samples": await encode_image(vae, pixels), "downscale_ratio_spacial": vae.latent_factor}


@node("VAEDecode", category="latent", display_name="VAE Decode")
async def vae_decode(samples: Latent, vae: Vae) -> Image:
    """Turn latents into pictures."""
    return await decode_latents(vae, samples["samples"])


@node("SaveLatent", category="latent", is_output=True)
async def save_latent(
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Annotated[Json | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[Json | None, Hidden("EXTRA_PNGINFO")] = None,
) -> None:
    """Save latents with the workflow inside."""
    root = current_job().folders.output
    factor = samples.get("downscale_ratio_spacial", LATENT_FACTOR)
    height, width = (factor * side for side in samples["samples"].shape[2:])
    path = resolve_in(root, expand_prefix(filename_prefix, width, height, datetime.now()))
    kept = {"prompt": prompt, **(extra_pnginfo or {})}
    data = write_latents(samples["samples"], {key: json.dumps(value) for key, value in kept.items()})
    saved = await asyncio.to_thread(save_numbered, path.parent, path.name, data, ".latent")
    subfolder = saved.parent.relative_to(root.resolve()).as_posix().removeprefix(".")
    current_job().show({"latents": [{"filename": saved.name, "subfolder": subfolder, "type": "output"}]})


@node("LoadLatent", category="latent", fingerprint=latent_stamp)
def load_latent(latent: Annotated[str, ChoicesFrom("input")]) -> Latent:
    """Load latents that SaveLatent wrote, from the input folder."""
    return LatentBatch(samples=read_latents(resolve_in(current_job().folders.input, latent)))
