"""ControlNet-XS: a slim encoder beside a UNet's own; at every block each hears what the other made.

The two run as one network in the UNet's place, made of the modules of both.

Source: Zavadski et al. 2023, "ControlNet-XS: Rethinking the Control of Text-to-Image Diffusion Models as
Feedback-Control Systems". What is computed is diffusers'; its own joining would copy every weight.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ControlNetXSAdapter, UNetControlNetXSModel
from diffusers.models.controlnets.controlnet_xs import (
    ControlNetXSCrossAttnDownBlock2D,
    ControlNetXSCrossAttnMidBlock2D,
    ControlNetXSCrossAttnUpBlock2D,
    find_largest_factor,
)
from torch import Tensor
from torch.nn import GroupNorm, Identity, ModuleList

from bridge.errors import InputError, ModelError

_BLOCKS = 2
"""Residual blocks a level of the UNets that diffusers' ControlNet-XS goes with."""


class SlimControlNet(ControlNetXSAdapter):  # type: ignore[misc]  # diffusers is untyped
    """A ControlNet-XS by itself, which can read a picture but not run."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        for level in self.down_blocks:
            _regroup(level)

    def read(self, picture: Tensor) -> Tensor:
        """Return the embedding of a picture (B, 3, H, W), range 0..1: shape (B, C, h, w)."""
        is_bgr = self.config["conditioning_channel_order"] == "bgr"
        embedding: Tensor = self.controlnet_cond_embedding(picture.flip(1) if is_bgr else picture)
        return embedding

    def fits(self, unet: Mapping[str, Any]) -> bool:
        """Tell whether it was made for UNets of a configuration."""
        return (
            tuple(self.config["base_block_out_channels"]) == tuple(unet["block_out_channels"])
            and self.config["cross_attention_dim"] == unet["cross_attention_dim"]
            and len(self.down_blocks) == len(unet["block_out_channels"])
            and unet["layers_per_block"] == _BLOCKS
            and unet["mid_block_type"] == "UNetMidBlock2DCrossAttn"
            and unet["in_channels"] == self.conv_in.in_channels
        )


class ControlledUNet(UNetControlNetXSModel):  # type: ignore[misc]  # diffusers is untyped
    """A UNet and a ControlNet-XS as one network, which shares all weights with both."""

    def __init__(self, unet: Any, control: SlimControlNet) -> None:
        super(UNetControlNetXSModel, self).__init__()  # diffusers' own would build the networks anew
        self.register_to_config(
            addition_embed_type=unet.config["addition_embed_type"],
            ctrl_conditioning_channel_order="rgb",
            ctrl_learn_time_embedding=control.config["learn_time_embedding"],
            time_embedding_mix=control.config["time_embedding_mix"],
        )
        self.base_time_proj, self.base_time_embedding = unet.time_proj, unet.time_embedding
        self.ctrl_time_embedding = control.time_embedding
        if unet.config["addition_embed_type"]:
            self.base_add_time_proj, self.base_add_embedding = unet.add_time_proj, unet.add_embedding
        self.base_conv_in, self.ctrl_conv_in = unet.conv_in, control.conv_in
        self.control_to_base_for_conv_in = control.control_to_base_for_conv_in
        self.controlnet_cond_embedding = Identity()  # the picture was read before
        self.down_blocks = _joined(_Down, unet.down_blocks, control.down_blocks)
        self.mid_block = _Middle(unet.mid_block, control.mid_block)
        self.up_blocks = _joined(_Up, unet.up_blocks, control.up_connections)
        self.base_conv_norm_out, self.base_conv_out = unet.conv_norm_out, unet.conv_out
        self.base_conv_act = unet.conv_act

    def forward(self, sample: Tensor, *args: Any, **named: Any) -> Any:
        """Run as diffusers' does.

        Raises:
            InputError: If a level would halve an odd number of latents: the decoder could not double it.
        """
        multiple = 1 << (len(self.down_blocks) - 1)
        if sample.shape[2] % multiple or sample.shape[3] % multiple:
            raise InputError(
                f"a ControlNet-XS works on sides of a multiple of {multiple} latents, not "
                f"{sample.shape[3]}×{sample.shape[2]}",
                hint="Choose a width and a height that are multiples of 64 pixels, for areas too.",
            )
        return super().forward(sample, *args, **named)


class _Down(ControlNetXSCrossAttnDownBlock2D):  # type: ignore[misc]  # diffusers is untyped
    def __init__(self, base: Any, control: Any) -> None:
        torch.nn.Module.__init__(self)
        self.base_resnets, self.ctrl_resnets = base.resnets, control.resnets
        none = [None] * _BLOCKS
        self.base_attentions = getattr(base, "attentions", none)
        self.ctrl_attentions = control.attentions or none
        self.base_to_ctrl, self.ctrl_to_base = control.base_to_ctrl, control.ctrl_to_base
        self.base_downsamplers = base.downsamplers[0] if base.downsamplers else None
        self.ctrl_downsamplers = control.downsamplers
        self.gradient_checkpointing = False


class _Middle(ControlNetXSCrossAttnMidBlock2D):  # type: ignore[misc]  # diffusers is untyped
    def __init__(self, base: Any, control: Any) -> None:
        torch.nn.Module.__init__(self)
        self.base_midblock, self.ctrl_midblock = base, control.midblock
        self.base_to_ctrl, self.ctrl_to_base = control.base_to_ctrl, control.ctrl_to_base
        self.gradient_checkpointing = False


class _Up(ControlNetXSCrossAttnUpBlock2D):  # type: ignore[misc]  # diffusers is untyped
    def __init__(self, base: Any, control: Any) -> None:
        torch.nn.Module.__init__(self)
        self.resnets = base.resnets
        self.attentions = getattr(base, "attentions", [None] * (_BLOCKS + 1))
        self.ctrl_to_base = control.ctrl_to_base
        self.upsamplers = base.upsamplers[0] if base.upsamplers else None
        self.resolution_idx = base.resolution_idx
        self.gradient_checkpointing = False


def empty_slim_controlnet(config: dict[str, Any], name: str) -> SlimControlNet:
    """Build a ControlNet-XS without weights.

    Raises:
        ModelError: Code ``model_corrupt`` if its configuration contradicts itself.
    """
    try:
        with torch.device("meta"):
            return SlimControlNet(**config)
    except (ValueError, LookupError, ZeroDivisionError) as error:
        raise ModelError(
            f'the configuration of "{name}" describes no ControlNet-XS: {error}',
            code="model_corrupt",
            hint="Download config.json again.",
        ) from error


def _regroup(level: Any) -> None:
    """Let the first norm of a level bound the groups of the others, as diffusers does when it trains."""
    most = level.resnets[0].norm1.num_groups
    for norm in level.modules():
        if isinstance(norm, GroupNorm):
            norm.num_groups = find_largest_factor(norm.num_channels, most)


def _joined(kind: Any, base: Any, control: Any) -> ModuleList:
    return ModuleList(kind(*pair) for pair in zip(base, control, strict=True))
