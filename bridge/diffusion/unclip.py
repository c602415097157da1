"""Pictures beside a prompt's words: image embeddings with noise, as unCLIP's UNets take them.

Source: Ramesh et al. 2022, "Hierarchical Text-Conditional Image Generation with CLIP Latents", §2.1, and
Stability-AI/stablediffusion, doc/UNCLIP.MD; how several pictures are mixed is ComfyUI's.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bridge.diffusion.types import DiffusionModel, PicturePrompt, Prompt
from bridge.errors import ModelError
from bridge.models import Family

_LEVELS = 1000
_MERGED_AUGMENTATION = 0.05
"""Noise on the sum of several pictures."""

_SEED_SHIFT = -10
"""From a run's seed to that of the noise on embeddings. Source: ComfyUI."""


def class_labels(prompt: Prompt, model: DiffusionModel, seed: int) -> Tensor | None:
    """Return what an unCLIP UNet is told of pictures, (1, width); zeros where the prompt has none.

    Args:
        prompt: Its ``pictures`` are shown.
        model: Whose UNet decides; ``None`` is returned for those that are no unCLIP's.
        seed: Of the run.

    Raises:
        ModelError: Code ``model_mismatch`` if there are pictures for a UNet that takes none, or others.
    """
    config = model.unet.module().config
    if config["class_embed_type"] != "projection":
        if prompt.pictures and model.family not in (Family.SDXL, Family.SDXL_REFINER):
            raise ModelError(
                f"{model.unet.name} cannot be shown pictures by unCLIPConditioning",
                code="model_mismatch",
                hint="Use an unCLIP checkpoint or SDXL; for others there are IP-Adapters.",
            )
        return None
    width: int = config["projection_class_embeddings_input_dim"]
    if not prompt.pictures:
        return torch.zeros(1, width)
    _require_width(prompt.pictures, width // 2, model)
    return noisy_embedding(prompt.pictures, seed)


def pooled_of_pictures(prompt: Prompt, model: DiffusionModel, seed: int) -> Tensor | None:
    """Return what SDXL sees in place of the pooled embedding of words; ``None`` without pictures.

    Raises:
        ModelError: Code ``model_mismatch`` if the pictures were embedded for another checkpoint.
    """
    if not prompt.pictures:
        return None
    assert prompt.pooled_prompt_embeds is not None
    width = prompt.pooled_prompt_embeds.shape[1]
    _require_width(prompt.pictures, width, model)
    return noisy_embedding(prompt.pictures, seed)[:, :width]


def noisy_embedding(pictures: Sequence[PicturePrompt], seed: int) -> Tensor:
    """Add noise to image embeddings, and say how much.

    Args:
        pictures: All embeddings of one width.
        seed: Of the run; all pictures get the same noise.

    Returns:
        Shape (1, 2 · width): the embedding and the sinusoids of its noise level.
    """
    noised = []
    for picture in pictures:
        for embeds in picture.image_embeds:
            generator = torch.Generator().manual_seed(seed + _SEED_SHIFT)
            noised.append(_noised(embeds[None], picture.noise_augmentation, generator) * picture.strength)
    if len(noised) == 1:
        return noised[0]
    total = torch.stack(noised).sum(0)
    return _noised(total[:, : total.shape[1] // 2], _MERGED_AUGMENTATION, generator)


def _noised(embeds: Tensor, augmentation: float, generator: torch.Generator) -> Tensor:
    level = round((_LEVELS - 1) * augmentation)
    kept = _kept_signal()[level]
    noise = torch.randn(embeds.shape, generator=generator)
    return torch.cat((embeds * math.sqrt(kept) + noise * math.sqrt(1 - kept), _sinusoids(level, embeds)), 1)


def _kept_signal() -> np.ndarray:
    """Return ᾱ of the cosine schedule. Source: Nichol and Dhariwal 2021, eq. 17."""
    angles = (np.arange(_LEVELS + 1) / _LEVELS + 0.008) / 1.008 * math.pi / 2
    kept = np.cos(angles) ** 2
    return np.asarray(np.cumprod(np.maximum(kept[1:] / kept[:-1], 1 - 0.999)))


def _sinusoids(level: int, like: Tensor) -> Tensor:
    """Embed a noise level in as many numbers as an embedding has. Source: Vaswani et al. 2017, §3.5."""
    half = like.shape[1] // 2
    angles = level * torch.exp(-math.log(10_000) * torch.arange(half) / half)
    return torch.cat((angles.cos(), angles.sin()))[None]


def _require_width(pictures: Sequence[PicturePrompt], width: int, model: DiffusionModel) -> None:
    for picture in pictures:
        if picture.image_embeds.shape[1:] != (width,):
            raise ModelError(
                f"{model.unet.name} takes image embeddings of width {width}; the CLIP vision model gave "
                f"{'×'.join(map(str, picture.image_embeds.shape[1:]))}",
                code="model_mismatch",
                hint="Use the CLIP_VISION output of unCLIPCheckpointLoader; for SDXL, one of CLIP ViT-bigG.",
            )
