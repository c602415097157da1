"""Random SD3, Flux and PixArt of reduced depth, in the files and the key layouts that they are published in.

Latents, pooled embeddings and CLIP-L are as wide as published. Reduced are the blocks and their width, Flux's
heads and T5 (to 64 channels), the layers of text encoders and the largest picture of SD3.
"""

import copy
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import T5Config, T5EncoderModel

from bridge.models import Family, FluxLayout, PixArtLayout, SD3Layout, TransformerLayout
from tests.diffusion import ldm
from tests.diffusion.transformer_weights import original_state
from tests.diffusion.vision_weights import PROJECTION
from tests.families import published
from tests.families.published import AUTOENCODER, IMAGE_TOKENS, RANK, draw_all, save
from tests.parity.make_weights import draw

Sight = Literal["noise", "mask", "hint", "reference"]
"""What a model was made to see: the noisy latents alone, a masked picture, an edge map, another picture."""

CONTEXT, POOLED = 64, 768
"""Of Flux's prompts; the first is our T5's width. SD3's are filled up to that of the published T5."""

WIDTH, ROTATED = 128, (8, 28, 28)
"""Of Flux's tokens; and how many of a head's channels turn with each of a token's three places."""

FLUX_DEV_SHIFT = math.exp(1.15)
SHOWN = 128
"""What the first layer of a canny LoRA reads of a token."""


@dataclass(frozen=True, slots=True)
class Transformer:
    """A model as it is published.

    Args:
        name: What people call it.
        family: Which it belongs to.
        layout: Of the transformer.
        shift: Of a flow's noise levels towards noise.
        sees: What it was made for.
        control_lora: Whether it is one that sees noise alone, made to see a hint by a LoRA.
    """

    name: str
    family: Family
    layout: TransformerLayout
    shift: float = 1.0
    sees: Sight = "noise"
    control_lora: bool = False

    @property
    def is_pixart(self) -> bool:
        return self.family in (Family.PIXART_ALPHA, Family.PIXART_SIGMA)

    @property
    def channels(self) -> int:
        """Of latents."""
        return 4 if self.is_pixart else 16

    @property
    def file(self) -> str:
        return f"{self.name}.safetensors"


def _flux(inputs: int = 64, *, is_guided: bool = True) -> FluxLayout:
    return FluxLayout(inputs, 64, WIDTH, 64, 1, 2, CONTEXT, POOLED, is_guided=is_guided)


MODELS = (
    Transformer("SD3 medium", Family.SD3, SD3Layout(2, 16, 16, 128, 2, 4096, 2048, 24), 3.0),
    Transformer(
        "SD 3.5 medium",
        Family.SD3,
        SD3Layout(2, 16, 16, 128, 3, 4096, 2048, 24, (0, 1), normalizes=True),
        3.0,
    ),
    Transformer(
        "SD 3.5 large", Family.SD3, SD3Layout(2, 16, 16, 128, 2, 4096, 2048, 24, normalizes=True), 3.0
    ),
    Transformer("Flux dev", Family.FLUX, _flux(), FLUX_DEV_SHIFT),
    Transformer("Flux schnell", Family.FLUX, _flux(is_guided=False)),
    Transformer("Flux fill", Family.FLUX, _flux(384), FLUX_DEV_SHIFT, "mask"),
    Transformer("Flux depth, Flux canny", Family.FLUX, _flux(128), FLUX_DEV_SHIFT, "hint"),
    Transformer(
        "Flux dev, depth or canny LoRA", Family.FLUX, _flux(), FLUX_DEV_SHIFT, "hint", control_lora=True
    ),
    Transformer("Flux Kontext", Family.FLUX, _flux(), FLUX_DEV_SHIFT, "reference"),
    Transformer("PixArt-α", Family.PIXART_ALPHA, PixArtLayout(2, 4, 8, 96, 2, CONTEXT, takes_sizes=True)),
    Transformer("PixArt-Σ", Family.PIXART_SIGMA, PixArtLayout(2, 4, 8, 96, 2, CONTEXT, takes_sizes=False)),
)


def network(model: Transformer) -> Any:
    """Return what its users would download of diffusers: described by hand, not as we describe it."""
    return copy.deepcopy(_network(model))


@functools.cache
def _network(model: Transformer) -> Any:
    match layout := model.layout:
        case SD3Layout():
            module = diffusers.SD3Transformer2DModel(
                num_layers=layout.depth, num_attention_heads=2, joint_attention_dim=4096,
                caption_projection_dim=128, pooled_projection_dim=2048, pos_embed_max_size=layout.positions,
                dual_attention_layers=layout.dual_layers,
                qk_norm="rms_norm" if layout.normalizes else None,
            )  # fmt: skip
        case FluxLayout():
            module = diffusers.FluxTransformer2DModel(
                in_channels=layout.in_channels, out_channels=64, num_layers=1, num_single_layers=2,
                num_attention_heads=2, attention_head_dim=64, joint_attention_dim=CONTEXT,
                guidance_embeds=layout.is_guided, axes_dims_rope=ROTATED,
            )  # fmt: skip
        case PixArtLayout():
            module = diffusers.PixArtTransformer2DModel(
                attention_head_dim=6, num_layers=2, cross_attention_dim=96, caption_channels=CONTEXT,
                use_additional_conditions=layout.takes_sizes,
            )  # fmt: skip
    return seeded(module)


def controlnet(model: Transformer) -> Any:
    """Return a ControlNet in the layout that InstantX publishes theirs in: diffusers' own."""
    if model.family is Family.SD3:
        return seeded(
            diffusers.SD3ControlNetModel(
                num_layers=1, num_attention_heads=2, joint_attention_dim=4096, caption_projection_dim=128,
                pooled_projection_dim=2048, pos_embed_max_size=24,
            )
        )  # fmt: skip
    return seeded(
        diffusers.FluxControlNetModel(
            in_channels=64, num_layers=1, num_single_layers=1, num_attention_heads=2, attention_head_dim=64,
            joint_attention_dim=CONTEXT, guidance_embeds=True, axes_dims_rope=ROTATED,
        )
    )  # fmt: skip


def seeded(module: Any) -> Any:
    """Draw weights that keep signals at their size."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return module.eval().requires_grad_(False)


def write_models(models: Path) -> None:
    """Write all models in the original names, and what goes with them, as their users download them."""
    for model in MODELS:
        module = network(model)
        state = original_state(module.state_dict(), model.layout)
        if model.family is Family.PIXART_ALPHA:
            state["y_embedder.y_embedding"] = torch.zeros(120, CONTEXT)
        prefixed = {f"model.diffusion_model.{key}": each for key, each in state.items()}
        save(models / "diffusion_models" / model.file, _arrays(prefixed))
        save(models / "loras" / model.file, lora(model))
        if not model.is_pixart:
            save(models / "controlnet" / model.file, _arrays(controlnet(model).state_dict()))
        if model.control_lora:
            save(models / "loras" / "canny.safetensors", control_lora(state))
        if model.family is Family.FLUX:
            save(models / "ipadapter" / model.file, ip_adapter())
    save(models / "text_encoders" / "clip_l.safetensors", published.clip_l())
    save(models / "text_encoders" / "t5.safetensors", _t5())
    for channels in (4, 16):
        with torch.device("meta"):
            vae = AutoencoderKL(**autoencoder_config(channels))
        save(models / "vae" / f"{channels}.safetensors", draw_all(ldm.autoencoder_state(vae)))


def autoencoder_config(channels: int) -> dict[str, Any]:
    """Return what diffusers is told of a VAE."""
    has_convolutions = channels == 4
    return {
        **AUTOENCODER, "latent_channels": channels, "use_quant_conv": has_convolutions,
        "use_post_quant_conv": has_convolutions,
    }  # fmt: skip


def lora(model: Transformer) -> dict[str, np.ndarray]:
    """Return a LoRA: of Flux in the names of kohya's scripts, of others in those of PEFT."""
    width = 96 if model.is_pixart else WIDTH
    modules = {"attn1.to_q": (width, width)} if model.is_pixart else {"attn.to_q": (width, width)}
    modules |= {"ff.net.2": (width, 4 * width)}
    if model.family is not Family.FLUX:
        stems = {f"transformer.transformer_blocks.0.{name}": shape for name, shape in modules.items()}
        return _low_rank(stems, ".lora_B.weight", ".lora_A.weight")
    names = {
        "double_blocks_0_img_attn_qkv": (3 * width, width), "double_blocks_0_txt_mlp_0": (4 * width, width),
        "single_blocks_1_linear2": (width, 5 * width), "single_blocks_0_modulation_lin": (3 * width, width),
    }  # fmt: skip
    stems = {f"lora_unet_{name}": shape for name, shape in names.items()}
    alphas = {f"{stem}.alpha": np.array(2.0, np.float32) for stem in stems}
    return _low_rank(stems, ".lora_up.weight", ".lora_down.weight") | alphas


def control_lora(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return what makes Flux dev see a hint, in the layout of Black Forest Labs.

    Args:
        state: Flux's own weights, in the original names.
    """
    stems = {name.removesuffix(".weight"): tuple(state[name].shape) for name in state if ".weight" in name}
    stems["img_in"] = (stems["img_in"][0], SHOWN)
    biases = {f"{stem}.lora_B.bias": draw(f"{stem}.lora", [shape[0]]) for stem, shape in stems.items()}
    norms = {name: draw(f"{name}.lora.weight", list(state[name].shape)) for name in state if ".scale" in name}
    return _low_rank(stems, ".lora_B.weight", ".lora_A.weight") | biases | norms


def ip_adapter() -> dict[str, np.ndarray]:
    """Return an IP-Adapter of Flux in the layout of XLabs, for the tower of ``published.clip_vision``."""
    shapes = {"proj.weight": [IMAGE_TOKENS * CONTEXT, PROJECTION], "proj.bias": [IMAGE_TOKENS * CONTEXT]}
    shapes |= {"norm.weight": [CONTEXT], "norm.bias": [CONTEXT]}
    named = {f"ip_adapter_proj_model.{name}": shape for name, shape in shapes.items()}
    for part in "kv":
        stem = f"double_blocks.0.processor.ip_adapter_double_stream_{part}_proj"
        named |= {f"{stem}.weight": [WIDTH, CONTEXT], f"{stem}.bias": [WIDTH]}
    return {name: draw(name, shape) for name, shape in named.items()}


def _low_rank(stems: Mapping[str, tuple[int, ...]], up: str, down: str) -> dict[str, np.ndarray]:
    ups = {f"{stem}{up}": draw(f"{stem}.up", [rows, RANK]) for stem, (rows, _) in stems.items()}
    downs = {f"{stem}{down}": draw(f"{stem}.down", [RANK, columns]) for stem, (_, columns) in stems.items()}
    return ups | downs


def _t5() -> dict[str, np.ndarray]:
    config = T5Config(
        vocab_size=32128, d_model=CONTEXT, d_kv=16, d_ff=128, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    state = _arrays(seeded(T5EncoderModel(config)).state_dict())
    return {name: each for name, each in state.items() if name != "encoder.embed_tokens.weight"}


def _arrays(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.contiguous().numpy() for name, tensor in state.items()}
