"""Transformers of published and of small shapes, and their weights as the original code names them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.ldm_names import Place
from bridge.diffusion.transformer_names import transformer_places
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.models import Family, FluxLayout, PixArtLayout, SD3Layout, TransformerLayout

PUBLISHED: Mapping[str, tuple[TransformerLayout, Family]] = {
    "sd3_medium": (SD3Layout(2, 16, 16, 1536, 24, 4096, 2048, 192), Family.SD3),
    "sd35_medium": (
        SD3Layout(2, 16, 16, 1536, 24, 4096, 2048, 384, tuple(range(13)), normalizes=True),
        Family.SD3,
    ),
    "sd35_large": (SD3Layout(2, 16, 16, 2432, 38, 4096, 2048, 192, normalizes=True), Family.SD3),
    "flux_dev": (FluxLayout(64, 64, 3072, 128, 19, 38, 4096, 768, is_guided=True), Family.FLUX),
    "flux_schnell": (FluxLayout(64, 64, 3072, 128, 19, 38, 4096, 768, is_guided=False), Family.FLUX),
    "flux_depth": (FluxLayout(128, 64, 3072, 128, 19, 38, 4096, 768, is_guided=True), Family.FLUX),
    "flux_fill": (FluxLayout(384, 64, 3072, 128, 19, 38, 4096, 768, is_guided=True), Family.FLUX),
    "pixart_alpha": (PixArtLayout(2, 4, 8, 1152, 28, 4096, takes_sizes=True), Family.PIXART_ALPHA),
    "pixart_sigma": (PixArtLayout(2, 4, 8, 1152, 28, 4096, takes_sizes=False), Family.PIXART_SIGMA),
}

SMALL: Mapping[str, tuple[TransformerLayout, Family]] = {
    "sd3": (SD3Layout(2, 16, 16, 128, 2, 32, 48, 6), Family.SD3),
    "sd35": (SD3Layout(2, 16, 16, 128, 3, 32, 48, 6, (0, 1), normalizes=True), Family.SD3),
    "flux_dev": (FluxLayout(64, 64, 64, 32, 2, 3, 32, 24, is_guided=True), Family.FLUX),
    "flux_schnell": (FluxLayout(64, 64, 64, 32, 2, 3, 32, 24, is_guided=False), Family.FLUX),
    "flux_fill": (FluxLayout(384, 64, 64, 32, 1, 1, 32, 24, is_guided=True), Family.FLUX),
    "flux_depth": (FluxLayout(128, 64, 64, 32, 1, 1, 32, 24, is_guided=True), Family.FLUX),
    "pixart_alpha": (PixArtLayout(2, 4, 8, 96, 2, 32, takes_sizes=True), Family.PIXART_ALPHA),
    "pixart_sigma": (PixArtLayout(2, 4, 8, 96, 2, 32, takes_sizes=False), Family.PIXART_SIGMA),
}


def small_transformer(layout: TransformerLayout, seed: int = 0) -> Any:
    """Build a transformer with seeded weights that keep signals at their size."""
    module = empty_transformer(layout).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) / max(tensor[0].numel(), 4) ** 0.5)
    return module


def original_state(state: Mapping[str, Tensor], layout: TransformerLayout) -> dict[str, Tensor]:
    """Name a transformer's tensors as the original code does, putting together what it keeps in one."""
    parts: dict[str, list[tuple[Place, Tensor]]] = {}
    for name, tensor in state.items():
        place = transformer_places(name, layout)[0]
        swapped = torch.cat(tensor.chunk(2)[::-1]) if place.is_swapped else tensor
        parts.setdefault(place.name, []).append((place, swapped))
    return {
        name: torch.cat([tensor for _, tensor in sorted(held, key=lambda each: each[0].rows or (0, 1, 1))])
        for name, held in parts.items()
    }
