"""Stable Diffusion's UNets: 1.x, 2.x, SDXL and its refiner, and their special kinds."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from bridge.diffusion.backbones.backbone import Backbone, Extras, Outset, refuse_references
from bridge.diffusion.extra_channels import extra_channels
from bridge.diffusion.micro import added_conditioning
from bridge.diffusion.steering import Steering, Step, steered
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.diffusion.unclip import class_labels

_CHUNK = 77
"""Tokens that the text towers make at a time."""


class UNetBackbone(Backbone):
    """A ``UNet2DConditionModel``, perhaps changed by what steers it."""

    exact: ClassVar[frozenset[str]] = frozenset({"time_ids"})  # a size above 256 is no bfloat16

    def latent_channels(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        channels: int = config["out_channels"]
        return channels

    def context_width(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        width: int = config["cross_attention_dim"]
        return width

    def extras(
        self, prompt: Prompt, model: DiffusionModel, outset: Outset, *, is_negative: bool
    ) -> dict[str, Tensor]:
        """As of the base class."""
        refuse_references(prompt, model)
        extras: dict[str, Tensor] = {}
        added = added_conditioning(prompt, model, outset.shape, is_negative=is_negative, seed=outset.seed)
        if added is not None:
            extras["text_embeds"], extras["time_ids"] = added
        labels = class_labels(prompt, model, outset.seed)
        if labels is not None:
            extras["class_labels"] = labels
        return extras

    def channels(self, prompt: Prompt, model: DiffusionModel, outset: Outset) -> Tensor | None:
        """As of the base class."""
        return extra_channels(prompt, model, outset.shape, outset.clean, outset.noise_mask)

    def likeness(self, prompt_embeds: Tensor, extras: Extras) -> Hashable:
        """Return the tokens that are no whole chunks, as with a style; few multiples meet theirs."""
        tokens = prompt_embeds.shape[1]
        return tokens if tokens % _CHUNK else 0

    def joined(self, embeds: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As of the base class."""
        # Softmax does not notice that all tokens come n times, so chunks of unlike number can share a batch.
        tokens = math.lcm(*(each.shape[1] for each in embeds))
        return torch.cat([each.repeat(1, tokens // each.shape[1], 1) for each in embeds]), {}

    def predict(self, network: Any, step: Step, steering: Sequence[Steering], sigma: float) -> Tensor:
        """As of the base class."""
        asked, given = steered(network, steering, sigma, step)
        sample = step.sample
        if step.channels is not None:
            sample = torch.cat((sample, step.channels), dim=1)
        prediction: Tensor = asked(
            sample,
            step.timestep,
            encoder_hidden_states=step.prompt_embeds,
            class_labels=step.extras.get("class_labels"),
            added_cond_kwargs=step.added,
            return_dict=False,
            **given,
        )[0]
        return prediction
