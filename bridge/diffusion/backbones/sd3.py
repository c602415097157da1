"""Stable Diffusion 3 and 3.5. Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", §4."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from bridge.diffusion.backbones.backbone import Backbone, Outset, refuse_pictures, refuse_references
from bridge.diffusion.backbones.patches import padded
from bridge.diffusion.micro import pooled_of
from bridge.diffusion.patching import twin_of
from bridge.diffusion.steering import Steering, Step, residuals
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.errors import InputError


class SD3Backbone(Backbone):
    """An ``SD3Transformer2DModel``."""

    def latent_channels(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        channels: int = config["out_channels"] or config["in_channels"]
        return channels

    def context_width(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        width: int = config["joint_attention_dim"]
        return width

    def extras(
        self, prompt: Prompt, model: DiffusionModel, outset: Outset, *, is_negative: bool
    ) -> dict[str, Tensor]:
        """As of the base class; an ``InputError`` where latents are larger than its positions."""
        config = model.unet.module().config
        refuse_pictures(prompt, model)
        refuse_references(prompt, model)
        most = config["pos_embed_max_size"] * config["patch_size"]
        height, width = outset.shape[2:]
        if max(height, width) > most:
            factor = model.latent_factor
            raise InputError(
                f"{model.unet.name} makes pictures of up to {most * factor}×{most * factor}, not "
                f"{width * factor}×{height * factor}",
                code="image_too_large",
                hint="Make a smaller picture and enlarge it afterwards.",
            )
        pooled_width = config["pooled_projection_dim"]
        return {"pooled_projections": pooled_of(prompt, model, is_negative=is_negative, width=pooled_width)}

    def predict(self, network: Any, step: Step, steering: Sequence[Steering], sigma: float) -> Tensor:
        """As of the base class."""
        height, width = step.sample.shape[2:]
        added = residuals([each for each in steering if each.is_active(sigma)], step)
        if added.blocks:
            network = _ending_with(network, added.blocks[-1])
        prediction: Tensor = network(
            hidden_states=padded(step.sample, network.config["patch_size"]),
            encoder_hidden_states=step.prompt_embeds,
            timestep=step.timestep,
            block_controlnet_hidden_states=added.blocks or None,
            return_dict=False,
            **step.extras,
        )[0]
        return prediction[:, :, :height, :width]


def _ending_with(network: Any, residual: Tensor) -> Any:
    """Return a twin that takes a residual behind its last block, where diffusers leaves it out."""
    twin = twin_of(network, ["norm_out.hook"])
    twin.norm_out.register_forward_pre_hook(lambda module, args: (args[0] + residual, *args[1:]))
    return twin
