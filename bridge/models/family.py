"""Telling what a model file is from the names and shapes of its tensors.

The name of a file or folder says nothing; a VAE in the checkpoints folder is still a VAE.
"""

import re
from collections.abc import Collection, Mapping
from enum import Enum

from bridge.errors import ModelError, UnsupportedModel
from bridge.models.header import Header
from bridge.models.layout import Shapes, strip

UNET_PREFIX = "model.diffusion_model."

_KINDS = (
    ("checkpoint", r"^model\.diffusion_model\."),
    ("lora", r"\.lora_(up|down|A|B)\b|\.lora\.(up|down)\.|^lora_(unet|te)|\.hada_w1|\.lokr_w1"),
    ("controlnet", r"^control_model\.|^input_hint_block\.|^controlnet_(cond_embedding|(down_)?blocks)\."),
    ("t2i_adapter", r"^(adapter\.)?body\.\d+\.(block1|in_conv|resnets)\."),
    ("ip_adapter", r"^(image_proj|ip_adapter|ip_adapter_proj_model)\."),
    ("style_model", r"^style_embedding$|^redux_down\."),
    ("gligen", r"^position_net\.|\.fuser\."),
    ("photomaker", r"^fuse_module\."),
    ("clip_vision", r"^vision_model\.|^visual\.transformer\.|^embeddings\.patch_embedding\."),
    ("unet", r"^((input|down|double|joint|transformer)_blocks\.0|t_block\.1|adaln_single)\."),
    ("vae", r"^(first_stage_model\.)?(encoder|decoder)\.(down|up|down_blocks|up_blocks|conv_in|mid)\."),
    (
        "text_encoder",
        r"text_model\.encoder\.|^encoder\.(block|layers)\.0\.|^transformer\.resblocks\.0\.|^cond_stage_model\.|"
        r"^model\.layers\.0\.",
    ),
    ("upscaler", r"^conv_first\.|RRDB_trunk|^model\.1\.sub\.|^body\.0\."),
    ("embedding", r"^emb_params$|string_to_param|^clip_[lg]$"),
)
"""Kind → a pattern at least one of its tensor names has; the first that fits is taken."""

_WORDS = {
    "checkpoint": "a checkpoint",
    "unet": "a diffusion model without text encoder and VAE",
    "vae": "a VAE",
    "lora": "a LoRA",
    "controlnet": "a ControlNet",
    "t2i_adapter": "a T2I-Adapter",
    "text_encoder": "a text encoder",
    "clip_vision": "a CLIP vision model",
    "ip_adapter": "an IP-Adapter",
    "style_model": "a style model",
    "photomaker": "a PhotoMaker",
    "gligen": "a GLIGEN model",
    "upscaler": "an upscaling model",
    "embedding": "a textual inversion embedding",
    "unknown": "something unknown",
}

_USES = {
    "checkpoint": "checkpoints/ and load it with CheckpointLoaderSimple",
    "unet": "diffusion_models/ and load it with UNETLoader",
    "vae": "vae/ and load it with VAELoader",
    "lora": "loras/ and load it with LoraLoader",
    "controlnet": "controlnet/ and load it with ControlNetLoader",
    "t2i_adapter": "controlnet/ and load it with ControlNetLoader",
    "text_encoder": "text_encoders/ and load it with CLIPLoader",
    "clip_vision": "clip_vision/ and load it with CLIPVisionLoader",
    "ip_adapter": "ipadapter/ and load it with IPAdapterModelLoader",
    "photomaker": "photomaker/ and load it with PhotoMakerLoader",
    "style_model": "style_models/ and load it with StyleModelLoader",
    "gligen": "gligen/ and load it with GLIGENLoader",
    "upscaler": "upscale_models/ and load it with UpscaleModelLoader",
    "embedding": "embeddings/ and name it in a prompt: embedding:NAME",
}
"""Kind → where its files belong, and what takes them."""


class Family(Enum):
    """What a diffusion model, and all that is made for it, belongs to; the value is its name for people."""

    SD1 = "Stable Diffusion 1.x"
    SD2 = "Stable Diffusion 2.x"
    SDXL = "SDXL"
    SDXL_REFINER = "the SDXL refiner"
    SD3 = "Stable Diffusion 3"
    FLUX = "Flux"
    PIXART_ALPHA = "PixArt-α"
    PIXART_SIGMA = "PixArt-Σ"


CONTEXT_WIDTHS: Mapping[int, Family] = {
    768: Family.SD1,
    1024: Family.SD2,
    2048: Family.SDXL,
    1280: Family.SDXL_REFINER,
}
"""Width of the prompt embeddings that cross-attention reads → the family they are made for."""

UNET_FAMILIES = frozenset({Family.SD1, Family.SD2, Family.SDXL, Family.SDXL_REFINER})
"""The families whose denoiser is Stable Diffusion's UNet."""

_FLUX_MARKS = "double_blocks.", "single_transformer_blocks."
_SD3_MARKS = "joint_blocks.", "pos_embed.pos_embed"
_PIXART_MARKS = "t_block.1.", "adaln_single."
"""How some names of a transformer begin, in the original style and in diffusers'."""

_PIXART_SIZES = "ar_embedder.", "adaln_single.emb.aspect_ratio_embedder."
PIXART_ALPHA_TOKENS = 120
"""Of the empty prompt that PixArt-α learnt; Σ has 300."""


def kind_of(header: Header) -> str:
    """Return what a file holds: ``checkpoint``, ``vae``, ``lora``, ``controlnet`` …, or ``unknown``."""
    for kind, pattern in _KINDS:
        if any(re.search(pattern, name) for name in header.tensors):
            return kind
    return "unknown"


def family_of(header: Header) -> Family | None:
    """Return the family a diffusion model, or a ControlNet, belongs to; ``None`` if it cannot be told."""
    shapes = header.shapes
    unet = strip(shapes, UNET_PREFIX) or strip(shapes, "control_model.") or shapes
    if family := transformer_family(unet):
        return family
    context = next((shape[1] for name, shape in unet.items() if name.endswith("attn2.to_k.weight")), 0)
    takes_vector = any(name.startswith(("label_emb.", "add_embedding.")) for name in unet)
    # Stable Diffusion 2.1 unCLIP, with a context of 1024, is told of a picture through the same layer.
    if context != 1024 and (takes_vector or any(name.startswith("conditioner.") for name in shapes)):
        return Family.SDXL_REFINER if context == 1280 else Family.SDXL
    linear = any(name.endswith("proj_in.weight") and len(shape) == 2 for name, shape in unet.items())
    if linear or any(name.startswith("cond_stage_model.model.") for name in shapes):
        return Family.SD2
    # The original has one transformer block everywhere; deeper ones are SDXL's relatives.
    if context and not any(".transformer_blocks.1." in name for name in unet):
        return Family.SD1
    return None


def transformer_family(shapes: Shapes) -> Family | None:
    """Return the family of a transformer; ``None`` if it is none that is known.

    PixArt-α is told from Σ by the sizes that it is told of, or by the length of the empty prompt that it
    learnt. What shows neither, as α of 512² in diffusers' names, passes for Σ.

    Args:
        shapes: Of the transformer alone, its prefix stripped.
    """

    def has(marks: tuple[str, ...]) -> bool:
        return any(name.startswith(marks) for name in shapes)

    if has(_FLUX_MARKS):
        return Family.FLUX
    if has(_SD3_MARKS):
        return Family.SD3
    if not has(_PIXART_MARKS) or not has(("x_embedder.proj.", "pos_embed.proj.")):
        return None
    tokens = shapes.get("y_embedder.y_embedding", (0,))[0]
    return Family.PIXART_ALPHA if has(_PIXART_SIZES) or tokens == PIXART_ALPHA_TOKENS else Family.PIXART_SIGMA


def refuse_other_kinds(header: Header, name: str, wanted: str) -> None:
    """Refuse a file that is known to hold another kind of model; one that nobody knows passes.

    Raises:
        ModelError: Code ``wrong_model_kind``.
    """
    if kind_of(header) != "unknown":
        require_kind(header, name, wanted)


def require_kind(header: Header, name: str, *wanted: str) -> None:
    """Refuse a file of a kind that is none of those wanted; the first of them is named.

    Raises:
        ModelError: Code ``wrong_model_kind``.
    """
    kind = kind_of(header)
    if kind in wanted:
        return
    use = f"Move it to {_USES[kind]}, or choose" if kind in _USES else "Choose"
    raise ModelError(
        f'"{name}" is not {_WORDS[wanted[0]]}; it looks like {_WORDS[kind]}',
        code="wrong_model_kind",
        hint=f"{use} another file here.",
    )


def require_unet_family(header: Header, name: str, supported: Collection[Family] = UNET_FAMILIES) -> Family:
    """Return the family of a diffusion model or ControlNet whose denoiser is Stable Diffusion's UNet.

    Args:
        header: Of its file.
        name: Of it, for messages.
        supported: What else would do, for messages.

    Raises:
        UnsupportedModel: If it is of another one, or of none that is known.
    """
    family = family_of(header)
    if family in UNET_FAMILIES:
        return family
    looks = f"looks like {family.value}" if family else "is of an unknown family"
    known = ", ".join(each.value for each in Family if each in supported)
    raise UnsupportedModel(f'"{name}" {looks}', hint=f"Supported are {known}.")
