"""FreeU: a UNet's decoder listens more to its backbone, less to the coarse part of its skips.

Source: Si et al. 2023, "FreeU: Free Lunch in Diffusion U-Net", eq. 1 to 5; levels are told by their width.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.frequencies import scaled_around_zero
from bridge.diffusion.patching import require_unet, twin_of, variant
from bridge.diffusion.types import DiffusionModel


@dataclass(frozen=True, slots=True)
class FreeU:
    """How a decoder is reweighed.

    Args:
        coarse: Gains of backbone and skip where the backbone has four times the UNet's first width.
        fine: Gains of both where it has twice that width.
        is_structured: Whether the backbone's gain follows its mean over channels (the paper's second
            version), instead of being the same everywhere.
    """

    coarse: tuple[float, float]
    fine: tuple[float, float]
    is_structured: bool


def add_free_u(model: DiffusionModel, settings: FreeU) -> DiffusionModel:
    """Return a model whose decoder is reweighed; an ``UnsupportedModel`` error if it has none."""
    require_unet(model, "FreeU")
    return replace(model, unet=variant(model.unet, "FreeU", partial(_with_free_u, settings=settings)))


def _with_free_u(unet: Any, settings: FreeU) -> Any:
    first = unet.config["block_out_channels"][0]
    gains = {4 * first: settings.coarse, 2 * first: settings.fine}
    places = {path: width for path, width in _joints(unet) if width in gains}
    twin = twin_of(unet, [f"{path}.hook" for path in places])
    for path, width in places.items():

        def reweigh(module: Any, args: tuple[Tensor, Tensor], width: int = width) -> tuple[Tensor, Tensor]:
            joined, time = args
            backbone, skip = joined[:, :width], joined[:, width:]
            strength, coarseness = gains[width]
            louder = _louder(backbone, strength, is_structured=settings.is_structured)
            return torch.cat((louder, scaled_around_zero(skip, 1, coarseness, 1.0)), dim=1), time

        twin.get_submodule(path).register_forward_pre_hook(reweigh)
    return twin


def _joints(unet: Any) -> Iterator[tuple[str, int]]:
    """Yield what takes a skip, and how many of its channels, the first ones, come from the backbone."""
    width = unet.config["block_out_channels"][-1]
    for level, block in enumerate(unet.up_blocks):
        for index, resnet in enumerate(block.resnets):
            yield f"up_blocks.{level}.resnets.{index}", width
            width = resnet.out_channels


def _louder(backbone: Tensor, strength: float, *, is_structured: bool) -> Tensor:
    """Multiply the first half of the channels."""
    gain: Tensor | float = strength
    if is_structured:
        mean = backbone.mean(1, keepdim=True)  # (B, 1, h, w)
        low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
        share = torch.where(high > low, (mean - low) / (high - low), 0.0)
        gain = (strength - 1) * share + 1
    half = backbone.shape[1] // 2
    return torch.cat((backbone[:, :half] * gain, backbone[:, half:]), dim=1)
