"""Telling what a model file is from the names and shapes of its tensors.

The name of a file or folder says nothing; a VAE in the checkpoints folder is still a VAE.
"""

import re
from dataclasses import dataclass
from enum import Enum

from bridge.errors import ModelError, UnsupportedModel
from bridge.models.header import Header
from bridge.models.layout import (
    AutoencoderLayout,
    TextLayout,
    UNetLayout,
    autoencoder_layout,
    strip,
    text_layout,
    unet_layout,
)

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIXES = ("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")
CONTROL_PREFIXES = ("control_model.", "")

_KINDS = (
    ("checkpoint", r"^model\.diffusion_model\."),
    ("lora", r"\.lora_(up|down|A|B)\b|\.lora\.(up|down)\.|^lora_(unet|te)|\.hada_w1|\.lokr_w1"),
    ("controlnet", r"^control_model\.|^input_hint_block\.|^controlnet_(cond_embedding|down_blocks)\."),
    ("ip_adapter", r"^(image_proj|ip_adapter)\."),
    ("clip_vision", r"^vision_model\.|^visual\.transformer\."),
    ("unet", r"^(input_blocks|down_blocks|double_blocks|joint_blocks|transformer_blocks)\.0\."),
    ("vae", r"^(first_stage_model\.)?(encoder|decoder)\.(down|up|down_blocks|up_blocks|conv_in|mid)\."),
    (
        "text_encoder",
        r"text_model\.encoder\.|^encoder\.(block|layers)\.0\.|^cond_stage_model\.|^model\.layers\.0\.",
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
    "text_encoder": "a text encoder",
    "clip_vision": "a CLIP vision model",
    "ip_adapter": "an IP-Adapter",
    "upscaler": "an upscaling model",
    "embedding": "a textual inversion embedding",
    "unknown": "something unknown",
}


class Family(Enum):
    """What a diffusion model, and all that is made for it, belongs to; the value is its name for people."""

    SD1 = "Stable Diffusion 1.x"
    SD2 = "Stable Diffusion 2.x"
    SDXL = "SDXL"
    SDXL_REFINER = "the SDXL refiner"
    SD3 = "Stable Diffusion 3"
    FLUX = "Flux"


_SPECIAL_INPUTS = {9: "an inpainting", 8: "an instruct-pix2pix", 5: "a depth-to-image"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The three networks of a Stable Diffusion 1.x checkpoint file.

    Args:
        unet: Its denoiser.
        vae: Its autoencoder; ``None`` if the file brings none.
        text: Its text encoder; ``None`` if the file brings none.
        text_prefix: What the names of the text encoder's tensors start with.
        predicts_velocity: Whether it was trained to predict v instead of noise.
        is_zero_snr: Whether its last noise level is pure noise.
    """

    unet: UNetLayout
    vae: AutoencoderLayout | None
    text: TextLayout | None
    text_prefix: str
    predicts_velocity: bool
    is_zero_snr: bool


def kind_of(header: Header) -> str:
    """Return what a file holds: ``checkpoint``, ``vae``, ``lora``, ``controlnet`` …, or ``unknown``."""
    for kind, pattern in _KINDS:
        if any(re.search(pattern, name) for name in header.tensors):
            return kind
    return "unknown"


def family_of(header: Header) -> Family | None:
    """Return the family a diffusion model belongs to; ``None`` if it cannot be told."""
    shapes = header.shapes
    unet = strip(shapes, UNET_PREFIX) or shapes
    context = next((shape[1] for name, shape in unet.items() if name.endswith("attn2.to_k.weight")), 0)
    is_sdxl = any(
        name.startswith(("label_emb.", "add_embedding.", "conditioner.")) for name in (*shapes, *unet)
    )
    if any(name.startswith("double_blocks.") for name in unet):
        return Family.FLUX
    if any(name.startswith("joint_blocks.") for name in unet):
        return Family.SD3
    if is_sdxl:
        return Family.SDXL_REFINER if context == 1280 else Family.SDXL
    linear = any(name.endswith("proj_in.weight") and len(shape) == 2 for name, shape in unet.items())
    if linear or any(name.startswith("cond_stage_model.model.") for name in shapes):
        return Family.SD2
    # The original has one transformer block everywhere; deeper ones are SDXL's relatives.
    if context and not any(".transformer_blocks.1." in name for name in unet):
        return Family.SD1
    return None


def checkpoint(header: Header, name: str) -> Checkpoint:
    """Describe a Stable Diffusion 1.x checkpoint.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it is a checkpoint of another family.
    """
    _require(header, name, "checkpoint")
    _require_sd1(header, name)
    shapes = header.shapes
    unet = unet_layout(strip(shapes, UNET_PREFIX))
    if unet is None:
        raise UnsupportedModel(f'"{name}" has a UNet of an unknown shape')
    if unet.in_channels != 4:
        special = _SPECIAL_INPUTS.get(unet.in_channels, "a special")
        raise UnsupportedModel(f'"{name}" is {special} checkpoint, which is not supported yet')
    text_prefix = next((prefix for prefix in TEXT_PREFIXES if text_layout(strip(shapes, prefix))), "")
    return Checkpoint(
        unet=unet,
        vae=autoencoder_layout(strip(shapes, VAE_PREFIX)),
        text=text_layout(strip(shapes, text_prefix)) if text_prefix else None,
        text_prefix=text_prefix,
        predicts_velocity="v_pred" in shapes,
        is_zero_snr="ztsnr" in shapes,
    )


def controlnet(header: Header, name: str) -> tuple[UNetLayout, str]:
    """Describe a Stable Diffusion 1.x ControlNet; returns its layout and the prefix of its names.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is no ControlNet.
        UnsupportedModel: If it is one of another family.
    """
    _require(header, name, "controlnet")
    for prefix in CONTROL_PREFIXES:
        layout = unet_layout(strip(header.shapes, prefix))
        if layout and layout.hint_channels:
            _require_sd1(
                Header({key[len(prefix) :]: entry for key, entry in header.tensors.items()}, {}), name
            )
            return layout, prefix
    raise UnsupportedModel(f'"{name}" is a ControlNet of an unknown shape')


def autoencoder(header: Header, name: str) -> tuple[AutoencoderLayout, str]:
    """Describe a KL autoencoder with four latent channels; returns its layout and the prefix of its names.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file holds no autoencoder.
        UnsupportedModel: If it belongs to another family.
    """
    for prefix in (VAE_PREFIX, ""):
        layout = autoencoder_layout(strip(header.shapes, prefix))
        if layout and layout.latent_channels != 4:
            raise UnsupportedModel(f'"{name}" is a VAE with {layout.latent_channels} latent channels, not 4')
        if layout:
            return layout, prefix
    _require(header, name, "vae")
    raise UnsupportedModel(f'"{name}" is a VAE of an unknown shape')


def refuse_other_kinds(header: Header, name: str, wanted: str) -> None:
    """Refuse a file that is known to hold another kind of model; one that nobody knows passes.

    Raises:
        ModelError: Code ``wrong_model_kind``.
    """
    if kind_of(header) != "unknown":
        _require(header, name, wanted)


def _require(header: Header, name: str, wanted: str) -> None:
    kind = kind_of(header)
    if kind == wanted:
        return
    raise ModelError(
        f'"{name}" is not {_WORDS[wanted]}; it looks like {_WORDS[kind]}',
        code="wrong_model_kind",
        hint="Move it to the folder where it belongs, or choose another file.",
    )


def _require_sd1(header: Header, name: str) -> None:
    family = family_of(header)
    if family is not Family.SD1:
        looks = f"looks like {family.value}" if family else "is of an unknown family"
        raise UnsupportedModel(f'"{name}" {looks}', hint="Stable Diffusion 1.x models are supported.")
