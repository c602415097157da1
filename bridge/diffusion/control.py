"""ControlNets, T2I-Adapters and boxes at work: what steers the denoiser between two noise levels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from bridge.diffusion.control_lora import has_layers
from bridge.diffusion.control_pictures import fitted_picture
from bridge.diffusion.control_transformers import prepare_transformer
from bridge.diffusion.device import memory_errors
from bridge.diffusion.fit import repeat_to
from bridge.diffusion.gligen import grounded, read_boxes
from bridge.diffusion.libraries import controlnet_xs
from bridge.diffusion.networks import control_factor
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.steering import AddingSteering, ChangingSteering, Residuals, Steering, Step
from bridge.diffusion.t2i_adapter import T2IAdapter
from bridge.diffusion.transformer_controlnets import TransformerControlNet
from bridge.diffusion.types import Control, ControlNetwork, DiffusionModel, Grounding, Prompt
from bridge.errors import InputError, ModelError
from bridge.models import CONTEXT_WIDTHS


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

    works_alone: ClassVar[bool] = True

    def changed(self, unet: Any) -> Any:
        """As of the base class."""
        return controlnet_xs.ControlledUNet(unet, self.network.module())

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
        InputError: If it sees latents of its picture, and there is no VAE to make them.
        ModelError: Code ``model_mismatch`` if it was made for another family than the prompts, or for latents
            of another VAE.
    """
    if control.conditioning_scale == 0:
        return tuple(conditioning)
    _require_vae(control)
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


def prepare(
    control: Control | Grounding,
    model: DiffusionModel,
    shape: Sequence[int],
    latents: Tensor | None = None,
) -> Steering:
    """Show a control's picture, or boxes, to its network.

    Args:
        control: To be at work.
        model: Which it steers.
        shape: Of the model's latents, (B, C, h, w).
        latents: Of the picture, for a ControlNet that sees these; see ``control_latents``.

    Raises:
        InputError: If there are too many boxes.
        ModelError: Code ``model_mismatch`` if the network was made for another UNet or latent factor.
        OutOfMemory: If what reads the picture does not fit.
    """
    if isinstance(control, Grounding):
        objects = read_boxes(control, model, shape[2:])
        return GroundingSteering(control.network.network, 1.0, math.inf, 0.0, objects)
    network: Network[Any] = control.network.network
    _require_match(control.network, model)
    image = fitted_picture(control, model, shape, multiple=_multiple(network.module()))
    common = (
        _running(control.network, model.unet),
        control.conditioning_scale,
        model.schedule.sigma_at(control.start),
        model.schedule.sigma_at(control.end),
    )
    if isinstance(network.module(), TransformerControlNet):
        return prepare_transformer(control, image, latents, model, common)

    @torch.inference_mode()
    def read() -> Steering:
        module = network.module()
        with memory_errors("reading a control image"):
            there = network.placement.bring(image)
            if isinstance(module, T2IAdapter):
                return AdapterSteering(*common, module(there))
            if isinstance(module, controlnet_xs.SlimControlNet):
                return SlimSteering(*common, module.read(there))
            return NetworkSteering(*common, *module.read(there, control.network.control_type))

    return with_room(read, keep=(network,))


def _require_vae(control: Control) -> None:
    name, channels, vae = control.network.network.name, control.network.latent_channels, control.vae
    if channels and vae is None:
        raise InputError(
            f"{name} sees latents of its picture, for which there is no VAE",
            hint="Use Apply ControlNet, and connect its vae.",
        )
    if channels and vae and vae.latent_channels != channels:
        raise ModelError(
            f"{name} sees latents of {channels} channels, {vae.network.name} makes {vae.latent_channels}",
            code="model_mismatch",
            hint="Connect the VAE of the checkpoint that it steers.",
        )


def _running(control: ControlNetwork, unet: Network[Any]) -> Network[Any]:
    """Return what runs at each step: the network itself, or one made of it and the denoiser."""
    own, join = control.network, control.joined
    if join is None:
        return own
    return Network(own.name, lambda where: join(unet.module(), own.module()), needs=(unet, own), new_bytes=0)


def _multiple(module: Any) -> int:
    """Return what the sides of a picture must be multiples of."""
    return module.layout.factor if isinstance(module, T2IAdapter) else 1


def _require_match(control: ControlNetwork, model: DiffusionModel) -> None:
    if model.family not in control.families:
        raise _of_another_family(control, f"{model.unet.name} is {model.family.value}")
    mine, module = control.network.module(), model.unet.module()
    unet = module.config
    if isinstance(mine, TransformerControlNet):
        fits = mine.fits(unet)
    elif isinstance(mine, controlnet_xs.SlimControlNet):
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
