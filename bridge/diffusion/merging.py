"""Weighted sums of two networks of one architecture, computed from both in float32."""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from bridge.diffusion.ldm_names import blocks_per_level, unet_names
from bridge.diffusion.patching import Change, exact_weights, patched
from bridge.diffusion.residency import Network
from bridge.diffusion.types import DiffusionModel, TextEncoder
from bridge.errors import ModelError

Shares = tuple[float, float]
"""What the first and the second network's weight are multiplied by before they are added."""


def merge_models(
    first: DiffusionModel, second: DiffusionModel, shares: Callable[[str], Shares]
) -> DiffusionModel:
    """Return the first denoiser with weights mixed from both.

    Args:
        first: All but the weights stays as it is here.
        second: Of the same architecture.
        shares: Name of a weight in the original naming → the two shares.

    Raises:
        ModelError: Code ``model_mismatch`` if the two are not alike.
    """
    blocks = blocks_per_level(first.unet.shapes)

    def by_ldm_name(name: str) -> Shares:
        return shares(unet_names(name, blocks)[0])

    return replace(first, unet=_merge(first.unet, second.unet, by_ldm_name))


def merge_text_encoders(first: TextEncoder, second: TextEncoder, shares: Shares) -> TextEncoder:
    """Return the first text encoder with weights mixed from both.

    Raises:
        ModelError: Code ``model_mismatch`` if the two are not alike.
    """
    if [tower.kind for tower in first.towers] != [tower.kind for tower in second.towers]:
        raise _mismatch(first.towers[0].network, second.towers[0].network)
    towers = (
        replace(mine, network=_merge(mine.network, other.network, lambda name: shares))
        for mine, other in zip(first.towers, second.towers, strict=True)
    )
    return replace(first, towers=tuple(towers))


def block_shares(ratios: Mapping[str, float]) -> Callable[[str], Shares]:
    """Mix by place: a weight takes the ratio of the longest beginning that its name has.

    Args:
        ratios: Beginning of names in the original naming → share of the first network, 0..1; the first
            entry holds for what has none of them.
    """

    def shares(name: str) -> Shares:
        fitting = sorted((start for start in ratios if name.startswith(start)), key=len)
        ratio = ratios[fitting[-1] if fitting else next(iter(ratios))]
        return ratio, 1.0 - ratio

    return shares


@dataclass(frozen=True, slots=True)
class _MergePatch:
    """Another network's weights, mixed in; see ``patching.Patch``."""

    other: Network[Any]
    shares: Mapping[str, Shares]

    @property
    def label(self) -> str:
        return f"merged with {self.other.name}"

    @property
    def names(self) -> Collection[str]:
        return self.shares.keys()

    def changes(self) -> Mapping[str, Change]:
        weight_of = exact_weights(self.other)

        def change(name: str, mine: Tensor) -> Tensor:
            first, second = self.shares[name]
            return first * mine + second * weight_of(name).to(mine.device)

        return {name: functools.partial(change, name) for name in self.shares}


def _merge(first: Network[Any], second: Network[Any], shares: Callable[[str], Shares]) -> Network[Any]:
    if first.shapes != second.shapes:
        raise _mismatch(first, second)
    mixed = {name: both for name in first.shapes if (both := shares(name)) != (1.0, 0.0)}
    return patched(first, _MergePatch(second, mixed)) if mixed else first


def _mismatch(first: Network[Any], second: Network[Any]) -> ModelError:
    return ModelError(
        f"{first.name} and {second.name} cannot be merged: their weights have other shapes",
        code="model_mismatch",
        hint="Merge models of one family.",
    )
