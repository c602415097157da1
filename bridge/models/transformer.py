"""The shape of the transformers of SD3, Flux and PixArt, read off the names and shapes of their tensors.

Both naming styles are understood: that of the original code and that of diffusers.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bridge.errors import UnsupportedModel
from bridge.models.family import Family
from bridge.models.layout import Shapes


@dataclass(frozen=True, slots=True)
class SD3Layout:
    """The transformer of SD3 and SD 3.5 (Esser et al. 2024, figure 2).

    Args:
        patch: Latents along a side of what becomes one token.
        in_channels: Of the latents it reads.
        out_channels: Of those it makes.
        width: Of its tokens.
        depth: Number of blocks.
        context_width: Width of the prompt embeddings.
        vector_width: Width of the pooled embedding.
        positions: Tokens along a side of the largest picture.
        dual_layers: The blocks in which pictures also attend to themselves alone.
        normalizes: Whether queries and keys are brought to one length.
    """

    patch: int
    in_channels: int
    out_channels: int
    width: int
    depth: int
    context_width: int
    vector_width: int
    positions: int
    dual_layers: tuple[int, ...] = ()
    normalizes: bool = False


@dataclass(frozen=True, slots=True)
class FluxLayout:
    """The transformer of Flux.

    Args:
        in_channels: Of a token: 4 for each channel of the latents, and as many for each that is shown beside
            them: 64, 128 with a depth or edge map, 384 with a picture and its mask.
        out_channels: Of a token that it makes.
        width: Of its tokens.
        head_width: Channels of an attention head.
        depth: Blocks in which prompt and picture have weights of their own.
        single_depth: Blocks in which they share them.
        context_width: Width of the prompt embeddings.
        vector_width: Width of the pooled embedding.
        is_guided: Whether it is told a guidance scale, as what was distilled from guidance is.
    """

    in_channels: int
    out_channels: int
    width: int
    head_width: int
    depth: int
    single_depth: int
    context_width: int
    vector_width: int
    is_guided: bool


@dataclass(frozen=True, slots=True)
class PixArtLayout:
    """The transformer of PixArt-α and PixArt-Σ.

    Args:
        patch: Latents along a side of what becomes one token.
        in_channels: Of the latents it reads.
        out_channels: Of those it makes, twice as many where it also predicts a variance.
        width: Of its tokens.
        depth: Number of blocks.
        context_width: Width of the prompt embeddings.
        takes_sizes: Whether it is told a picture's size and aspect ratio.
    """

    patch: int
    in_channels: int
    out_channels: int
    width: int
    depth: int
    context_width: int
    takes_sizes: bool


TransformerLayout = SD3Layout | FluxLayout | PixArtLayout

_ORIGINAL = "joint_blocks.", "double_blocks.", "t_block."
"""How some names begin in the original style alone."""

_RELATIVES = {
    "distilled_guidance_layer.": "Chroma",
    "double_stream_modulation_img.": "Flux 2",
    "txt_in.individual_token_refiner.": "HunyuanVideo",
    "latent_in.": "Hunyuan3D",
}
"""How a name begins that only a relative of a family has → which that is."""

_QUANTISED = ".absmax", ".qweight", ".comfy_quant"
_SPECIAL = "context_processor.", ".attn.q_norm.", ".attn.sr."
"""Parts of names that only uncommon variants have: SD3 with a processor of prompts, PixArt with normalised
queries, or with compressed keys as for 4K."""

_HEAD_UNIT = 32
"""Of a head's channels, an eighth and twice seven sixteenths, each even, turn with Flux's positions."""

_SUPPORTED = (
    "SD3, SD 3.5, Flux.1 dev and schnell with its fill, depth and canny variants, and PixArt are supported."
)


@dataclass(frozen=True, slots=True)
class TransformerPart:
    """A denoiser in a file: its family, its shape, what its tensors' names start with, and their style."""

    family: Family
    layout: TransformerLayout
    prefix: str
    is_original: bool


class _Names(NamedTuple):
    """What is looked up in one naming style."""

    entry: str
    context: str
    vector: str
    last: str
    block: str
    norm: str
    mark: str


_SD3 = (
    _Names(
        "x_embedder.proj.weight", "context_embedder.weight", "y_embedder.mlp.0.weight",
        "final_layer.linear.weight", r"joint_blocks\.(\d+)\.", "x_block.attn.ln_q.weight", "pos_embed",
    ),
    _Names(
        "pos_embed.proj.weight", "context_embedder.weight", "time_text_embed.text_embedder.linear_1.weight",
        "proj_out.weight", r"transformer_blocks\.(\d+)\.", "attn.norm_q.weight", "pos_embed.pos_embed",
    ),
)  # fmt: skip
_FLUX = (
    _Names(
        "img_in.weight", "txt_in.weight", "vector_in.in_layer.weight", "final_layer.linear.weight",
        r"double_blocks\.(\d+)\.", "double_blocks.0.img_attn.norm.query_norm.scale",
        "guidance_in.in_layer.weight",
    ),
    _Names(
        "x_embedder.weight", "context_embedder.weight", "time_text_embed.text_embedder.linear_1.weight",
        "proj_out.weight", r"transformer_blocks\.(\d+)\.", "transformer_blocks.0.attn.norm_q.weight",
        "time_text_embed.guidance_embedder.linear_1.weight",
    ),
)  # fmt: skip
_PIXART = (
    _Names(
        "x_embedder.proj.weight", "y_embedder.y_proj.fc1.weight", "", "final_layer.linear.weight",
        r"blocks\.(\d+)\.", "", "ar_embedder.mlp.0.weight",
    ),
    _Names(
        "pos_embed.proj.weight", "caption_projection.linear_1.weight", "", "proj_out.weight",
        r"transformer_blocks\.(\d+)\.", "", "adaln_single.emb.aspect_ratio_embedder.linear_1.weight",
    ),
)  # fmt: skip


def transformer_part(shapes: Shapes, family: Family, prefix: str, name: str) -> TransformerPart:
    """Describe a transformer.

    Args:
        shapes: Of it alone, its prefix stripped.
        family: As ``transformer_family`` told it.
        prefix: What its tensors' names start with.
        name: Of the file, for messages.

    Raises:
        UnsupportedModel: If it is only a relative of these families, or stored in a special way.
        KeyError: If a tensor is missing.
        ValueError: If one has an impossible shape.
    """
    for mark, relative in _RELATIVES.items():
        if any(key.startswith(mark) for key in shapes):
            raise UnsupportedModel(f'"{name}" is {relative}', hint=_SUPPORTED)
    if any(key.endswith(_QUANTISED) for key in shapes):
        raise UnsupportedModel(
            f'"{name}" holds weights in a packed form',
            hint="Use a version in bfloat16, float16 or fp8.",
        )
    is_original = any(key.startswith(_ORIGINAL) for key in shapes)
    layout = describe(shapes, family, is_original)
    if not _is_known(layout) or any(part in key for key in shapes for part in _SPECIAL):
        raise UnsupportedModel(f'"{name}" is {family.value} of an unknown shape', hint=_SUPPORTED)
    return TransformerPart(family, layout, prefix, is_original)


def describe(shapes: Shapes, family: Family, is_original: bool) -> TransformerLayout:
    """Read the shape of a family's transformer off its tensors, in the original's names or diffusers'.

    Raises:
        KeyError: If a tensor is missing.
        ValueError: If one has an impossible shape.
    """
    return _DESCRIBE[family](shapes, is_original)


def _is_known(layout: TransformerLayout) -> bool:
    match layout:
        case SD3Layout():
            return layout.in_channels == layout.out_channels
        case FluxLayout():
            shown = {layout.out_channels * count for count in (1, 2, 6)}
            return layout.in_channels in shown and layout.head_width % _HEAD_UNIT == 0
        case PixArtLayout():
            return layout.out_channels in (layout.in_channels, 2 * layout.in_channels)


def _sd3(shapes: Shapes, is_original: bool) -> SD3Layout:
    names = _SD3[not is_original]
    width, channels, patch, _ = shapes[names.entry]
    numbers = sorted(_numbers(shapes, names.block))
    return SD3Layout(
        patch=patch,
        in_channels=channels,
        out_channels=shapes[names.last][0] // patch**2,
        width=width,
        depth=len(numbers),
        context_width=shapes[names.context][1],
        vector_width=shapes[names.vector][1],
        positions=math.isqrt(shapes[names.mark][1]),
        dual_layers=tuple(sorted(_numbers(shapes, rf"{names.block}(?:x_block\.)?attn2\."))),
        normalizes=any(name.endswith(names.norm) for name in shapes),
    )


def _flux(shapes: Shapes, is_original: bool) -> FluxLayout:
    names = _FLUX[not is_original]
    single = r"single_(?:transformer_)?blocks\.(\d+)\."
    width, channels = shapes[names.entry]
    return FluxLayout(
        in_channels=channels,
        out_channels=shapes[names.last][0],
        width=width,
        head_width=shapes[names.norm][0],
        depth=len(_numbers(shapes, names.block)),
        single_depth=len(_numbers(shapes, single)),
        context_width=shapes[names.context][1],
        vector_width=shapes[names.vector][1],
        is_guided=names.mark in shapes,
    )


def _pixart(shapes: Shapes, is_original: bool) -> PixArtLayout:
    names = _PIXART[not is_original]
    width, channels, patch, _ = shapes[names.entry]
    return PixArtLayout(
        patch=patch,
        in_channels=channels,
        out_channels=shapes[names.last][0] // patch**2,
        width=width,
        depth=len(_numbers(shapes, names.block)),
        context_width=shapes[names.context][1],
        takes_sizes=names.mark in shapes,
    )


_DESCRIBE: Mapping[Family, Callable[[Shapes, bool], TransformerLayout]] = {
    Family.SD3: _sd3,
    Family.FLUX: _flux,
    Family.PIXART_ALPHA: _pixart,
    Family.PIXART_SIGMA: _pixart,
}


def _numbers(shapes: Shapes, pattern: str) -> set[int]:
    """Collect the numbers at a place of names."""
    return {int(match[1]) for name in shapes if (match := re.match(pattern, name))}
