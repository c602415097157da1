"""Latents in files, as ComfyUI's SaveLatent writes them: safetensors with ``latent_tensor``."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from bridge.diffusion.networks import SCALING_FACTOR
from bridge.errors import InputError, ModelError
from bridge.models import read_header

_VERSION = "latent_format_version_0"
"""Present since latents are saved as they are on sockets; before, they were scaled."""


def write_latents(latents: Tensor, texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a ``.latent`` file.

    Args:
        latents: Shape (B, C, h, w), as on sockets.
        texts: Kept as metadata: the workflow.
    """
    return save({"latent_tensor": latents.contiguous(), _VERSION: torch.tensor([])}, dict(texts))


def read_latents(path: Path) -> Tensor:
    """Read the latents of a ``.latent`` file, float32.

    Raises:
        InputError: If it is damaged or something else.
    """
    try:
        header = read_header(path)
        latents = load_file(path)["latent_tensor"].float()
    except (ModelError, SafetensorError, KeyError, OSError) as error:
        raise InputError(f'"{path.name}" holds no latents', hint="SaveLatent writes such files.") from error
    if latents.ndim != 4 or not latents.numel():
        raise InputError(
            f'"{path.name}" holds no latents of pictures: its shape is {list(latents.shape)}',
            hint="Load what SaveLatent wrote for a picture.",
        )
    return latents if _VERSION in header.tensors else latents / SCALING_FACTOR
