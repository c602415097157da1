"""What a model file holds, part by part: the shapes of its networks, and where their tensors begin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.errors import UnsupportedModel
from bridge.models.family import (
    UNET_PREFIX,
    Family,
    require_kind,
    require_unet_family,
    transformer_family,
)
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
from bridge.models.t5 import T5Layout, refuse_other_t5, t5_layout
from bridge.models.transformer import TransformerPart, transformer_part

TowerKind = Literal["clip_l", "clip_h", "clip_g", "t5xxl"]
"""OpenAI's ViT-L/14 (SD 1.x, SDXL, SD3, Flux), OpenCLIP's ViT-H/14 (SD 2.x) and ViT-bigG/14 (SDXL, SD3), and
T5-XXL (SD3, Flux, PixArt)."""

VAE_PREFIX = "first_stage_model."
_VAE_PREFIXES = VAE_PREFIX, "vae."
"""Where the names of a VAE may begin in a checkpoint; ``vae.`` in those of Flux and PixArt."""

_TEXT_PREFIXES = (
    "text_model.", "", "cond_stage_model.transformer.text_model.", "cond_stage_model.model.", "model.",
    "transformer.text_model.",
)  # fmt: skip
"""Where the names of CLIP's text tower may begin in a file of its own; the first that fits is taken."""

_T5_PREFIXES = "", "t5xxl.transformer.", "text_encoders.t5xxl.transformer."
"""The same for T5's."""

_TEXT_PLACES: Mapping[Family, tuple[tuple[TowerKind, tuple[str, ...]], ...]] = {
    Family.SD1: (("clip_l", ("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")),),
    Family.SD2: (("clip_h", ("cond_stage_model.model.", "conditioner.embedders.0.model.")),),
    Family.SDXL: (
        ("clip_l", ("conditioner.embedders.0.transformer.text_model.",)),
        ("clip_g", ("conditioner.embedders.1.model.",)),
    ),
    Family.SDXL_REFINER: (("clip_g", ("conditioner.embedders.0.model.",)),),
    Family.SD3: (
        ("clip_l", ("text_encoders.clip_l.transformer.text_model.",)),
        ("clip_g", ("text_encoders.clip_g.transformer.text_model.",)),
        ("t5xxl", ("text_encoders.t5xxl.transformer.",)),
    ),
    Family.FLUX: (
        ("clip_l", ("text_encoders.clip_l.transformer.text_model.",)),
        ("t5xxl", ("text_encoders.t5xxl.transformer.",)),
    ),
    Family.PIXART_ALPHA: (("t5xxl", ("text_encoders.t5xxl.transformer.",)),),
    Family.PIXART_SIGMA: (("t5xxl", ("text_encoders.t5xxl.transformer.",)),),
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
_VAES = "Use a VAE of Stable Diffusion, SDXL, SD3 or Flux."
_LATENT_CHANNELS = 4, 16

_INPUTS = frozenset({4, 8, 9})
"""Channels that a UNet may read: latents alone, with a picture's (instruct-pix2pix), or with a mask and a
picture's (inpainting)."""


@dataclass(frozen=True, slots=True)
class UNetPart:
    """A UNet in a file: its family, its shape, and what its tensors' names start with."""

    family: Family
    layout: UNetLayout
    prefix: str


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text tower in a file: which one, its shape, and what its tensors' names start with."""

    kind: TowerKind
    layout: TextLayout | T5Layout
    prefix: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The networks of a checkpoint file.

    Args:
        unet: Its denoiser.
        vae: Its autoencoder, and what its tensors' names start with; ``None`` if the file brings none.
        texts: Its text towers, as far as the file brings them.
    """

    unet: UNetPart | TransformerPart
    vae: tuple[AutoencoderLayout, str] | None
    texts: tuple[TextPart, ...]


@describing
def checkpoint(header: Header, name: str) -> Checkpoint:
    """Describe a checkpoint.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it is a checkpoint of another family, or its denoiser of another shape.
    """
    require_kind(header, name, "checkpoint")
    unet = denoiser(header, name)
    vae = next(iter(_autoencoders(header, _VAE_PREFIXES)), None)
    return Checkpoint(unet, vae, text_parts(header, name, unet.family))


@describing
def denoiser(header: Header, name: str) -> UNetPart | TransformerPart:
    """Describe the denoiser of a checkpoint, or of a file that holds nothing else.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it belongs to another family, or has another shape.
    """
    require_kind(header, name, "unet", "checkpoint")
    prefix = UNET_PREFIX if strip(header.shapes, UNET_PREFIX) else ""
    shapes = strip(header.shapes, prefix)
    if family := transformer_family(shapes):
        return transformer_part(shapes, family, prefix, name)
    family = require_unet_family(header, name, tuple(Family))
    layout = unet_layout(shapes)
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


def text_parts(header: Header, name: str, family: Family) -> tuple[TextPart, ...]:
    """Describe the text towers of a checkpoint, in the order of their family; any may be missing.

    Raises:
        UnsupportedModel: If a tower is of a kind that the family does not read.
    """
    texts: list[TextPart] = []
    for kind, prefixes in _TEXT_PLACES[family]:
        if kind == "t5xxl":
            texts += _t5(header, name, prefixes)[:1]
        else:
            texts += [TextPart(kind, layout, prefix) for layout, prefix in _towers(header, prefixes)[:1]]
    return tuple(texts)


@describing
def text_tower(header: Header, name: str) -> TextPart:
    """Describe the text tower of a file that holds one.

    Its width tells which of CLIP's it is: 768 for ViT-L/14, 1024 for ViT-H/14, 1280 for ViT-bigG/14.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a VAE, a LoRA …
        UnsupportedModel: If it is another kind of text encoder.
    """
    require_kind(header, name, "text_encoder", "checkpoint")
    for layout, prefix in _towers(header, _TEXT_PREFIXES):
        kinds: dict[int, TowerKind] = {1024: "clip_h", 1280: "clip_g"}
        return TextPart(kinds.get(layout.width, "clip_l"), layout, prefix)
    for part in _t5(header, name, _T5_PREFIXES):
        return part
    raise UnsupportedModel(
        f'"{name}" is a text encoder of an unknown kind',
        hint="CLIP's and T5-XXL are supported.",
    )


@describing
def autoencoder(header: Header, name: str) -> tuple[AutoencoderLayout, str]:
    """Describe a KL autoencoder; returns its layout and the prefix of its names.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file holds no autoencoder.
        UnsupportedModel: If it belongs to another family.
    """
    for layout, prefix in _autoencoders(header, (*_VAE_PREFIXES, "")):
        if layout.latent_channels not in _LATENT_CHANNELS:
            raise UnsupportedModel(
                f'"{name}" is a VAE with {layout.latent_channels} latent channels, not 4 or 16', hint=_VAES
            )
        return layout, prefix
    require_kind(header, name, "vae")
    raise UnsupportedModel(f'"{name}" is a VAE of an unknown shape', hint=_VAES)


def _autoencoders(header: Header, prefixes: tuple[str, ...]) -> list[tuple[AutoencoderLayout, str]]:
    found = ((autoencoder_layout(strip(header.shapes, prefix)), prefix) for prefix in prefixes)
    return [(layout, prefix) for layout, prefix in found if layout]


def _towers(header: Header, prefixes: tuple[str, ...]) -> list[tuple[TextLayout, str]]:
    found = ((text_layout(_tower_shapes(header, prefix)), prefix) for prefix in prefixes)
    return [(layout, prefix) for layout, prefix in found if layout]


def _t5(header: Header, name: str, prefixes: tuple[str, ...]) -> list[TextPart]:
    parts = []
    for prefix in prefixes:
        if layout := t5_layout(strip(header.shapes, prefix)):
            refuse_other_t5(header, name, prefix, layout)
            parts.append(TextPart("t5xxl", layout, prefix))
    return parts


def _tower_shapes(header: Header, prefix: str) -> Shapes:
    """Return the tensors of a text tower; its projection lies beside transformers' ``text_model``."""
    projection = header.tensors.get(prefix.removesuffix("text_model.") + "text_projection.weight")
    extra = {"text_projection.weight": projection.shape} if projection else {}
    return {**extra, **strip(header.shapes, prefix)}
