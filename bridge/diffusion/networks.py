"""Empty Stable Diffusion 1.x networks of a given shape, on the meta device: no memory, no weights."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from bridge.models import AutoencoderLayout, TextLayout, UNetLayout

SCALING_FACTOR = 0.18215
"""What Stable Diffusion 1.x multiplies latents by: the inverse of their deviation over its training set."""

LATENT_FACTOR = 8
"""Pixels along a side of one latent of Stable Diffusion 1.x."""


def unet_config(layout: UNetLayout) -> dict[str, Any]:
    """Describe a UNet of a shape to diffusers."""
    return {
        "in_channels": layout.in_channels,
        "out_channels": 4,
        "up_block_types": tuple(_block(attends, "Up") for attends in layout.decoder_attends),
        **_encoder_config(layout),
    }


def controlnet_config(layout: UNetLayout) -> dict[str, Any]:
    """Describe a ControlNet of a shape to diffusers."""
    return {
        "in_channels": layout.in_channels,
        "conditioning_channels": 3,
        "conditioning_embedding_out_channels": layout.hint_channels,
        **_encoder_config(layout),
    }


def autoencoder_config(layout: AutoencoderLayout) -> dict[str, Any]:
    """Describe an autoencoder of a shape to diffusers."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * len(layout.channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(layout.channels),
        "block_out_channels": layout.channels,
        "layers_per_block": layout.blocks,
        "latent_channels": layout.latent_channels,
        "norm_num_groups": 32,
        "scaling_factor": SCALING_FACTOR,
    }


def latent_factor(autoencoder: Mapping[str, Any]) -> int:
    """Return the pixels along a side of one latent; each level but the last halves the picture."""
    levels = len(autoencoder.get("block_out_channels", (64,)))  # diffusers' default
    return 1 << (levels - 1)


def control_factor(controlnet: Mapping[str, Any]) -> int:
    """Return the pixels of a control image along a side of one latent, as its picture encoder shrinks it."""
    return 1 << (len(controlnet["conditioning_embedding_out_channels"]) - 1)


def text_config(layout: TextLayout) -> dict[str, Any]:
    """Describe a CLIP text tower of a shape to transformers; OpenAI's have 64 channels a head."""
    return {
        "vocab_size": layout.vocabulary,
        "max_position_embeddings": layout.positions,
        "hidden_size": layout.width,
        "intermediate_size": layout.inner_width,
        "num_hidden_layers": layout.layers,
        "num_attention_heads": max(layout.width // 64, 1),
        "hidden_act": "quick_gelu",
    }


def empty_unet(config: dict[str, Any]) -> UNet2DConditionModel:
    """Build a UNet without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(**config)


def empty_controlnet(config: dict[str, Any]) -> ControlNetModel:
    """Build a ControlNet without weights."""
    with torch.device("meta"):
        return ControlNetModel(**config)


def empty_autoencoder(config: dict[str, Any]) -> AutoencoderKL:
    """Build an autoencoder without weights."""
    with torch.device("meta"):
        return AutoencoderKL(**config)


def empty_text_tower(config: dict[str, Any]) -> CLIPTextModel:
    """Build a CLIP text tower without weights."""
    with torch.device("meta"):
        return CLIPTextModel(CLIPTextConfig(**config))


def _encoder_config(layout: UNetLayout) -> dict[str, Any]:
    return {
        "down_block_types": tuple(_block(attends, "Down") for attends in layout.attends),
        "block_out_channels": layout.channels,
        "layers_per_block": layout.blocks,
        "cross_attention_dim": layout.context_width,
        # diffusers' misnomer: this is the number of heads, 8 in all of Stable Diffusion 1.x.
        "attention_head_dim": 8,
        "norm_num_groups": 32,
    }


def _block(attends: bool, side: str) -> str:
    return f"CrossAttn{side}Block2D" if attends else f"{side}Block2D"
