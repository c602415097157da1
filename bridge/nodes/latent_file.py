"""Latents in files."""

import asyncio
from typing import Annotated

from bridge.diffusion import (
    Latent,
    LatentBatch,
    job_file,
    job_file_stamp,
    latent_factor,
    read_latents,
    write_latents,
)
from bridge.engine import current_job
from bridge.graph import ChoicesFrom, ExtraJson, Prefix, WorkflowJson, node
from bridge.imaging import (
    output_entry,
    output_stem,
    save_numbered,
    workflow_texts,
    writing_to,
)


def latent_stamp(latent: str) -> tuple[int, int] | None:
    """Return what changes when the file does; ``None`` while there is none."""
    return job_file_stamp(latent)


@node("SaveLatent", category="_for_testing", is_output=True)
async def save_latent(
    samples: Latent,
    filename_prefix: Prefix = "latents/ComfyUI",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save latents with the workflow inside."""
    root = current_job().folders.output
    factor = latent_factor(samples)
    height, width = (factor * side for side in samples["samples"].shape[2:])
    path = output_stem(root, filename_prefix, width, height)
    data = write_latents(samples["samples"], workflow_texts(prompt, extra_pnginfo))
    with writing_to(root):
        saved = await asyncio.to_thread(save_numbered, path.parent, path.name, data, ".latent")
    current_job().show({"latents": [output_entry(saved, root, "output")]})


@node("LoadLatent", category="_for_testing", fingerprint=latent_stamp)
def load_latent(latent: Annotated[str, ChoicesFrom("input")]) -> Latent:
    """Load latents that SaveLatent wrote, from the input folder."""
    return LatentBatch(samples=read_latents(job_file(latent)))
