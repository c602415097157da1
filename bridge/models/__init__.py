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
)
from bridge.models.header import Header, TensorEntry, read_header
from bridge.models.layout import AutoencoderLayout, TextLayout, UNetLayout, is_ldm
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
    "TensorEntry",
    "TextLayout",
    "UNetLayout",
    "autoencoder",
    "checkpoint",
    "controlnet",
    "family_of",
    "is_ldm",
    "kind_of",
    "models_used",
    "read_header",
]
