"""Model files without torch: where they lie, what they are, and whether they are whole."""

from bridge.models.catalogue import FOLDERS, Catalogue
from bridge.models.checkpoint import (
    VAE_PREFIX,
    Checkpoint,
    TextPart,
    TowerKind,
    UNetPart,
    autoencoder,
    checkpoint,
    denoiser,
    text_parts,
    text_tower,
)
from bridge.models.control import AdapterLayout, ControlPart, XSPart, controlnet
from bridge.models.control_transformer import TransformerControlPart
from bridge.models.family import (
    CONTEXT_WIDTHS,
    PIXART_ALPHA_TOKENS,
    UNET_FAMILIES,
    UNET_PREFIX,
    Family,
    family_of,
    kind_of,
    refuse_other_kinds,
)
from bridge.models.gligen import GroundingLayout, gligen
from bridge.models.header import Header, Shape, TensorEntry, read_header, shards_of
from bridge.models.ip_adapter import HEAD_WIDTH as RESAMPLER_HEAD_WIDTH
from bridge.models.ip_adapter import (
    PRESETS,
    XLABS_NAMES,
    FluxKind,
    IPAdapterLayout,
    find_preset,
    ip_adapter,
)
from bridge.models.layout import AutoencoderLayout, TextLayout, UNetLayout, is_ldm
from bridge.models.lora import ADAPTER_KINDS, Adapter, adapters_of, lora_family
from bridge.models.ncnn import convert_ncnn, is_ncnn
from bridge.models.packaged import converted, packaged_file, packaged_models
from bridge.models.photomaker import PhotoMakerLayout, photomaker
from bridge.models.style import StyleLayout, style_model
from bridge.models.t5 import T5Layout, t5_layout
from bridge.models.transformer import (
    FluxLayout,
    PixArtLayout,
    SD3Layout,
    TransformerLayout,
    TransformerPart,
)
from bridge.models.used import models_used
from bridge.models.vision import CHECKPOINT_PREFIX as CHECKPOINT_VISION_PREFIX
from bridge.models.vision import KINDS_BY_PROJECTION as VISION_KINDS_BY_PROJECTION
from bridge.models.vision import KINDS_BY_WIDTH as VISION_KINDS_BY_WIDTH
from bridge.models.vision import PATCH as VISION_PATCH
from bridge.models.vision import (
    SIGLIP,
    VIT_BIGG,
    VIT_H,
    VIT_L,
    VisionLayout,
    clip_vision,
    find_siglip,
    vision_of_checkpoint,
    without_image_encoder,
)
from bridge.models.vision import TRANSFORMERS_PREFIX as TRANSFORMERS_VISION_PREFIX
from bridge.models.weights_file import weights_file

__all__ = [
    "ADAPTER_KINDS",
    "CHECKPOINT_VISION_PREFIX",
    "CONTEXT_WIDTHS",
    "FOLDERS",
    "PIXART_ALPHA_TOKENS",
    "PRESETS",
    "RESAMPLER_HEAD_WIDTH",
    "SIGLIP",
    "TRANSFORMERS_VISION_PREFIX",
    "UNET_FAMILIES",
    "UNET_PREFIX",
    "VAE_PREFIX",
    "VISION_KINDS_BY_PROJECTION",
    "VISION_KINDS_BY_WIDTH",
    "VISION_PATCH",
    "VIT_BIGG",
    "VIT_H",
    "VIT_L",
    "XLABS_NAMES",
    "Adapter",
    "AdapterLayout",
    "AutoencoderLayout",
    "Catalogue",
    "Checkpoint",
    "ControlPart",
    "Family",
    "FluxKind",
    "FluxLayout",
    "GroundingLayout",
    "Header",
    "IPAdapterLayout",
    "PhotoMakerLayout",
    "PixArtLayout",
    "SD3Layout",
    "Shape",
    "StyleLayout",
    "T5Layout",
    "TensorEntry",
    "TextLayout",
    "TextPart",
    "TowerKind",
    "TransformerControlPart",
    "TransformerLayout",
    "TransformerPart",
    "UNetLayout",
    "UNetPart",
    "VisionLayout",
    "XSPart",
    "adapters_of",
    "autoencoder",
    "checkpoint",
    "clip_vision",
    "controlnet",
    "convert_ncnn",
    "converted",
    "denoiser",
    "family_of",
    "find_preset",
    "find_siglip",
    "gligen",
    "ip_adapter",
    "is_ldm",
    "is_ncnn",
    "kind_of",
    "lora_family",
    "models_used",
    "packaged_file",
    "packaged_models",
    "photomaker",
    "read_header",
    "refuse_other_kinds",
    "shards_of",
    "style_model",
    "t5_layout",
    "text_parts",
    "text_tower",
    "vision_of_checkpoint",
    "weights_file",
    "without_image_encoder",
]
