"""ControlNets at work: pictures that steer the denoiser between two noise levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import ControlNetModel
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.fit import fit_picture, repeat_to
from bridge.diffusion.networks import control_factor
from bridge.diffusion.residency import Network, placement, with_room
from bridge.diffusion.types import Control, ControlNetwork, DiffusionModel, Prompt
from bridge.errors import ModelError

Residuals = tuple[list[Tensor], Tensor]
"""What is added to a UNet's skip connections, finest first, and to its middle block."""


class SteeringNetwork(torch.nn.Module):
    """A ControlNet whose picture encoder runs apart, once for each picture instead of at every step."""

    def __init__(self, network: ControlNetModel) -> None:
        super().__init__()
        self.picture_encoder = network.controlnet_cond_embedding
        network.controlnet_cond_embedding = torch.nn.Identity()
        self.network = network

    @property
    def config(self) -> Any:
        """The ControlNet's own configuration."""
        return self.network.config

    def forward(
        self, sample: Tensor, timestep: Tensor, prompt_embeds: Tensor, embedding: Tensor
    ) -> Residuals:
        """Return residuals for scaled noisy latents; ``embedding`` is the picture encoder's output."""
        down, middle = self.network(
            sample,
            timestep,
            encoder_hidden_states=prompt_embeds,
            controlnet_cond=embedding,
            return_dict=False,
        )
        return down, middle


@dataclass(frozen=True, slots=True)
class Steering:
    """A ``Control`` made ready for a run: at work while start ≥ sigma ≥ end."""

    network: Network[SteeringNetwork]
    embedding: Tensor
    conditioning_scale: float
    start: float
    end: float

    def is_active(self, sigma: float) -> bool:
        """Tell whether it steers at a noise level."""
        return self.start >= sigma >= self.end


def add_control(conditioning: Sequence[Prompt], control: Control) -> tuple[Prompt, ...]:
    """Return conditioning steered by one more ControlNet; unchanged if its scale is 0."""
    if control.conditioning_scale == 0:
        return tuple(conditioning)
    return tuple(replace(prompt, controls=(*prompt.controls, control)) for prompt in conditioning)


def cover_negative(positive: Sequence[Prompt], negative: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Give negative prompts without controls those of the positive ones that ask for it."""
    shared = next(
        (prompt.controls for prompt in positive if any(c.covers_negative for c in prompt.controls)), ()
    )
    covering = tuple(control for control in shared if control.covers_negative)
    return tuple(prompt if prompt.controls else replace(prompt, controls=covering) for prompt in negative)


def prepare(control: Control, model: DiffusionModel, shape: Sequence[int]) -> Steering:
    """Embed a control's picture for a model's latents of a shape (B, 4, h, w).

    Raises:
        ModelError: Code ``model_mismatch`` if the ControlNet was made for another UNet or latent factor.
        OutOfMemory: If the picture encoder does not fit.
    """
    batch, _, height, width = shape
    _require_match(control.network, model)
    image = control.image[..., :3].movedim(-1, 1)
    image = fit_picture(image, height * model.latent_factor, width * model.latent_factor)
    image = image if len(image) == 1 else repeat_to(image, batch)
    network: Network[SteeringNetwork] = control.network.network

    @torch.inference_mode()
    def embed() -> Tensor:
        module = network.module()
        with memory_errors("reading a control image"):
            there = image.to(
                module.network.device, module.network.dtype, memory_format=placement().memory_format
            )
            embedding: Tensor = module.picture_encoder(there)
            return embedding

    return Steering(
        network=network,
        embedding=with_room(embed, keep=(network,)),
        conditioning_scale=control.conditioning_scale,
        start=model.schedule.sigma_at(control.start),
        end=model.schedule.sigma_at(control.end),
    )


def residuals(
    steering: Sequence[Steering], sample: Tensor, timestep: Tensor, prompt_embeds: Tensor
) -> Residuals | None:
    """Add up what several ControlNets say; ``None`` if there are none.

    Args:
        steering: Those at work now.
        sample: Scaled noisy latents, (N, 4, h, w), N a multiple of each embedding's batch.
        timestep: Shape (N,).
        prompt_embeds: Shape (N, tokens, width).
    """
    total: Residuals | None = None
    for each in steering:
        embedding = each.embedding if len(each.embedding) == 1 else repeat_to(each.embedding, len(sample))
        down, middle = each.network.module()(sample, timestep, prompt_embeds, embedding)
        if not math.isclose(each.conditioning_scale, 1.0):
            for residual in (*down, middle):
                residual.mul_(each.conditioning_scale)
        if total is None:
            total = list(down), middle
        else:
            for mine, more in zip((*total[0], total[1]), (*down, middle), strict=True):
                mine.add_(more)
    return total


def _require_match(control: ControlNetwork, model: DiffusionModel) -> None:
    mine, unet = control.network.module().config, model.unet.module().config
    entries = ("block_out_channels", "layers_per_block", "cross_attention_dim")
    if any(mine[entry] != unet[entry] for entry in entries) or control_factor(mine) != model.latent_factor:
        raise ModelError(
            f"{control.network.name} was made for another kind of checkpoint",
            code="model_mismatch",
            hint="Choose a ControlNet and a checkpoint of the same family.",
        )
