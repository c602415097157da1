"""SigLIP's image tower, which Flux's Redux and InstantX's IP-Adapter see through.

Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training"; SO400M is the shape of Alabdulmohsin
et al. 2023, "Getting ViT in Shape".
"""

from typing import TYPE_CHECKING, Any

import torch

from bridge import models
from bridge.diffusion.libraries import transformers
from bridge.models import VisionLayout

if TYPE_CHECKING:
    from transformers import SiglipVisionModel


def siglip_config(layout: VisionLayout) -> dict[str, Any]:
    """Describe a tower to transformers; shapes tell the rest."""
    return {
        "hidden_size": layout.width,
        "intermediate_size": layout.inner_width,
        "num_hidden_layers": layout.layers,
        "num_attention_heads": 16,
        "image_size": layout.image_size,
        "patch_size": models.VISION_PATCH,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "vision_use_head": layout.has_head,
    }


def empty_siglip(config: dict[str, Any]) -> "SiglipVisionModel":
    """Build a tower without weights."""
    with torch.device("meta"):
        return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**config))


def siglip_names(parameter: str) -> list[str]:
    """Return the names that a parameter may have in a file.

    Older releases of transformers, as all published files, begin them with ``vision_model.``.
    """
    name = parameter.removeprefix(models.TRANSFORMERS_VISION_PREFIX)
    return [models.TRANSFORMERS_VISION_PREFIX + name, name]
