"""Model files without torch: where they lie, what they are, and whether they are whole."""

from bridge.models.catalogue import FOLDERS, Catalogue
from bridge.models.family import (
    UNET_PREFIX,
    VAE_PREFIX,
    Checkpoint,
    Family,
    autoencoder,
    checkpoint,
    controlnet,
    family_of,
    kind_of,
    refuse_other_kinds,
)
from bridge.models.header import Header, Shape, TensorEntry, read_header
from bridge.models.layout import AutoencoderLayout, TextLayout, UNetLayout, is_ldm
from bridge.models.ncnn import convert_ncnn, is_ncnn
from bridge.models.packaged import converted, packaged_file, packaged_models
from bridge.models.used import models_used

__all__ = [
    "FOLDERS",
    "UNET_PREFIX",
    "VAE_PREFIX",
    "AutoencoderLayout",
    "Catalogue",
    "Checkpoint",
    "Family",
    "Header",
    "Shape",
    "TensorEntry",
    "TextLayout",
    "UNetLayout",
    "autoencoder",
    "checkpoint",
    "controlnet",
    "convert_ncnn",
    "converted",
    "family_of",
    "is_ldm",
    "is_ncnn",
    "kind_of",
    "models_used",
    "packaged_file",
    "packaged_models",
    "read_header",
    "refuse_other_kinds",
]
