"""Weighted sums of two networks of one architecture, computed from both in float32.

Weights whose shapes differ are left out of the sum: an inpainting model keeps the layer that reads its
mask, so that the difference of one from its base, added to another checkpoint, makes that one inpaint.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from bridge.diffusion.ldm_names import blocks_per_level, unet_names
from bridge.diffusion.patching import Change, exact_weights, patched
from bridge.diffusion.residency import Network
from bridge.diffusion.types import DiffusionModel, TextEncoder
from bridge.engine import current_job
from bridge.errors import ModelError
from bridge.models import UNET_FAMILIES

Shares = tuple[float, float]
"""What the first and the second network's weight are multiplied by before they are added."""


def merge_models(
    first: DiffusionModel, second: DiffusionModel, shares: Callable[[str], Shares]
) -> DiffusionModel:
    """Return the first denoiser with weights mixed from both.

    Args:
        first: All but the weights stays as it is here.
        second: Of the same family and depth.
        shares: Name of a weight, of a UNet in the original naming → the two shares.

    Raises:
        ModelError: Code ``model_mismatch`` if the two are not alike.
    """
    if first.family is not second.family:
        raise _mismatch(
            first.unet, second.unet, f"one is {first.family.value}, the other {second.family.value}"
        )
    blocks = blocks_per_level(first.unet.shapes)

    def by_ldm_name(name: str) -> Shares:
        return shares(unet_names(name, blocks)[0] if first.family in UNET_FAMILIES else name)

    return replace(first, unet=_merge(first.unet, second.unet, by_ldm_name))


def merge_text_encoders(first: TextEncoder, second: TextEncoder, shares: Shares) -> TextEncoder:
    """Return the first text encoder with weights mixed from both.

    Raises:
        ModelError: Code ``model_mismatch`` if the two are not alike.
    """
    if [tower.kind for tower in first.towers] != [tower.kind for tower in second.towers]:
        raise _mismatch(
            first.towers[0].network, second.towers[0].network, "they have text encoders of other kinds"
        )
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
    """Another network's weights, mixed in; see ``patching.Patch``. A share of 0 stands for any shape."""

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
            return first * mine + second * weight_of(name).to(mine.device) if second else first * mine

        return {name: functools.partial(change, name) for name in self.shares}


def _merge(first: Network[Any], second: Network[Any], shares: Callable[[str], Shares]) -> Network[Any]:
    if first.shapes.keys() != second.shapes.keys():
        raise _mismatch(first, second, "they have other layers")
    unlike = {name for name, shape in first.shapes.items() if second.shapes[name] != shape}
    if len(unlike) == len(first.shapes):
        raise _mismatch(first, second, "none of their weights are of the same shape")
    if unlike:
        _warn_of(unlike, first, second)
    wanted = {name: (shares(name)[0], 0.0) if name in unlike else shares(name) for name in first.shapes}
    mixed = {name: both for name, both in wanted.items() if both != (1.0, 0.0)}
    return patched(first, _MergePatch(second, mixed)) if mixed else first


def _warn_of(unlike: Collection[str], first: Network[Any], second: Network[Any]) -> None:
    some = ", ".join(f'"{name}"' for name in sorted(unlike)[:3]) + (" …" if len(unlike) > 3 else "")
    current_job().warn(
        "merged_in_part",
        f"{len(unlike)} of {len(first.shapes)} weights of {second.name} are of another shape than those of "
        f"{first.name}, and are left out: {some}",
        "An inpainting model that is mixed with a plain one is meant to keep its first layer.",
    )


def _mismatch(first: Network[Any], second: Network[Any], reason: str) -> ModelError:
    return ModelError(
        f"{first.name} and {second.name} cannot be merged: {reason}",
        code="model_mismatch",
        hint="Merge models of one family and depth.",
    )
