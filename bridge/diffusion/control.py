"""ControlNets, T2I-Adapters and boxes at work: what steers the denoiser between two noise levels."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.control_lora import has_layers
from bridge.diffusion.controlnet import SteeringNetwork
from bridge.diffusion.controlnet_xs import ControlledUNet, SlimControlNet
from bridge.diffusion.device import memory_errors
from bridge.diffusion.fit import fit_picture, repeat_to
from bridge.diffusion.gligen import grounded, read_boxes
from bridge.diffusion.networks import control_factor
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.t2i_adapter import T2IAdapter
from bridge.diffusion.types import Control, ControlNetwork, DiffusionModel, Grounding, Prompt
from bridge.errors import InputError, ModelError
from bridge.models import CONTEXT_WIDTHS


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is added inside a UNet.

    Args:
        skips: To its skip connections, finest first; empty for nothing.
        middle: Behind its middle block.
        levels: At the end of each level of its encoder, finest first, and behind the middle block where
            there is one more; empty for nothing.
    """

    skips: tuple[Tensor, ...] = ()
    middle: Tensor | None = None
    levels: tuple[Tensor, ...] = ()

    def __add__(self, other: "Residuals") -> "Residuals":
        middles = [each.middle for each in (self, other) if each.middle is not None]
        return Residuals(
            _sum(self.skips, other.skips),
            sum(middles[1:], middles[0]) if middles else None,
            _sum(self.levels, other.levels),
        )

    def scaled(self, factor: float) -> "Residuals":
        """Return them times a factor."""
        if math.isclose(factor, 1.0):
            return self
        return Residuals(
            tuple(each * factor for each in self.skips),
            None if self.middle is None else self.middle * factor,
            tuple(each * factor for each in self.levels),
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

    def is_active(self, sigma: float) -> bool:
        """Tell whether it steers at a noise level."""
        return self.start >= sigma >= self.end


class AddingSteering(Steering, ABC):
    """What adds to what the UNet makes."""

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


@dataclass(frozen=True, slots=True)
class NetworkSteering(AddingSteering):
    """A ControlNet, which looks at every step.

    Args:
        embedding: What its picture encoder made of the picture, (1 or B, C, h, w).
        label: What a union ControlNet adds to the embedding of time.
    """

    embedding: Tensor
    label: Tensor | None = None

    def residuals(self, step: Step) -> Residuals:
        """As of the base class."""
        embedding = (
            self.embedding if len(self.embedding) == 1 else repeat_to(self.embedding, len(step.sample))
        )
        module = self.network.module()
        skips, middle = module(
            step.sample, step.timestep, step.prompt_embeds, embedding, self.label, step.added
        )
        return Residuals(skips, middle)


@dataclass(frozen=True, slots=True)
class AdapterSteering(AddingSteering):
    """A T2I-Adapter, which has looked at the picture once and for all.

    Args:
        levels: Its features, each (1 or B, C, h, w).
    """

    levels: tuple[Tensor, ...]

    def residuals(self, step: Step) -> Residuals:
        """As of the base class."""
        # Whole batches: behind the middle block diffusers adds only what has its exact shape.
        return Residuals(levels=tuple(repeat_to(each, len(step.sample)) for each in self.levels))


@dataclass(frozen=True, slots=True)
class SlimSteering(ChangingSteering):
    """A ControlNet-XS.

    Args:
        embedding: What its picture encoder made of the picture, (1 or B, C, h, w).
    """

    embedding: Tensor

    def changed(self, unet: Any) -> Any:
        """As of the base class."""
        return ControlledUNet(unet, self.network.module())

    def arguments(self, step: Step) -> dict[str, Any]:
        """As of the base class."""
        return {
            "controlnet_cond": repeat_to(self.embedding, len(step.sample)),
            "conditioning_scale": self.conditioning_scale,
        }


@dataclass(frozen=True, slots=True)
class GroundingSteering(ChangingSteering):
    """Words in boxes.

    Args:
        objects: What GLIGEN made of them, (1, objects, width).
    """

    objects: Tensor

    def changed(self, unet: Any) -> Any:
        """As of the base class."""
        return grounded(unet, self.network.module())

    def arguments(self, step: Step) -> dict[str, Any]:
        """As of the base class."""
        objects = self.objects.expand(len(step.sample), -1, -1)
        return {"cross_attention_kwargs": {"gligen": {"objects": objects}}}


def add_control(conditioning: Sequence[Prompt], control: Control) -> tuple[Prompt, ...]:
    """Return conditioning steered by one more ControlNet; unchanged if its scale is 0.

    Raises:
        ModelError: Code ``model_mismatch`` if it was made for another family than the prompts.
    """
    if control.conditioning_scale == 0:
        return tuple(conditioning)
    for prompt in conditioning:
        family = CONTEXT_WIDTHS.get(prompt.prompt_embeds.shape[2])
        if family and family not in control.network.families:
            raise _of_another_family(control.network, f"the prompts were encoded for {family.value}")
    return tuple(replace(prompt, controls=(*prompt.controls, control)) for prompt in conditioning)


def cover_negative(positive: Sequence[Prompt], negative: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Give negative prompts the boxes of the positive ones, and the controls whose last one asks for it.

    Prompts that are limited to a window neither give nor take; if any other negative prompt has controls of
    its own, all keep theirs, and likewise with boxes. The first positive prompt gives to the first negative
    one, and so on round.
    """
    covered = _covered(
        positive,
        negative,
        "controls",
        lambda prompt: any(each.covers_negative for each in prompt.controls[-1:]),
    )
    return _covered(positive, covered, "grounding", lambda prompt: prompt.grounding is not None)


def _covered(
    positive: Sequence[Prompt], negative: Sequence[Prompt], field: str, gives: Callable[[Prompt], bool]
) -> tuple[Prompt, ...]:
    giving = [getattr(prompt, field) for prompt in positive if not prompt.is_windowed and gives(prompt)]
    taking = [index for index, prompt in enumerate(negative) if not prompt.is_windowed]
    if not taking or any(getattr(negative[index], field) for index in taking):
        return tuple(negative)
    covered = list(negative)
    for count, given in enumerate(giving):
        index = taking[count % len(taking)]
        covered[index] = replace(covered[index], **{field: given})
    return tuple(covered)


def prepare(control: Control | Grounding, model: DiffusionModel, shape: Sequence[int]) -> Steering:
    """Show a control's picture, or boxes, to its network, for a model's latents of a shape (B, 4, h, w).

    Raises:
        InputError: If there are too many boxes.
        ModelError: Code ``model_mismatch`` if the network was made for another UNet or latent factor.
        OutOfMemory: If what reads the picture does not fit.
    """
    if isinstance(control, Grounding):
        objects = read_boxes(control, model, shape[2:])
        return GroundingSteering(control.network.network, 1.0, math.inf, 0.0, objects)
    batch, _, height, width = shape
    network: Network[Any] = control.network.network
    _require_match(control.network, model)
    factor = _multiple(network.module())
    image = fit_picture(
        control.image[..., :3].movedim(-1, 1),
        -(-height * model.latent_factor // factor) * factor,
        -(-width * model.latent_factor // factor) * factor,
    )
    image = image if len(image) == 1 else repeat_to(image, batch)
    common = (
        _running(control.network, model.unet),
        control.conditioning_scale,
        model.schedule.sigma_at(control.start),
        model.schedule.sigma_at(control.end),
    )

    @torch.inference_mode()
    def read() -> Steering:
        module = network.module()
        with memory_errors("reading a control image"):
            there = network.placement.bring(image)
            if isinstance(module, T2IAdapter):
                return AdapterSteering(*common, module(there))
            if isinstance(module, SlimControlNet):
                return SlimSteering(*common, module.read(there))
            return NetworkSteering(*common, *module.read(there, control.network.control_type))

    return with_room(read, keep=(network,))


def steered(unet: Any, steering: Sequence[Steering], sigma: float, step: Step) -> tuple[Any, dict[str, Any]]:
    """Return the UNet to ask at a step, perhaps a changed one, and what to give it besides.

    Raises:
        InputError: If a ControlNet-XS is at work together with another ControlNet, T2I-Adapter or boxes.
    """
    active = [each for each in steering if each.is_active(sigma)]
    slim = [each for each in active if isinstance(each, SlimSteering)]
    if slim and len(active) > 1:
        raise InputError(
            f"{slim[0].network.name} cannot steer together with another ControlNet, T2I-Adapter or GLIGEN",
            hint="Keep one of them, or let one end (end_percent) before the other begins (start_percent).",
        )
    given = residuals([each for each in active if isinstance(each, AddingSteering)], step).arguments()
    for each in active:
        if isinstance(each, ChangingSteering):
            unet = each.changed(unet)
            given |= each.arguments(step)
    return unet, given


def residuals(steering: Sequence[AddingSteering], step: Step) -> Residuals:
    """Add up what several say at a step."""
    return sum((each.residuals(step).scaled(each.conditioning_scale) for each in steering), Residuals())


def _running(control: ControlNetwork, unet: Network[Any]) -> Network[Any]:
    """Return what runs at each step: the network itself, or one made of it and the UNet."""
    own, join = control.network, control.joined
    if join is None:
        return own
    return Network(own.name, lambda where: join(unet.module(), own.module()), needs=(unet, own), new_bytes=0)


def _multiple(module: SteeringNetwork | SlimControlNet | T2IAdapter) -> int:
    """Return what the sides of a picture must be multiples of."""
    return module.layout.factor if isinstance(module, T2IAdapter) else 1


def _sum(mine: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if not (mine and theirs):
        return mine or theirs
    return tuple(a + b for a, b in zip(mine, theirs, strict=True))


def _require_match(control: ControlNetwork, model: DiffusionModel) -> None:
    if model.family not in control.families:
        raise _of_another_family(control, f"{model.unet.name} is {model.family.value}")
    mine, module = control.network.module(), model.unet.module()
    unet = module.config
    if isinstance(mine, SlimControlNet):
        fits = mine.fits(unet) and control_factor(mine.config) == model.latent_factor
    elif isinstance(mine, T2IAdapter):
        # SDXL's have one level more, whose features go behind the middle block.
        levels = mine.layout.channels[: len(unet["block_out_channels"])]
        fits = levels == tuple(unet["block_out_channels"])
    else:
        entries = ("block_out_channels", "layers_per_block", "cross_attention_dim")
        fits = all(mine.config[entry] == unet[entry] for entry in entries)
        fits = fits and control_factor(mine.config) == model.latent_factor
        if control.joined:
            fits = fits and mine.config["in_channels"] == unet["in_channels"] and has_layers(module, mine)
    if not fits:
        made_for = " or ".join(family.value for family in control.families)
        raise ModelError(
            f"{control.network.name} was made for another kind of {made_for} than {model.unet.name}",
            code="model_mismatch",
            hint="Choose a ControlNet that was trained for this checkpoint.",
        )


def _of_another_family(control: ControlNetwork, but: str) -> ModelError:
    made_for = " or ".join(family.value for family in control.families)
    return ModelError(
        f"{control.network.name} was made for {made_for}; {but}",
        code="model_mismatch",
        hint="Choose a ControlNet and a checkpoint of the same family.",
    )
