"""Latents in files."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from bridge.diffusion import Latent, LatentBatch, latent_factor, read_latents, write_latents
from bridge.engine import current_job
from bridge.errors import InputError
from bridge.graph import ChoicesFrom, Hidden, node
from bridge.imaging import expand_prefix, resolve_in, save_numbered, split_annotation

Json = Mapping[str, Any]


def latent_stamp(latent: str) -> tuple[int, int] | None:
    """Return what changes when the file does; ``None`` while there is none."""
    try:
        stat = _latent_path(latent).stat()
    except (OSError, InputError):
        return None
    return stat.st_mtime_ns, stat.st_size


@node("SaveLatent", category="latent", is_output=True)
async def save_latent(
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Annotated[Json | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[Json | None, Hidden("EXTRA_PNGINFO")] = None,
) -> None:
    """Save latents with the workflow inside."""
    root = current_job().folders.output
    factor = latent_factor(samples)
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
    return LatentBatch(samples=read_latents(_latent_path(latent)))


def _latent_path(name: str) -> Path:
    folder, name = split_annotation(name, "input")
    root: Path = getattr(current_job().folders, folder)
    return resolve_in(root, name)
