"""What a model file holds, part by part: the shapes of its networks, and where their tensors begin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.errors import UnsupportedModel
from bridge.models.family import UNET_PREFIX, Family, require_kind, require_unet_family
from bridge.models.header import Header, describing
from bridge.models.layout import (
    AutoencoderLayout,
    Shapes,
    TextLayout,
    UNetLayout,
    autoencoder_layout,
    strip,
    text_layout,
    unet_layout,
)

TowerKind = Literal["clip_l", "clip_h", "clip_g"]
"""OpenAI's ViT-L/14 (SD 1.x, SDXL), OpenCLIP's ViT-H/14 (SD 2.x) and ViT-bigG/14 (SDXL)."""

VAE_PREFIX = "first_stage_model."
_TEXT_PREFIXES = (
    "text_model.", "", "cond_stage_model.transformer.text_model.", "cond_stage_model.model.", "model.",
    "transformer.text_model.",
)  # fmt: skip
"""Where the names of a text tower may begin in a file of its own; the first that fits is taken."""

_TEXT_PLACES: Mapping[Family, tuple[tuple[TowerKind, tuple[str, ...]], ...]] = {
    Family.SD1: (("clip_l", ("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")),),
    Family.SD2: (("clip_h", ("cond_stage_model.model.", "conditioner.embedders.0.model.")),),
    Family.SDXL: (
        ("clip_l", ("conditioner.embedders.0.transformer.text_model.",)),
        ("clip_g", ("conditioner.embedders.1.model.",)),
    ),
    Family.SDXL_REFINER: (("clip_g", ("conditioner.embedders.0.model.",)),),
}
"""Family → its text towers, and where the names of each begin in a checkpoint.

Sources: the configurations v1-inference.yaml (CompVis/stable-diffusion), v2-inference-v.yaml
(Stability-AI/stablediffusion), sd_xl_base.yaml and sd_xl_refiner.yaml (Stability-AI/generative-models).
"""

_SPECIAL_INPUTS = {5: "a depth-to-image", 7: "an upscaling"}
_EDM_MARKS = "edm_mean", "edm_vpred.sigma_max"
"""What Playground 2.5 and CosXL bring with them."""

_SUPPORTED = (
    "Plain, inpainting, instruct-pix2pix and unCLIP checkpoints of Stable Diffusion and SDXL are supported."
)
_VAES = "Use a VAE of Stable Diffusion 1.x, 2.x or SDXL."

_INPUTS = frozenset({4, 8, 9})
"""Channels that a UNet may read: latents alone, with a picture's (instruct-pix2pix), or with a mask and a
picture's (inpainting)."""


@dataclass(frozen=True, slots=True)
class UNetPart:
    """A denoiser in a file: its family, its shape, and what its tensors' names start with."""

    family: Family
    layout: UNetLayout
    prefix: str


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text tower in a file: which one, its shape, and what its tensors' names start with."""

    kind: TowerKind
    layout: TextLayout
    prefix: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The networks of a checkpoint file.

    Args:
        unet: Its denoiser.
        vae: Its autoencoder; ``None`` if the file brings none.
        texts: Its text towers; none if the file brings them not or in part only.
    """

    unet: UNetPart
    vae: AutoencoderLayout | None
    texts: tuple[TextPart, ...]


@describing
def checkpoint(header: Header, name: str) -> Checkpoint:
    """Describe a checkpoint whose denoiser is Stable Diffusion's UNet.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it is a checkpoint of another family, or its UNet of another shape.
    """
    require_kind(header, name, "checkpoint")
    unet = denoiser(header, name)
    texts = [
        TextPart(kind, layout, prefix)
        for kind, prefixes in _TEXT_PLACES[unet.family]
        for layout, prefix in _towers(header, prefixes)[:1]
    ]
    is_whole = len(texts) == len(_TEXT_PLACES[unet.family])
    return Checkpoint(
        unet, autoencoder_layout(strip(header.shapes, VAE_PREFIX)), tuple(texts) if is_whole else ()
    )


@describing
def denoiser(header: Header, name: str) -> UNetPart:
    """Describe the UNet of a checkpoint, or of a file that holds nothing else.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it belongs to another family, or has another shape.
    """
    require_kind(header, name, "unet", "checkpoint")
    family = require_unet_family(header, name)
    prefix = UNET_PREFIX if strip(header.shapes, UNET_PREFIX) else ""
    layout = unet_layout(strip(header.shapes, prefix))
    if layout is None or not layout.decoder_depths:
        raise UnsupportedModel(f'"{name}" has a UNet of an unknown shape', hint=_SUPPORTED)
    if layout.in_channels not in _INPUTS:
        special = _SPECIAL_INPUTS.get(layout.in_channels, "a special")
        raise UnsupportedModel(f'"{name}" is {special} checkpoint, which is not supported', hint=_SUPPORTED)
    if any(mark in header.tensors for mark in _EDM_MARKS):
        raise UnsupportedModel(
            f'"{name}" was trained with the noise of EDM, which is not supported', hint=_SUPPORTED
        )
    return UNetPart(family, layout, prefix)


@describing
def text_tower(header: Header, name: str) -> TextPart:
    """Describe the CLIP text tower of a file that holds one.

    Its width tells which of CLIP's it is: 768 for ViT-L/14, 1024 for ViT-H/14, 1280 for ViT-bigG/14.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it is another kind of text encoder.
    """
    require_kind(header, name, "text_encoder", "checkpoint")
    for layout, prefix in _towers(header, _TEXT_PREFIXES):
        kinds: dict[int, TowerKind] = {1024: "clip_h", 1280: "clip_g"}
        return TextPart(kinds.get(layout.width, "clip_l"), layout, prefix)
    raise UnsupportedModel(
        f'"{name}" is a text encoder of an unknown kind', hint="CLIP's text encoders are supported."
    )


@describing
def autoencoder(header: Header, name: str) -> tuple[AutoencoderLayout, str]:
    """Describe a KL autoencoder with four latent channels; returns its layout and the prefix of its names.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file holds no autoencoder.
        UnsupportedModel: If it belongs to another family.
    """
    for prefix in (VAE_PREFIX, ""):
        layout = autoencoder_layout(strip(header.shapes, prefix))
        if layout and layout.latent_channels != 4:
            raise UnsupportedModel(
                f'"{name}" is a VAE with {layout.latent_channels} latent channels, not 4', hint=_VAES
            )
        if layout:
            return layout, prefix
    require_kind(header, name, "vae")
    raise UnsupportedModel(f'"{name}" is a VAE of an unknown shape', hint=_VAES)


def _towers(header: Header, prefixes: tuple[str, ...]) -> list[tuple[TextLayout, str]]:
    found = ((text_layout(_tower_shapes(header, prefix)), prefix) for prefix in prefixes)
    return [(layout, prefix) for layout, prefix in found if layout]


def _tower_shapes(header: Header, prefix: str) -> Shapes:
    """Return the tensors of a text tower; its projection lies beside transformers' ``text_model``."""
    projection = header.tensors.get(prefix.removesuffix("text_model.") + "text_projection.weight")
    extra = {"text_projection.weight": projection.shape} if projection else {}
    return {**extra, **strip(header.shapes, prefix)}
