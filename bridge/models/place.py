"""Where a model belongs, and what it was made for, judged by what it holds."""

import contextlib
import re
from collections.abc import Mapping

from bridge.errors import ModelError
from bridge.models.checkpoint import autoencoder, text_tower
from bridge.models.control import AdapterLayout, controlnet
from bridge.models.family import CONTEXT_WIDTHS, Family, family_of, kind_of
from bridge.models.header import Header
from bridge.models.lora import adapters_of, lora_family
from bridge.models.vision import clip_vision

FOLDER_OF_KIND: Mapping[str, str] = {
    "checkpoint": "checkpoints",
    "unet": "diffusion_models",
    "vae": "vae",
    "lora": "loras",
    "controlnet": "controlnet",
    "t2i_adapter": "controlnet",
    "text_encoder": "text_encoders",
    "clip_vision": "clip_vision",
    "ip_adapter": "ipadapter",
    "style_model": "style_models",
    "photomaker": "photomaker",
    "gligen": "gligen",
    "upscaler": "upscale_models",
    "embedding": "embeddings",
}
"""What a file holds (``kind_of``) → the folder of its kind."""

_TELLING = re.compile(r"attn2[._]to_k[._]|lora_te2_|text_encoder_2\.|(double|joint)_blocks[._]")
_TELLING_TENSORS = 12
"""Names of a LoRA's tensors that tell what it was made for, and how many of them do."""

_TOWERS = {"clip_l": "CLIP-L", "clip_h": "CLIP-H", "clip_g": "CLIP-G", "t5xxl": "T5-XXL"}


def folder_of(header: Header, name: str, chosen: str = "") -> str:
    """Return the kind of folder that a file belongs in.

    Args:
        header: Of the file.
        name: Of the file, for messages.
        chosen: A folder that was asked for; it must be the one for what the file holds, if that is known.

    Raises:
        ModelError: Code ``wrong_model_kind`` if it belongs elsewhere, ``unknown_model_kind`` if nobody knows.
    """
    kind = kind_of(header)
    wanted = FOLDER_OF_KIND.get(kind, chosen)
    if not wanted:
        raise ModelError(
            f'"{name}" is a safetensors file, but what it holds is not known here',
            code="unknown_model_kind",
            hint="If you know what it is, say where it belongs with --folder, as in --folder loras.",
        )
    if chosen and chosen != wanted:
        raise ModelError(
            f'"{name}" belongs in {wanted}/, not in {chosen}/: it looks like a {kind.replace("_", " ")}',
            code="wrong_model_kind",
            hint=f"Leave --folder away, or say --folder {wanted}.",
        )
    return wanted


def family_words(header: Header, name: str) -> str:
    """Say what a model was made for: ``SDXL``, ``CLIP-L`` …; empty where that cannot be told."""
    with contextlib.suppress(ModelError, KeyError, IndexError):
        return _FAMILIES.get(kind_of(header), _of_network)(header, name)
    return ""


def _of_network(header: Header, name: str) -> str:
    return _words(family_of(header))


def _of_lora(header: Header, name: str) -> str:
    """Judge by what tells the families apart, which is a small part of the file; by all of it if need be."""
    telling = [each for each in header.tensors if _TELLING.search(each)][:_TELLING_TENSORS]
    if telling:
        part = Header({each: header.tensors[each] for each in telling}, {})
        with contextlib.suppress(ModelError):
            if family := lora_family(part, adapters_of(part, name)):
                return _words(family)
    return _words(lora_family(header, adapters_of(header, name)))


def _of_adapter(header: Header, name: str) -> str:
    part = controlnet(header, name)
    return _words(*part.families) if isinstance(part, AdapterLayout) else _words(part.family)


def _of_vae(header: Header, name: str) -> str:
    channels = autoencoder(header, name)[0].latent_channels
    return "SD3 or Flux" if channels == 16 else "Stable Diffusion or SDXL"


def _of_tower(header: Header, name: str) -> str:
    return _TOWERS[text_tower(header, name).kind]


def _of_vision(header: Header, name: str) -> str:
    return clip_vision(header, name).kind


def _of_embedding(header: Header, name: str) -> str:
    if "clip_g" in header.tensors:
        return Family.SDXL.value
    widths = {shape[-1] for shape in header.shapes.values() if shape}
    return _words(CONTEXT_WIDTHS.get(widths.pop())) if len(widths) == 1 else ""


def _of_nothing(header: Header, name: str) -> str:
    return ""


_FAMILIES = {
    "lora": _of_lora,
    "controlnet": _of_adapter,
    "t2i_adapter": _of_adapter,
    "vae": _of_vae,
    "text_encoder": _of_tower,
    "clip_vision": _of_vision,
    "embedding": _of_embedding,
    "upscaler": _of_nothing,
    "unknown": _of_nothing,
}


def _words(*families: Family | None) -> str:
    return " or ".join(family.value.removeprefix("the ") for family in families if family)
