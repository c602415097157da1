"""What steers a denoiser's network between two noise levels: what all kinds of it have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from bridge.diffusion.residency import Network
from bridge.errors import InputError


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is added inside a network.

    Args:
        skips: To a UNet's skip connections, finest first; empty for nothing.
        middle: Behind its middle block.
        levels: At the end of each level of its encoder, finest first, and behind the middle block where
            there is one more; empty for nothing.
        blocks: Behind each block of a transformer; empty for nothing.
        single_blocks: Behind each of those in which Flux's prompt and picture share weights.
    """

    skips: tuple[Tensor, ...] = ()
    middle: Tensor | None = None
    levels: tuple[Tensor, ...] = ()
    blocks: tuple[Tensor, ...] = ()
    single_blocks: tuple[Tensor, ...] = ()

    def __add__(self, other: "Residuals") -> "Residuals":
        middles = [each.middle for each in (self, other) if each.middle is not None]
        return Residuals(
            _sum(self.skips, other.skips),
            sum(middles[1:], middles[0]) if middles else None,
            _sum(self.levels, other.levels),
            _sum(self.blocks, other.blocks),
            _sum(self.single_blocks, other.single_blocks),
        )

    def scaled(self, factor: float) -> "Residuals":
        """Return them times a factor."""
        if math.isclose(factor, 1.0):
            return self
        return Residuals(
            tuple(each * factor for each in self.skips),
            None if self.middle is None else self.middle * factor,
            tuple(each * factor for each in self.levels),
            tuple(each * factor for each in self.blocks),
            tuple(each * factor for each in self.single_blocks),
        )

    def arguments(self) -> dict[str, Any]:
        """Return them as arguments of a ``UNet2DConditionModel``."""
        given: dict[str, Any] = {}
        if self.skips:
            given["down_block_additional_residuals"] = self.skips
            given["mid_block_additional_residual"] = self.middle
        if self.levels:
            given["down_intrablock_additional_residuals"] = list(self.levels)  # the UNet empties it
        return given


@dataclass(frozen=True, slots=True)
class Step:
    """What the denoiser's network is given at one step, and a ControlNet with it.

    Args:
        sample: Scaled noisy latents, (N, C, h, w), N a multiple of each picture's batch.
        timestep: Shape (N,).
        prompt_embeds: Shape (N, tokens, width).
        extras: What the family's network takes besides, by its own names.
        channels: What it sees beside the noisy latents, (N, C, h, w).
    """

    sample: Tensor
    timestep: Tensor
    prompt_embeds: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    channels: Tensor | None = None

    @property
    def added(self) -> dict[str, Tensor] | None:
        """What SDXL's networks take besides; ``None`` for others."""
        if "time_ids" not in self.extras:
            return None
        return {name: self.extras[name] for name in ("text_embeds", "time_ids")}


@dataclass(frozen=True, slots=True)
class Steering:
    """A ``Control`` or ``Grounding`` made ready for a run: at work while start ≥ sigma ≥ end.

    Args:
        network: What runs at each step.
        conditioning_scale: Its weight.
        start: Noise level at which it begins.
        end: Noise level at which it ends.
    """

    network: Network[Any]
    conditioning_scale: float
    start: float
    end: float

    works_alone: ClassVar[bool] = False
    """Whether nothing else may be at work with it."""

    def is_active(self, sigma: float) -> bool:
        """Tell whether it steers at a noise level."""
        return self.start >= sigma >= self.end


class AddingSteering(Steering, ABC):
    """What adds to what the denoiser's network makes."""

    __slots__ = ()

    @abstractmethod
    def residuals(self, step: Step) -> Residuals:
        """Return what it adds at a step, at full weight."""


class ChangingSteering(Steering, ABC):
    """What runs within a changed UNet."""

    __slots__ = ()

    @abstractmethod
    def changed(self, unet: Any) -> Any:
        """Return a UNet that it steers, which shares all weights with another."""

    @abstractmethod
    def arguments(self, step: Step) -> dict[str, Any]:
        """Return what that is given besides at a step."""


def steered(unet: Any, steering: Sequence[Steering], sigma: float, step: Step) -> tuple[Any, dict[str, Any]]:
    """Return the UNet to ask at a step, perhaps a changed one, and what to give it besides.

    Raises:
        InputError: If a ControlNet-XS is at work together with another ControlNet, T2I-Adapter or boxes.
    """
    active = [each for each in steering if each.is_active(sigma)]
    alone = [each for each in active if each.works_alone]
    if alone and len(active) > 1:
        raise InputError(
            f"{alone[0].network.name} cannot steer together with another ControlNet, T2I-Adapter or GLIGEN",
            hint="Keep one of them, or let one end (end_percent) before the other begins (start_percent).",
        )
    given = residuals(active, step).arguments()
    for each in active:
        if isinstance(each, ChangingSteering):
            unet = each.changed(unet)
            given |= each.arguments(step)
    return unet, given


def residuals(active: Sequence[Steering], step: Step) -> Residuals:
    """Add up what all that is at work says at a step."""
    adding = [each for each in active if isinstance(each, AddingSteering)]
    return sum((each.residuals(step).scaled(each.conditioning_scale) for each in adding), Residuals())


def _sum(mine: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if not (mine and theirs):
        return mine or theirs
    return tuple(a + b for a, b in zip(mine, theirs, strict=True))
