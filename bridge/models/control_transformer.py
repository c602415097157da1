"""ControlNets of SD3 and Flux, told by their tensors.

InstantX's, and all that follow them, have diffusers' names; XLabs' and MistoLine for Flux those of the
original code; Stability's for SD 3.5 some of both. XLabs' and MistoLine see the picture itself, the others
its latents.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.errors import UnsupportedModel
from bridge.models.family import Family
from bridge.models.header import Header
from bridge.models.layout import Shapes
from bridge.models.transformer import FluxLayout, SD3Layout, describe

MARK = "controlnet_blocks."
"""How some names of such a ControlNet begin."""

ControlKind = Literal["InstantX", "XLabs", "MistoLine", "Stability"]
"""Who made it, or whom it follows."""

_ORIGINAL = "double_blocks."
_STABILITY = "transformer_blocks.0.adaLN_modulation.1.weight"
_STABILITY_TYPE = "control_type"
_PICTURE_ENCODERS: Mapping[str, ControlKind] = {
    "input_hint_block.": "XLabs",
    "input_cond_block.": "MistoLine",
}
"""How names of what reads a picture begin → whose it is."""

_MODES = "controlnet_mode_embedder.weight"
_PATCH = 2
"""Latents along a side of what becomes one of Flux's tokens."""
_NAMES = {
    (Family.FLUX, True): ("img_in.weight", "pos_embed_input.weight", "final_layer.linear.weight"),
    (Family.FLUX, False): ("x_embedder.weight", "controlnet_x_embedder.weight", "proj_out.weight"),
    (Family.SD3, False): ("pos_embed.proj.weight", "pos_embed_input.proj.weight", "proj_out.weight"),
}
"""Family, and whether names are the original's → what reads latents, what reads the picture, and the last
layer of the denoiser."""

_RELATIVES = {
    "transformer_blocks.0.img_mlp.net.0.proj.weight": "Qwen-Image",
    "after_proj_list.0.weight": "HunyuanDiT",
    "controlnet.0.after_proj.weight": "PixArt",
    "controlnet_blocks.0.after_proj.weight": "PixArt",
}
"""Name of a tensor that only ControlNets of other transformers have → of which."""

_SUPPORTED = (
    "For SD3 and Flux, InstantX's layout is supported, also with a mask; for Flux also XLabs' and MistoLine, "
    "for SD 3.5 large Stability's."
)


@dataclass(frozen=True, slots=True)
class TransformerControlPart:
    """A ControlNet of SD3 or Flux in a file.

    Args:
        family: What it was made for.
        layout: Of its blocks; the rest is the denoiser's.
        kind: Decides what it is shown, and how it runs.
        control_types: How many kinds of pictures a union ControlNet is told apart; 0 for a plain one.
        is_original: Whether names are those of the original code.
        sees_mask: Whether it sees a mask beside the picture, as for inpainting.
    """

    family: Family
    layout: SD3Layout | FluxLayout
    kind: ControlKind = "InstantX"
    control_types: int = 0
    is_original: bool = False
    sees_mask: bool = False

    @property
    def latent_channels(self) -> int:
        """Channels of the latents of a picture that it sees; 0 if it sees the picture itself."""
        if self.kind in ("XLabs", "MistoLine"):
            return 0
        channels = self.layout.in_channels
        return channels // _PATCH**2 if isinstance(self.layout, FluxLayout) else channels


def refuse_relatives(header: Header, name: str) -> None:
    """Refuse ControlNets of transformers that are known, but not supported.

    Raises:
        UnsupportedModel: By name.
    """
    for mark, relative in _RELATIVES.items():
        if mark in header.tensors:
            raise UnsupportedModel(
                f'"{name}" is a ControlNet for {relative}, of which none is supported', hint=_SUPPORTED
            )


def transformer_controlnet(header: Header, name: str) -> TransformerControlPart:
    """Describe a ControlNet of SD3 or Flux.

    Raises:
        UnsupportedModel: If it is of an unknown shape, or of a layout that does not tell what it needs.
        KeyError: If a tensor is missing.
    """
    shapes = header.shapes
    if _STABILITY in shapes:
        return _stability(shapes, name)
    if "pos_embed_input.proj.weight" in shapes and "pos_embed.proj.weight" not in shapes:
        raise UnsupportedModel(
            f"\"{name}\" is one of Stability's ControlNets for SD 3.5 in diffusers' layout, which does not "
            "say whether it wants blurred pictures, edges or depth",
            hint="Get sd3.5_large_controlnet_blur, _canny or _depth.safetensors.",
        )
    is_original = any(key.startswith(_ORIGINAL) for key in shapes)
    is_flux = is_original or "controlnet_x_embedder.weight" in shapes
    family = Family.FLUX if is_flux else Family.SD3
    entry, reader, last = _NAMES[family, is_original]
    if entry not in shapes or reader not in shapes:
        raise _unknown(name)
    width, *inner = shapes[entry]
    # It has no last layer, which would make of tokens what the first one reads.
    layout = describe({**shapes, last: (math.prod(inner), width)}, family, is_original)
    assert isinstance(layout, SD3Layout | FluxLayout)
    return TransformerControlPart(
        family,
        layout,
        _kind(shapes),
        control_types=shapes.get(_MODES, (0,))[0],
        is_original=is_original,
        sees_mask=_sees_mask(shapes[entry], shapes[reader], name),
    )


def _stability(shapes: Shapes, name: str) -> TransformerControlPart:
    """Describe one of those for SD 3.5 large, which read no prompt and enter latents as the denoiser does."""
    width, channels, patch, _ = shapes["pos_embed_input.proj.weight"]
    pooled = shapes["time_text_embed.text_embedder.linear_1.weight"][1]
    if pooled == width or _STABILITY_TYPE not in shapes:  # as for a medium size that was never published
        raise _unknown(name)
    depth = sum(key.startswith(MARK) and key.endswith(".weight") for key in shapes)
    layout = SD3Layout(patch, channels, channels, width, depth, 0, pooled, 0)
    return TransformerControlPart(Family.SD3, layout, "Stability", is_original=True)


def _kind(shapes: Shapes) -> ControlKind:
    for mark, kind in _PICTURE_ENCODERS.items():
        if any(name.startswith(mark) for name in shapes):
            return kind
    return "InstantX"


def _sees_mask(entry: tuple[int, ...], reader: tuple[int, ...], name: str) -> bool:
    """Tell whether it sees one channel more than the denoiser, of tokens or of latents."""
    if reader == entry:
        return False
    one = 1 if len(entry) > 2 else _PATCH**2
    if (reader[0], reader[1] - entry[1], reader[2:]) != (entry[0], one, entry[2:]):
        raise _unknown(name)
    return True


def _unknown(name: str) -> UnsupportedModel:
    return UnsupportedModel(f'"{name}" is a ControlNet of an unknown shape', hint=_SUPPORTED)
