"""Empty networks of Stable Diffusion 1.x, 2.x and SDXL, on the meta device: no memory, no weights.

A single file says how wide and deep its networks are, but not all of their settings. Those that shapes
cannot tell are set here, once for each family; docs/configurations.md names the source of each, and of
what is left to the libraries' defaults.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from bridge.diffusion.libraries import diffusers, transformers
from bridge.errors import UnsupportedModel
from bridge.models import AutoencoderLayout, Family, TextLayout, TowerKind, UNetLayout

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

SCALING_FACTOR = 0.18215
"""What Stable Diffusion 1.x and 2.x multiply latents by: the inverse of their deviation in training."""

_SDXL_SCALING_FACTOR = 0.13025

_SD3_LATENTS = 1.5305, 0.0609
_FLUX_LATENTS = 0.3611, 0.1159
"""Scaling and shift: the inverse of latents' deviation, and their mean."""

LATENT_FACTOR = 8
"""Pixels along a side of one latent of Stable Diffusion."""

_HEADS = 8
"""Attention heads in all of Stable Diffusion 1.x, whatever the width."""

_HEAD_WIDTH = 64
"""Channels of an attention head in later families and in CLIP."""

_SIZE_CHANNELS = 256
"""Channels in which SDXL is told each number of a picture's size."""


def scaling_factor(family: Family) -> float:
    """Return what a family multiplies latents by."""
    sdxl = dict.fromkeys((Family.SDXL, Family.SDXL_REFINER, Family.PIXART_SIGMA), _SDXL_SCALING_FACTOR)
    factors = {**sdxl, Family.SD3: _SD3_LATENTS[0], Family.FLUX: _FLUX_LATENTS[0]}
    return factors.get(family, SCALING_FACTOR)


def shift_factor(family: Family) -> float:
    """Return what a family takes from latents before it multiplies them."""
    return {Family.SD3: _SD3_LATENTS[1], Family.FLUX: _FLUX_LATENTS[1]}.get(family, 0.0)


def latent_channels(family: Family) -> int:
    """Return how many channels a family's latents have."""
    return 16 if family in (Family.SD3, Family.FLUX) else 4


def unet_config(layout: UNetLayout, family: Family) -> dict[str, Any]:
    """Describe a UNet of a shape to diffusers.

    Raises:
        UnsupportedModel: If diffusers has no such UNet.
    """
    config = {
        "in_channels": layout.in_channels,
        "out_channels": 4,
        "up_block_types": tuple(_block(depth, "Up") for depth in layout.decoder_depths),
        **_encoder_config(layout, family),
    }
    if tuple(reversed(layout.depths)) != layout.decoder_depths:
        config["reverse_transformer_layers_per_block"] = tuple(depth or 1 for depth in layout.decoder_depths)
    return config


def controlnet_config(layout: UNetLayout, family: Family) -> dict[str, Any]:
    """Describe a ControlNet of a shape to diffusers.

    Raises:
        UnsupportedModel: If diffusers has no such ControlNet.
    """
    return {
        "in_channels": layout.in_channels,
        "conditioning_channels": 3,
        "conditioning_embedding_out_channels": layout.hint_channels,
        **_encoder_config(layout, family),
    }


def autoencoder_config(layout: AutoencoderLayout) -> dict[str, Any]:
    """Describe an autoencoder of a shape to diffusers."""
    config: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * len(layout.channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(layout.channels),
        "block_out_channels": layout.channels,
        "layers_per_block": layout.blocks,
        "latent_channels": layout.latent_channels,
        "norm_num_groups": 32,
        "scaling_factor": SCALING_FACTOR,
    }
    if not layout.has_quant_convs:
        config |= {"use_quant_conv": False, "use_post_quant_conv": False}
    return config


def latent_factor(autoencoder: Mapping[str, Any]) -> int:
    """Return the pixels along a side of one latent; each level but the last halves the picture."""
    levels = len(autoencoder.get("block_out_channels", (64,)))  # diffusers' default
    return 1 << (levels - 1)


def control_factor(controlnet: Mapping[str, Any]) -> int:
    """Return the pixels of a control image along a side of one latent, as its picture encoder shrinks it."""
    return 1 << (len(controlnet["conditioning_embedding_out_channels"]) - 1)


def text_config(layout: TextLayout, kind: TowerKind) -> dict[str, Any]:
    """Describe a CLIP text tower of a shape to transformers."""
    return {
        "vocab_size": layout.vocabulary,
        "max_position_embeddings": layout.positions,
        "hidden_size": layout.width,
        "intermediate_size": layout.inner_width,
        "num_hidden_layers": layout.layers,
        "num_attention_heads": max(layout.width // _HEAD_WIDTH, 1),
        "hidden_act": "quick_gelu" if kind == "clip_l" else "gelu",
        "projection_dim": layout.projection,
    }


def empty_unet(config: dict[str, Any]) -> "UNet2DConditionModel":
    """Build a UNet without weights."""
    with torch.device("meta"):
        return diffusers.UNet2DConditionModel(**config)


def empty_controlnet(config: dict[str, Any]) -> "ControlNetModel":
    """Build a ControlNet without weights."""
    with torch.device("meta"):
        return diffusers.ControlNetModel(**config)


def empty_autoencoder(config: dict[str, Any]) -> "AutoencoderKL":
    """Build an autoencoder without weights."""
    with torch.device("meta"):
        return diffusers.AutoencoderKL(**config)


def empty_text_tower(config: dict[str, Any]) -> "CLIPTextModel | CLIPTextModelWithProjection":
    """Build a CLIP text tower without weights; its projection is left out where ``projection_dim`` is 0."""
    with torch.device("meta"):
        if config.get("projection_dim"):
            return transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(**config))
        return transformers.CLIPTextModel(
            transformers.CLIPTextConfig(**{**config, "projection_dim": config["hidden_size"]})
        )


def _encoder_config(layout: UNetLayout, family: Family) -> dict[str, Any]:
    depths = [depth or 1 for depth in layout.depths]
    if layout.middle_depth:
        # diffusers takes the middle block's depth from the coarsest level, whether that attends or not.
        if layout.depths[-1] not in (0, layout.middle_depth):
            raise UnsupportedModel(
                "the UNet's middle block is of another depth than its coarsest level",
                hint="Use a checkpoint in the published layout of its family.",
            )
        depths[-1] = layout.middle_depth
    config: dict[str, Any] = {
        "down_block_types": tuple(_block(depth, "Down") for depth in layout.depths),
        "block_out_channels": layout.channels,
        "layers_per_block": layout.blocks,
        "cross_attention_dim": layout.context_width,
        "transformer_layers_per_block": tuple(depths),
        # diffusers' misnomer: this is the number of heads.
        "attention_head_dim": _HEADS
        if family is Family.SD1
        else tuple(max(width // _HEAD_WIDTH, 1) for width in layout.channels),
        "use_linear_projection": layout.is_linear,
        "norm_num_groups": 32,
    }
    if not layout.middle_depth:
        config["mid_block_type"] = None if layout.middle_depth is None else "UNetMidBlock2D"
    if layout.vector_width and family is Family.SD2:  # unCLIP
        config |= {
            "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": layout.vector_width,
        }
    elif layout.vector_width:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": _SIZE_CHANNELS,
            "projection_class_embeddings_input_dim": layout.vector_width,
        }
    return config


def _block(depth: int | tuple[int, ...], side: str) -> str:
    return f"CrossAttn{side}Block2D" if depth else f"{side}Block2D"
