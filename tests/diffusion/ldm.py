"""Writing tiny single-file checkpoints in the original naming style."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.ldm_names import autoencoder_names, unet_names

CHANNELS = (32, 64)
ENCODER = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "block_out_channels": CHANNELS,
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
UNET = {**ENCODER, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
CONTROLNET = {**ENCODER, "conditioning_embedding_out_channels": (4, 8, 8, 8)}
AUTOENCODER = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "latent_channels": 4,
}
FINE_AUTOENCODER = {
    **AUTOENCODER,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (32, 32, 64),
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
}


def unet_state(module: Any, blocks: int) -> dict[str, Tensor]:
    """Name a UNet's or ControlNet's tensors as the original code does."""

    def name(key: str) -> str:
        names = unet_names(key, blocks)
        if len(names) == 2:  # an upsampler: behind the attention of its level, if that has one
            level = int(key.split(".")[1])
            return names[module.config["up_block_types"][level] == "CrossAttnUpBlock2D"]
        if "controlnet_cond_embedding.conv_out" in key:
            last = 4 * len(module.config["conditioning_embedding_out_channels"]) - 2
            return f"input_hint_block.{last}.{key.rsplit('.', 1)[1]}"
        return names[0]

    return _renamed(module, name)


def autoencoder_state(module: Any) -> dict[str, Tensor]:
    """Name an autoencoder's tensors as the original code does; its attention is made of convolutions."""
    state = _renamed(module, lambda key: autoencoder_names(key, len(module.config["block_out_channels"]))[0])
    return {
        key: tensor[..., None, None] if ".attn_1." in key and tensor.ndim == 2 else tensor
        for key, tensor in state.items()
    }


def write_checkpoint(file: Path, unet: Any, vae: Any, text: Any, **more: Tensor) -> None:
    """Write a single-file checkpoint."""
    parts = {
        "model.diffusion_model.": unet_state(unet, unet.config["layers_per_block"]),
        "first_stage_model.": autoencoder_state(vae) if vae else {},
        "cond_stage_model.transformer.text_model.": text.state_dict() if text else {},
    }
    tensors = {prefix + key: tensor for prefix, part in parts.items() for key, tensor in part.items()}
    save_file({key: tensor.contiguous() for key, tensor in (tensors | more).items()}, file)


def _renamed(module: Any, name: Callable[[str], str]) -> dict[str, Tensor]:
    return {name(key): tensor for key, tensor in module.state_dict().items()}
