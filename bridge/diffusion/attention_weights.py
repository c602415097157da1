"""Attention that is made stronger or weaker, by its weights."""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from bridge.diffusion.patching import Change, patched, require_unet
from bridge.diffusion.residency import Network
from bridge.diffusion.types import DiffusionModel, TextEncoder

Gains = tuple[float, float, float, float]
"""What queries, keys, values and the output are multiplied by."""

_IN_UNET = "to_q", "to_k", "to_v", "to_out.0"
_IN_TEXT = "q_proj", "k_proj", "v_proj", "out_proj"


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Weights times numbers; see ``patching.Patch``."""

    label: str
    factors: Mapping[str, float]

    @property
    def names(self) -> Collection[str]:
        return self.factors.keys()

    def changes(self) -> Mapping[str, Change]:
        return {name: functools.partial(torch.mul, factor) for name, factor in self.factors.items()}


def multiply_attention(
    model: DiffusionModel, which: Literal["self", "cross"], gains: Gains
) -> DiffusionModel:
    """Return a model whose self- or cross-attention is multiplied by some gains.

    Raises:
        UnsupportedModel: If it is no UNet.
    """
    require_unet(model, "multiplying attention")
    attention = "attn1" if which == "self" else "attn2"
    places = [f"{attention}.{place}" for place in _IN_UNET]
    return replace(
        model, unet=_scaled(model.unet, dict(zip(places, gains, strict=True)), f"{which}-attention")
    )


def multiply_text_attention(clip: TextEncoder, gains: Gains) -> TextEncoder:
    """Return a text encoder whose attention is multiplied by some gains."""
    places = [f"self_attn.{place}" for place in _IN_TEXT]
    by_place = dict(zip(places, gains, strict=True))
    towers = (replace(tower, network=_scaled(tower.network, by_place, "attention")) for tower in clip.towers)
    return replace(clip, towers=tuple(towers))


def _scaled(network: Network[Any], gains: Mapping[str, float], label: str) -> Network[Any]:
    factors = {
        name: gain
        for name in network.shapes
        for place, gain in gains.items()
        if gain != 1.0 and name.endswith((f"{place}.weight", f"{place}.bias"))
    }
    return patched(network, _Scaling(f"multiplied {label}", factors)) if factors else network
