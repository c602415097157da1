"""PixArt-α and PixArt-Σ.

Source: Chen et al. 2023, "PixArt-α: Fast Training of Diffusion Transformer for Photorealistic Text-to-Image
Synthesis", §2.3; Chen et al. 2024, "PixArt-Σ".
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from bridge.diffusion.backbones.backbone import Backbone, Extras, Outset, refuse_pictures, refuse_references
from bridge.diffusion.backbones.patches import padded
from bridge.diffusion.steering import Steering, Step
from bridge.diffusion.types import DiffusionModel, MicroConditioning, Prompt


class PixArtBackbone(Backbone):
    """A ``PixArtTransformer2DModel``; the variances that it learned to predict as well do not count."""

    exact: ClassVar[frozenset[str]] = frozenset({"resolution", "aspect_ratio"})

    def latent_channels(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        channels: int = config["in_channels"]
        return channels

    def context_width(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        width: int = config["caption_channels"]
        return width

    def extras(
        self, prompt: Prompt, model: DiffusionModel, outset: Outset, *, is_negative: bool
    ) -> dict[str, Tensor]:
        """As of the base class: the picture's size where the network was trained to be told."""
        refuse_pictures(prompt, model)
        refuse_references(prompt, model)
        if not model.unet.module().use_additional_conditions:
            return {}
        height, width = (side * model.latent_factor for side in outset.shape[2:])
        micro = prompt.micro or MicroConditioning(width, height)
        return {
            "resolution": torch.tensor([[float(micro.height), float(micro.width)]]),
            "aspect_ratio": torch.tensor([[micro.height / micro.width]]),
        }

    def likeness(self, prompt_embeds: Tensor, extras: Extras) -> Hashable:
        """As of the base class: masks let all run together."""
        return None

    def joined(self, embeds: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As of the base class: shorter prompts are padded, and a mask says which tokens count."""
        lengths = [each.shape[1] for each in embeds]
        longest = max(lengths)
        batch = torch.cat([pad(each, (0, 0, 0, longest - each.shape[1])) for each in embeds])
        if min(lengths) == longest:
            return batch, {}
        counts = torch.tensor([each.shape[1] for each in embeds for _ in each])
        return batch, {"encoder_attention_mask": (torch.arange(longest) < counts[:, None]).float()}

    def predict(self, network: Any, step: Step, steering: Sequence[Steering], sigma: float) -> Tensor:
        """As of the base class."""
        channels, height, width = step.sample.shape[1:]
        prediction: Tensor = network(
            padded(step.sample, network.config["patch_size"]),
            encoder_hidden_states=step.prompt_embeds,
            timestep=step.timestep,
            added_cond_kwargs={name: step.extras.get(name) for name in ("resolution", "aspect_ratio")},
            encoder_attention_mask=step.extras.get("encoder_attention_mask"),
            return_dict=False,
        )[0]
        return prediction[:, :channels, :height, :width]
