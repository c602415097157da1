"""The networks and their sizes: Stable Diffusion 1.x classes, small, with latents at a quarter scale."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

VOCABULARY = 49_408
PROMPT_TOKENS = 77
SCALING_FACTOR = 0.18215
NORM_GROUPS = 4
"""Few, since a normalisation over fewer than four channels takes colours away."""


@dataclass(frozen=True)
class Sizes:
    """Widths of every network; all weights together must stay below 40 MB in fp16."""

    autoencoder: tuple[int, ...] = (16, 32, 64)
    latent_channels: int = 4
    denoiser: tuple[int, ...] = (32, 48, 128, 192)
    hint: tuple[int, ...] = (8, 16, 24)
    text: int = 64
    text_layers: int = 2
    autoencoder_groups: int = 1
    head: int = 32


def make_autoencoder(sizes: Sizes) -> AutoencoderKL:
    """Build the autoencoder; its factor is 2 to the number of widths less one."""
    levels = len(sizes.autoencoder)
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=sizes.autoencoder,
        layers_per_block=1,
        latent_channels=sizes.latent_channels,
        norm_num_groups=sizes.autoencoder_groups,
        mid_block_add_attention=False,
        scaling_factor=SCALING_FACTOR,
        sample_size=256,
    )
    return autoencoder.to(memory_format=torch.channels_last)


def make_text_encoder(sizes: Sizes) -> CLIPTextModel:
    """Build the text encoder, on CLIP's own vocabulary."""
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=sizes.text,
        intermediate_size=4 * sizes.text,
        projection_dim=sizes.text,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=4,
        max_position_embeddings=PROMPT_TOKENS,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )
    return CLIPTextModel(config)


def make_denoiser(sizes: Sizes) -> UNet2DConditionModel:
    """Build the UNet. Its first level has no attention: at a quarter scale that would cost the most."""
    denoiser = UNet2DConditionModel(
        sample_size=64,
        in_channels=sizes.latent_channels,
        out_channels=sizes.latent_channels,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2, "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
        **_denoiser_shape(sizes),
    )
    return denoiser.to(memory_format=torch.channels_last)


def make_controlnet(sizes: Sizes) -> ControlNetModel:
    """Build a ControlNet for `make_denoiser`, ready to be trained from nothing.

    The output convolutions start small instead of at zero: zeros protect a trained UNet, of which there
    is none, and delay the first use of the control by thousands of steps.
    """
    control = ControlNetModel(
        in_channels=sizes.latent_channels,
        conditioning_embedding_out_channels=sizes.hint,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2, "DownBlock2D"),
        **_denoiser_shape(sizes),
    )
    outputs = [
        *control.controlnet_down_blocks,
        control.controlnet_mid_block,
        control.controlnet_cond_embedding.conv_out,
    ]
    for layer in outputs:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        layer.weight.data *= 0.5
        nn.init.zeros_(layer.bias)
    return control.to(memory_format=torch.channels_last)


def _denoiser_shape(sizes: Sizes) -> dict[str, object]:
    return {
        "block_out_channels": sizes.denoiser,
        "layers_per_block": 1,
        "cross_attention_dim": sizes.text,
        "attention_head_dim": tuple(max(1, width // sizes.head) for width in sizes.denoiser),
        "norm_num_groups": NORM_GROUPS,
    }
