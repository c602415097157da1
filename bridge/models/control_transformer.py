"""ControlNets of SD3 and Flux, told by their tensors.

InstantX's, and all that follow them, have diffusers' names; XLabs' for Flux those of the original code. The
former see latents of a picture, the latter the picture itself.
"""

import math
from dataclasses import dataclass

from bridge.errors import UnsupportedModel
from bridge.models.family import Family
from bridge.models.header import Header
from bridge.models.layout import Shapes
from bridge.models.transformer import FluxLayout, SD3Layout, describe

MARK = "controlnet_blocks."
"""How some names of such a ControlNet begin."""

_ORIGINAL = "double_blocks."
_PICTURE_ENCODER = "input_hint_block."
_MODES = "controlnet_mode_embedder.weight"
_NAMES = {
    (Family.FLUX, True): ("img_in.weight", "pos_embed_input.weight", "final_layer.linear.weight"),
    (Family.FLUX, False): ("x_embedder.weight", "controlnet_x_embedder.weight", "proj_out.weight"),
    (Family.SD3, False): ("pos_embed.proj.weight", "pos_embed_input.proj.weight", "proj_out.weight"),
}
"""Family, and whether names are the original's → what reads latents, what reads the picture, and the last
layer of the denoiser."""


@dataclass(frozen=True, slots=True)
class TransformerControlPart:
    """A ControlNet of SD3 or Flux in a file.

    Args:
        family: What it was made for.
        layout: Of its blocks; the rest is the denoiser's.
        control_types: How many kinds of pictures a union ControlNet is told apart; 0 for a plain one.
        reads_pixels: Whether it sees the picture itself.
        is_original: Whether names are those of the original code.
    """

    family: Family
    layout: SD3Layout | FluxLayout
    control_types: int
    reads_pixels: bool
    is_original: bool


def transformer_controlnet(header: Header, name: str) -> TransformerControlPart:
    """Describe a ControlNet of SD3 or Flux.

    Raises:
        UnsupportedModel: If it is of an unknown shape.
        KeyError: If a tensor is missing.
    """
    shapes = header.shapes
    is_original = any(key.startswith(_ORIGINAL) for key in shapes)
    is_flux = is_original or "controlnet_x_embedder.weight" in shapes
    family = Family.FLUX if is_flux else Family.SD3
    layout = _layout(shapes, family, is_original)
    if layout is None:
        raise UnsupportedModel(
            f'"{name}" is a ControlNet of an unknown shape',
            hint="For SD3 and Flux, InstantX's layout is supported, for Flux also XLabs'.",
        )
    types = shapes.get(_MODES, (0,))[0]
    reads_pixels = any(key.startswith(_PICTURE_ENCODER) for key in shapes)
    return TransformerControlPart(family, layout, types, reads_pixels, is_original)


def _layout(shapes: Shapes, family: Family, is_original: bool) -> SD3Layout | FluxLayout | None:
    """Describe its blocks; ``None`` if it sees other latents than the denoiser does, as for inpainting."""
    entry, seen, last = _NAMES[family, is_original]
    if entry not in shapes or shapes.get(seen) != shapes[entry]:
        return None
    width, *inner = shapes[entry]
    # It has no last layer, which would make of tokens what the first one reads.
    layout = describe({**shapes, last: (math.prod(inner), width)}, family, is_original)
    assert isinstance(layout, SD3Layout | FluxLayout)
    return layout
