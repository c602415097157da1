"""What an IP-Adapter is, read off the names and shapes of its tensors; and where the usual ones lie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.errors import ModelError, ModelNotFound, UnsupportedModel
from bridge.models.catalogue import Catalogue
from bridge.models.family import CONTEXT_WIDTHS, Family, require_kind
from bridge.models.header import Header, describing
from bridge.models.layout import Shapes, strip
from bridge.models.vision import VIT_BIGG, VIT_H, find_clip_vision

HEAD_WIDTH = 64
"""Channels a head of the resampler. Source: h94/IP-Adapter's training code (``dim_head=64``)."""

ProjectionKind = Literal["plain", "plus", "full", "deep"]
FluxKind = Literal["xlabs", "instantx"]

XLABS_NAMES: Mapping[str, str] = {
    "image_proj.": "ip_adapter_proj_model.",
    "ip_adapter.": "double_blocks.",
    ".to_k_ip.": ".processor.ip_adapter_double_stream_k_proj.",
    ".to_v_ip.": ".processor.ip_adapter_double_stream_v_proj.",
}
"""Part of a name in other adapters → in XLabs' file. Source: github.com/XLabs-AI/x-flux."""


@dataclass(frozen=True, slots=True)
class IPAdapterLayout:
    """An IP-Adapter.

    Args:
        kind: How image embeddings become tokens: ``plain`` by one linear layer and ``deep`` by two from the
            pooled embedding, ``plus`` by a resampler and ``full`` by two linear layers from the penultimate
            hidden states.
        input_width: Of what CLIP vision gives it.
        context_width: Of its tokens, and of the prompt embeddings they stand beside.
        tokens: How many it makes of a picture; 0 for as many as CLIP vision gives.
        width: Inside of the resampler.
        inner_width: Inside of the resampler's linear layers, or between those of ``deep``.
        depth: Of the resampler.
        heads: Of the resampler.
        layer_widths: Of the attentions it was made for, in their order.
        flux: Whose for Flux it is: XLabs' speaks in the layers that treat words and picture apart,
            InstantX's in all. ``None`` for UNets.
    """

    kind: ProjectionKind
    input_width: int
    context_width: int
    tokens: int
    layer_widths: tuple[int, ...]
    width: int = 0
    inner_width: int = 0
    depth: int = 0
    heads: int = 0
    flux: FluxKind | None = None

    @property
    def family(self) -> Family | None:
        """What it was made for."""
        return Family.FLUX if self.flux else CONTEXT_WIDTHS.get(self.context_width)


@describing
def ip_adapter(header: Header, name: str) -> IPAdapterLayout:
    """Describe an IP-Adapter.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file holds something else.
        UnsupportedModel: If it needs more than CLIP vision (FaceID), is for Stable Diffusion 3.5, or is of an
            unknown shape.
    """
    require_kind(header, name, "ip_adapter")
    projection = strip(header.shapes, "image_proj.")
    layers = strip(header.shapes, "ip_adapter.")
    flux = _xlabs(header.shapes) or _instantx(projection, layers)
    if flux:
        return flux
    _refuse_sd3(projection, name)
    _refuse_faces(projection, layers, name)
    keys = sorted((key for key in layers if key.endswith(".to_k_ip.weight")), key=_number)
    if [_number(key) for key in keys] == list(range(1, 2 * len(keys), 2)) and keys:
        widths = tuple(layers[key][0] for key in keys)
        layout = _layout(projection, layers[keys[0]][1], widths)
        if layout:
            return layout
    raise UnsupportedModel(
        f'"{name}" is an IP-Adapter of an unknown shape',
        hint="Those at huggingface.co/h94/IP-Adapter are supported, but for FaceID; for Flux, XLabs' and "
        "InstantX's.",
    )


def _xlabs(shapes: Shapes) -> IPAdapterLayout | None:
    projection, layers = (strip(shapes, XLABS_NAMES[part]) for part in ("image_proj.", "ip_adapter."))
    keys = _numbered(layers, f"{XLABS_NAMES['.to_k_ip.']}weight")
    if not keys or "proj.weight" not in projection:
        return None
    context, (rows, columns) = layers[keys[0]][1], projection["proj.weight"]
    widths = tuple(layers[key][0] for key in keys)
    return IPAdapterLayout("plain", columns, context, rows // context, widths, flux="xlabs")


def _instantx(projection: Shapes, layers: Shapes) -> IPAdapterLayout | None:
    keys = _numbered(layers, ".to_k_ip.weight")
    if not keys or "proj.0.weight" not in projection or "proj.2.weight" not in projection:
        return None
    context, (inner, columns) = layers[keys[0]][1], projection["proj.0.weight"]
    return IPAdapterLayout(
        kind="deep",
        input_width=columns,
        context_width=context,
        tokens=projection["proj.2.weight"][0] // context,
        layer_widths=tuple(layers[key][0] for key in keys),
        inner_width=inner,
        flux="instantx",
    )


def _numbered(layers: Shapes, end: str) -> list[str]:
    """Return the names that differ in their number only, which counts from 0 without a gap."""
    keys: list[str] = []
    while f"{len(keys)}{end}" in layers:
        keys.append(f"{len(keys)}{end}")
    return keys


def _layout(shapes: Shapes, context: int, widths: tuple[int, ...]) -> IPAdapterLayout | None:
    if "latents" in shapes and "proj_in.weight" in shapes and "layers.0.1.1.weight" in shapes:
        depth = sum(bool(re.fullmatch(r"layers\.\d+\.0\.to_q\.weight", key)) for key in shapes)
        return IPAdapterLayout(
            kind="plus",
            input_width=shapes["proj_in.weight"][1],
            context_width=context,
            tokens=shapes["latents"][1],
            layer_widths=widths,
            width=shapes["proj_in.weight"][0],
            inner_width=shapes["layers.0.1.1.weight"][0],
            depth=depth,
            heads=shapes["layers.0.0.to_q.weight"][0] // HEAD_WIDTH,
        )
    if "proj.3.weight" in shapes and "proj.0.weight" in shapes:
        return IPAdapterLayout("full", shapes["proj.0.weight"][1], context, 0, widths)
    if "proj.weight" in shapes and "norm.weight" in shapes:
        rows, columns = shapes["proj.weight"]
        return IPAdapterLayout("plain", columns, context, rows // context, widths)
    return None


def _refuse_sd3(projection: Shapes, name: str) -> None:
    if any(key.startswith("time_embedding.") for key in projection):
        raise UnsupportedModel(
            f'"{name}" is an IP-Adapter for Stable Diffusion 3.5, which is not supported',
            hint="Those for Stable Diffusion 1.x, SDXL and Flux are.",
        )


def _refuse_faces(projection: Shapes, layers: Shapes, name: str) -> None:
    is_portrait = "proj.2.weight" in projection and "proj.3.weight" not in projection
    has_lora = any(".to_q_lora." in key for key in layers)
    if is_portrait or has_lora or any(key.startswith("perceiver_resampler.") for key in projection):
        raise UnsupportedModel(
            f'"{name}" is a FaceID IP-Adapter, which needs InsightFace\'s face embeddings',
            hint="Use ip-adapter-plus-face or ip-adapter-full-face, which need CLIP vision only.",
        )


def _number(key: str) -> int:
    head = key.split(".")[0]
    return int(head) if head.isdecimal() else -1


@dataclass(frozen=True, slots=True)
class Preset:
    """The files that belong together.

    Args:
        adapters: Family → names of the adapter's file as published, without the ending; the first one
            that is there is taken.
        vision: Kind of the CLIP vision model.
    """

    adapters: dict[Family, tuple[str, ...]]
    vision: str = VIT_H


PRESETS = {
    "LIGHT - SD1.5 only (low strength)": Preset(
        {Family.SD1: ("ip-adapter_sd15_light_v11", "ip-adapter_sd15_light")}
    ),
    "STANDARD (medium strength)": Preset(
        {Family.SD1: ("ip-adapter_sd15",), Family.SDXL: ("ip-adapter_sdxl_vit-h",)}
    ),
    "VIT-G (medium strength)": Preset(
        {Family.SD1: ("ip-adapter_sd15_vit-G",), Family.SDXL: ("ip-adapter_sdxl",)}, VIT_BIGG
    ),
    "PLUS (high strength)": Preset(
        {Family.SD1: ("ip-adapter-plus_sd15",), Family.SDXL: ("ip-adapter-plus_sdxl_vit-h",)}
    ),
    "PLUS FACE (portraits)": Preset(
        {Family.SD1: ("ip-adapter-plus-face_sd15",), Family.SDXL: ("ip-adapter-plus-face_sdxl_vit-h",)}
    ),
    "FULL FACE - SD1.5 only (portraits stronger)": Preset({Family.SD1: ("ip-adapter-full-face_sd15",)}),
}
"""By the names of ComfyUI_IPAdapter_plus. Files: https://huggingface.co/h94/IP-Adapter."""

_VISION_FILES = {VIT_H: "CLIP-ViT-H-14-laion2B-s32B-b79K", VIT_BIGG: "CLIP-ViT-bigG-14-laion2B-39B-b160k"}


def find_preset(catalogue: Catalogue, preset: str, family: Family) -> tuple[str, str]:
    """Return the names of a preset's IP-Adapter and CLIP vision model for a family.

    Raises:
        ModelError: Code ``model_mismatch`` if the preset has nothing for that family.
        ModelNotFound: If files are missing; names all of them.
    """
    chosen = PRESETS[preset]
    if family not in chosen.adapters:
        offered = " and ".join(each.value for each in chosen.adapters)
        raise ModelError(
            f'the preset "{preset}" is for {offered}, the model is {family.value}',
            code="model_mismatch",
            hint="Load XLabs' or InstantX's IP-Adapter with IPAdapterModelLoader."
            if family is Family.FLUX
            else "Choose another preset or another checkpoint.",
        )
    wanted = chosen.adapters[family]
    names = catalogue.names("ipadapter")
    found = [name for file in wanted for name in names if _plain(name).endswith(_plain(file))]
    usual = _VISION_FILES[chosen.vision]
    vision = find_clip_vision(catalogue, chosen.vision, usual)
    missing = [] if found else [f'"{wanted[0]}.safetensors" in ipadapter/']
    if vision is None:
        missing.append(f'"{usual}.safetensors" (or another {chosen.vision}) in clip_vision/')
    if missing or vision is None:
        raise ModelNotFound(
            f'the preset "{preset}" needs {" and ".join(missing)} for {family.value}',
            hint="Both are published at huggingface.co/h94/IP-Adapter; only .safetensors files are read.",
        )
    return found[0], vision


def _plain(name: str) -> str:
    """Reduce a file's name to what people keep of it when they rename it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().removesuffix(".safetensors"))
