"""Random models of reduced depth, in the files and the key layouts that each family is published in.

Levels, blocks and the places of cross-attention are as published, and so are the widths of prompt embeddings
and text towers. Reduced are the channels of the UNet (64 and 128 instead of 320 to 1536) and of the VAE, the
transformer blocks of SDXL (1 and 2 instead of 2 and 10) and of its refiner (2 instead of 4), and the layers
of the text towers (2 instead of 12 to 32).
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.numpy import save_file

from bridge.models import Family
from tests.diffusion import ldm, vision_weights
from tests.parity.make_weights import draw

Tensors = dict[str, np.ndarray]

TEXT_LAYERS = 2
BLOCKS = 2
VOCABULARY, DISTINCT_TOKENS = 49408, 1021
RANK = 4
CONTEXT = {Family.SD1: 768, Family.SD2: 1024, Family.SDXL: 2048, Family.SDXL_REFINER: 1280}
"""Width of the prompt embeddings."""

_LORA_TOWERS = {
    Family.SD1: {"lora_te": 768},
    Family.SD2: {"lora_te": 1024},
    Family.SDXL: {"lora_te1": 768, "lora_te2": 1280},
}
"""Family → what kohya's scripts call its text towers, and their width; they train none for the refiner."""

IMAGE_TOKENS = 4
"""That an IP-Adapter makes of a picture."""


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it is published.

    Args:
        name: What people call it.
        family: Decides everything but what follows.
        in_channels: 4; 9 for inpainting, 8 for InstructPix2Pix.
        steps: In which it was trained to make a picture, without guidance; 0 for any number, with it.
        is_split: Whether it is a UNet alone, in diffusers' names, to be used with another model's
            text encoders and VAE.
    """

    name: str
    family: Family
    in_channels: int = 4
    steps: int = 0
    is_split: bool = False

    @property
    def is_xl(self) -> bool:
        return self.family in (Family.SDXL, Family.SDXL_REFINER)

    @property
    def prediction(self) -> str:
        return "v_prediction" if self.family is Family.SD2 and self.in_channels == 4 else "epsilon"


MODELS = (
    Published("SD 1.5", Family.SD1),
    Published("SD 1.5 inpainting", Family.SD1, in_channels=9),
    Published("SD 1.5 InstructPix2Pix", Family.SD1, in_channels=8),
    Published("SD 2 (v-prediction)", Family.SD2),
    Published("SD 2 inpainting", Family.SD2, in_channels=9),
    Published("SDXL", Family.SDXL),
    Published("SDXL inpainting", Family.SDXL, in_channels=9),
    Published("SDXL InstructPix2Pix", Family.SDXL, in_channels=8),
    Published("SDXL Turbo", Family.SDXL, steps=1),
    Published("SDXL Lightning (UNet alone)", Family.SDXL, steps=4, is_split=True),
    Published("SDXL refiner", Family.SDXL_REFINER),
)

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_VECTOR = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
_ENCODERS: Mapping[Family, dict[str, Any]] = {
    Family.SD1: {
        "block_out_channels": (64, 64, 128, 128),
        "down_block_types": (_CROSS, _CROSS, _CROSS, _PLAIN),
        "attention_head_dim": 8,
    },
    Family.SD2: {
        "block_out_channels": (64, 64, 128, 128),
        "down_block_types": (_CROSS, _CROSS, _CROSS, _PLAIN),
        "attention_head_dim": (1, 1, 2, 2),
        "use_linear_projection": True,
    },
    Family.SDXL: {
        "block_out_channels": (64, 128, 128),
        "down_block_types": (_PLAIN, _CROSS, _CROSS),
        "attention_head_dim": (1, 2, 2),
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 1, 2),
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
        **_VECTOR,
    },
    Family.SDXL_REFINER: {
        "block_out_channels": (64, 64, 128, 128),
        "down_block_types": (_PLAIN, _CROSS, _CROSS, _PLAIN),
        "attention_head_dim": (1, 1, 2, 2),
        "use_linear_projection": True,
        "transformer_layers_per_block": 2,
        "projection_class_embeddings_input_dim": 1280 + 5 * 256,
        **_VECTOR,
    },
}

AUTOENCODER = {
    "block_out_channels": (32, 32, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
}


def encoder_config(family: Family) -> dict[str, Any]:
    """What a family's UNet and its ControlNets have in common."""
    return {"cross_attention_dim": CONTEXT[family], "layers_per_block": BLOCKS, **_ENCODERS[family]}


def unet_config(model: Published) -> dict[str, Any]:
    down = _ENCODERS[model.family]["down_block_types"]
    up = tuple(kind.replace("Down", "Up") for kind in reversed(down))
    return {
        **encoder_config(model.family),
        "up_block_types": up,
        "in_channels": model.in_channels,
        "sample_size": 64,
    }


def controlnet_config(family: Family) -> dict[str, Any]:
    return {**encoder_config(family), "conditioning_embedding_out_channels": (8, 8, 16, 16)}


def write_model(model: Published, models: Path) -> None:
    """Write what its users download: one checkpoint, or for a split one its UNet and the rest apart."""
    if model.is_split:
        save(models / "diffusion_models" / "model.safetensors", _in_diffusers_names(_meta_unet(model)))
        save(models / "text_encoders" / "clip_l.safetensors", clip_l())
        save(models / "text_encoders" / "clip_g.safetensors", clip_g())
        save(models / "vae" / "vae.safetensors", _autoencoder())
        return
    save(models / "checkpoints" / "model.safetensors", checkpoint(model))


def checkpoint(model: Published) -> Tensors:
    """Return a checkpoint's tensors."""
    names = ldm.unet_state(_meta_unet(model), BLOCKS)
    unet = draw_all({f"model.diffusion_model.{name}": tensor for name, tensor in names.items()})
    parts = {"first_stage_model.": _autoencoder(), **_texts(model.family)}
    return unet | {prefix + key: tensor for prefix, part in parts.items() for key, tensor in part.items()}


@functools.cache
def controlnet(family: Family) -> Tensors:
    """Return a ControlNet: in the original names, or diffusers' for SDXL, as they are published."""
    with torch.device("meta"):
        module = ControlNetModel(**controlnet_config(family))
    if family in (Family.SDXL, Family.SDXL_REFINER):
        return _in_diffusers_names(module)
    names = ldm.unet_state(module, BLOCKS)
    return draw_all({f"control_model.{name}": tensor for name, tensor in names.items()})


@functools.cache
def lora(family: Family) -> Tensors:
    """Return a LoRA in the names of kohya's scripts: the original ones for SDXL's UNet, else diffusers'."""
    is_xl = family in (Family.SDXL, Family.SDXL_REFINER)
    modules = {}
    for name, module in _meta_unet(Published("", family)).named_modules():
        if name.endswith((".0.attn1.to_q", ".0.attn2.to_k", ".0.ff.net.2", ".0.proj_in")):
            spelling = ldm.unet_names(name + ".weight", BLOCKS)[0].removesuffix(".weight") if is_xl else name
            modules[f"lora_unet_{spelling}"] = tuple(module.weight.shape)
    for tower, width in _LORA_TOWERS.get(family, {}).items():
        layer = f"{tower}_text_model.encoder.layers.0"
        for name in ("q_proj", "v_proj", "out_proj"):
            modules[f"{layer}.self_attn.{name}"] = (width, width)
        modules[f"{layer}.mlp.fc1"] = (4 * width, width)
    tensors: Tensors = {}
    for name, shape in modules.items():
        stem, ones = name.replace(".", "_"), (1,) * len(shape[2:])
        tensors[f"{stem}.lora_up.weight"] = draw(f"{stem}.up", [shape[0], RANK, *ones])
        tensors[f"{stem}.lora_down.weight"] = draw(f"{stem}.down", [RANK, shape[1], *ones])
        tensors[f"{stem}.alpha"] = np.array(2.0, np.float32)
    return tensors


@functools.cache
def ip_adapter(family: Family) -> Tensors:
    """Return a plain IP-Adapter, for the tower of ``clip_vision``."""
    unet, context = _meta_unet(Published("", family)), CONTEXT[family]
    shapes = {
        "image_proj.proj.weight": [IMAGE_TOKENS * context, vision_weights.PROJECTION],
        "image_proj.proj.bias": [IMAGE_TOKENS * context],
        "image_proj.norm.weight": [context],
        "image_proj.norm.bias": [context],
    }
    paths = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    for index, path in enumerate(paths):
        width = unet.get_submodule(path).to_k.out_features
        shapes |= {f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight": [width, context] for part in "kv"}
    return {name: draw(name, shape) for name, shape in shapes.items()}


def clip_vision() -> Tensors:
    """Return a CLIP image tower in transformers' names."""
    return vision_weights.transformers_state()


def save(file: Path, tensors: Tensors) -> None:
    """Write a file, and the folders that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)


def draw_all(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Draw weights for names and shapes."""
    return {name: draw(name, list(tensor.shape)) for name, tensor in tensors.items()}


def _in_diffusers_names(module: Any) -> Tensors:
    """Draw weights by their original names, which tell how large they are to be, for diffusers' names."""
    drawn = draw_all(ldm.unet_state(module, BLOCKS)).values()
    return dict(zip(module.state_dict(), drawn, strict=True))


@functools.cache
def _meta_unet(model: Published) -> Any:
    with torch.device("meta"):
        return UNet2DConditionModel(**unet_config(model))


@functools.cache
def _autoencoder() -> Tensors:
    with torch.device("meta"):
        tensors = draw_all(ldm.autoencoder_state(AutoencoderKL(**AUTOENCODER)))
    # No deviation: pipelines that draw a sample where we take the mean get the mean.
    tensors["quant_conv.weight"][4:] = 0
    tensors["quant_conv.bias"][4:] = -30
    return tensors


def _texts(family: Family) -> dict[str, Tensors]:
    """Prefix → tensors of each text tower."""
    match family:
        case Family.SD1:
            return {"cond_stage_model.transformer.": clip_l()}
        case Family.SD2:
            return {"cond_stage_model.model.": _open_clip(1024)}
        case Family.SDXL:
            return {
                "conditioner.embedders.0.transformer.": clip_l(),
                "conditioner.embedders.1.model.": _open_clip(1280),
            }
        case _:
            return {"conditioner.embedders.0.model.": _open_clip(1280)}


@functools.cache
def clip_l() -> Tensors:
    """Return the text tower of Stable Diffusion 1.5 in transformers' names."""
    return {name: _drawn(name, shape) for name, shape in _transformers_shapes(768)}


def clip_g() -> Tensors:
    """Return SDXL's second tower apart from a checkpoint, in transformers' names."""
    tower = {name: _drawn(name, shape) for name, shape in _transformers_shapes(1280)}
    return tower | {"text_projection.weight": draw("text_projection.weight", [1280, 1280])}


def _drawn(name: str, shape: list[int]) -> np.ndarray:
    """Draw a tensor of a text tower; tokens share embeddings, as drawing so many takes seconds."""
    if shape and shape[0] == VOCABULARY:
        return np.resize(draw(name, [DISTINCT_TOKENS, *shape[1:]]), shape)
    return draw(name, shape)


def _transformers_shapes(width: int) -> Iterator[tuple[str, list[int]]]:
    yield "text_model.embeddings.token_embedding.weight", [VOCABULARY, width]
    yield "text_model.embeddings.position_embedding.weight", [77, width]
    for layer in range(TEXT_LAYERS):
        block = f"text_model.encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{block}.self_attn.{name}", width, width)
        yield from _norm(f"{block}.layer_norm1", width)
        yield from _norm(f"{block}.layer_norm2", width)
        yield from _linear(f"{block}.mlp.fc1", 4 * width, width)
        yield from _linear(f"{block}.mlp.fc2", width, 4 * width)
    yield from _norm("text_model.final_layer_norm", width)


@functools.cache
def _open_clip(width: int) -> Tensors:
    return {name: _drawn(name, shape) for name, shape in _open_clip_shapes(width)}


def _open_clip_shapes(width: int) -> Iterator[tuple[str, list[int]]]:
    yield "token_embedding.weight", [VOCABULARY, width]
    yield "positional_embedding", [77, width]
    yield "text_projection", [width, width]
    yield "logit_scale", []
    for layer in range(TEXT_LAYERS):
        block = f"transformer.resblocks.{layer}"
        yield f"{block}.attn.in_proj_weight", [3 * width, width]
        yield f"{block}.attn.in_proj_bias", [3 * width]
        yield from _linear(f"{block}.attn.out_proj", width, width)
        yield from _norm(f"{block}.ln_1", width)
        yield from _norm(f"{block}.ln_2", width)
        yield from _linear(f"{block}.mlp.c_fc", 4 * width, width)
        yield from _linear(f"{block}.mlp.c_proj", width, 4 * width)
    yield from _norm("ln_final", width)


def _linear(name: str, rows: int, columns: int) -> Iterator[tuple[str, list[int]]]:
    yield f"{name}.weight", [rows, columns]
    yield f"{name}.bias", [rows]


def _norm(name: str, width: int) -> Iterator[tuple[str, list[int]]]:
    yield f"{name}.weight", [width]
    yield f"{name}.bias", [width]
