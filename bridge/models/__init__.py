"""Model files without torch: where they lie, what they are, and whether they are whole."""

from bridge.models.adding import add_file, file_name, folders_in, place_for
from bridge.models.card import Card, card, cards
from bridge.models.catalogue import ALIASES, FOLDERS, Catalogue
from bridge.models.checking import Verdict, verify
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
from bridge.models.civitai import file_in as civitai_file
from bridge.models.civitai import is_id as is_civitai_id
from bridge.models.civitai import notes_of_version
from bridge.models.control import AdapterLayout, ControlPart, XSPart, controlnet
from bridge.models.control_transformer import TransformerControlPart
from bridge.models.curated import CuratedModel, curated_model, curated_models
from bridge.models.digest import known_digest, remember_digest
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
from bridge.models.found import FoundFolder, count_models, find_folders, folder_at
from bridge.models.gligen import GroundingLayout, gligen
from bridge.models.header import (
    MAX_HEADER_BYTES,
    Header,
    Shape,
    TensorEntry,
    read_header,
    read_header_from,
    shards_of,
)
from bridge.models.ip_adapter import HEAD_WIDTH as RESAMPLER_HEAD_WIDTH
from bridge.models.ip_adapter import (
    PRESETS,
    XLABS_NAMES,
    FluxKind,
    IPAdapterLayout,
    find_preset,
    ip_adapter,
)
from bridge.models.lacking import LackingModel, lacking_models
from bridge.models.layout import AutoencoderLayout, TextLayout, UNetLayout, is_ldm
from bridge.models.lora import ADAPTER_KINDS, Adapter, adapters_of, lora_family
from bridge.models.ncnn import convert_ncnn, is_ncnn
from bridge.models.notes import Notes, digest_in, first_of, json_of, line_of, notes_of_metadata
from bridge.models.packaged import converted, packaged_file, packaged_models
from bridge.models.photomaker import PhotoMakerLayout, photomaker
from bridge.models.place import family_words, folder_of
from bridge.models.registered import ModelFolder, read_registered, register, registry_file, unregister
from bridge.models.sidecar import RECORD_ENDING, record_text, thumbnail
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
    "ALIASES",
    "CHECKPOINT_VISION_PREFIX",
    "CONTEXT_WIDTHS",
    "FOLDERS",
    "MAX_HEADER_BYTES",
    "PIXART_ALPHA_TOKENS",
    "PRESETS",
    "RECORD_ENDING",
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
    "Card",
    "Catalogue",
    "Checkpoint",
    "ControlPart",
    "CuratedModel",
    "Family",
    "FluxKind",
    "FluxLayout",
    "FoundFolder",
    "GroundingLayout",
    "Header",
    "IPAdapterLayout",
    "LackingModel",
    "ModelFolder",
    "Notes",
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
    "Verdict",
    "VisionLayout",
    "XSPart",
    "adapters_of",
    "add_file",
    "autoencoder",
    "card",
    "cards",
    "checkpoint",
    "civitai_file",
    "clip_vision",
    "controlnet",
    "convert_ncnn",
    "converted",
    "count_models",
    "curated_model",
    "curated_models",
    "denoiser",
    "digest_in",
    "family_of",
    "family_words",
    "file_name",
    "find_folders",
    "find_preset",
    "find_siglip",
    "first_of",
    "folder_at",
    "folder_of",
    "folders_in",
    "gligen",
    "ip_adapter",
    "is_civitai_id",
    "is_ldm",
    "is_ncnn",
    "json_of",
    "kind_of",
    "known_digest",
    "lacking_models",
    "line_of",
    "lora_family",
    "models_used",
    "notes_of_metadata",
    "notes_of_version",
    "packaged_file",
    "packaged_models",
    "photomaker",
    "place_for",
    "read_header",
    "read_header_from",
    "read_registered",
    "record_text",
    "refuse_other_kinds",
    "register",
    "registry_file",
    "remember_digest",
    "shards_of",
    "style_model",
    "t5_layout",
    "text_parts",
    "text_tower",
    "thumbnail",
    "unregister",
    "verify",
    "vision_of_checkpoint",
    "weights_file",
    "without_image_encoder",
]
