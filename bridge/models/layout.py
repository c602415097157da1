"""The shape of Stable Diffusion's networks, read off the names and shapes of their tensors.

Nothing is assumed about depth or width: a checkpoint with other channel multipliers, fewer blocks or a
smaller text encoder is described as well as the original. Both naming styles are understood: that of
the original code (LDM: ``input_blocks.1.0…``) and that of diffusers (``down_blocks.0.resnets.0…``).
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.models.header import Shape

Shapes = Mapping[str, Shape]

_MIDDLES = (True, True, True), (True, False, False), (False, False, False)
"""Which of a residual block, a transformer and a second residual block a middle has."""


@dataclass(frozen=True, slots=True)
class UNetLayout:
    """A UNet, or a ControlNet, which has its encoder half.

    Args:
        in_channels: 4 for plain models; 9 for inpainting, 8 for instruct-pix2pix.
        channels: Width of each level, finest first.
        depths: For each level of the encoder, finest first, the transformer blocks behind each of its
            residual blocks; 0 where it has no cross-attention.
        middle_depth: Transformer blocks in the middle; 0 where it is one residual block, as in SSD-1B, and
            ``None`` where there is no middle, as in KOALA-700M.
        decoder_depths: As ``depths`` for the decoder, coarsest first; for a level whose blocks differ, as in
            SSD-1B, one number for each. Empty for a ControlNet.
        blocks: Residual blocks a level.
        context_width: Width of the prompt embeddings.
        is_linear: Whether its transformers begin with a linear layer, as from Stable Diffusion 2 on.
        vector_width: Width of what it takes besides time and prompt, as SDXL and unCLIP do; 0 for nothing.
        hint_channels: Widths of a ControlNet's picture encoder; empty for a UNet.
    """

    in_channels: int
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    middle_depth: int | None
    decoder_depths: tuple[int | tuple[int, ...], ...]
    blocks: int
    context_width: int
    is_linear: bool = False
    vector_width: int = 0
    hint_channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoencoderLayout:
    """A KL autoencoder.

    Args:
        channels: Width of each level, finest first.
        blocks: Residual blocks a level.
        latent_channels: Of its latents.
        has_quant_convs: Whether latents pass a convolution at either side, as before SD3.
    """

    channels: tuple[int, ...]
    blocks: int
    latent_channels: int
    has_quant_convs: bool = True


@dataclass(frozen=True, slots=True)
class TextLayout:
    """CLIP's text tower.

    Args:
        vocabulary: Number of tokens.
        positions: Tokens of a chunk.
        width: Of the embeddings.
        inner_width: Of the inner layer of each block.
        layers: Number of blocks.
        projection: Width of the pooled output where the file has its projection; else 0.
        is_open_clip: Whether names are OpenCLIP's instead of transformers'.
    """

    vocabulary: int
    positions: int
    width: int
    inner_width: int
    layers: int
    projection: int = 0
    is_open_clip: bool = False


def strip(shapes: Shapes, prefix: str) -> Shapes:
    """Return the tensors whose names start with a prefix, without it."""
    return {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}


def is_ldm(names: Iterable[str]) -> bool:
    """Tell the original naming style from diffusers', by names without their prefix."""
    return any(name.startswith(("input_blocks.", "encoder.down.", "decoder.up.")) for name in names)


def unet_layout(shapes: Shapes) -> UNetLayout | None:
    """Describe a UNet or ControlNet; ``None`` if it is irregular in other ways than those known.

    Args:
        shapes: Of the UNet alone, its prefix stripped.
    """
    levels = _ldm_levels(shapes) if is_ldm(shapes) else _diffusers_levels(shapes)
    first = shapes.get("input_blocks.0.0.weight") or shapes.get("conv_in.weight")
    context = [shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")]
    if not (_is_regular(levels) and first and context):
        return None
    decoder = _decoder_depths(shapes, len(levels), len(levels[0]))
    first_in_middle, middle_depth, last_in_middle = _middle(shapes)
    is_known = (first_in_middle, middle_depth > 0, last_in_middle) in _MIDDLES
    if not is_known or any(0 in level and any(level) for level in decoder):
        return None
    entries = [shape for name, shape in shapes.items() if name.endswith(".proj_in.weight")]
    places = "label_emb.0.0", "add_embedding.linear_1", "class_embedding.linear_1"
    vector = next((shapes[f"{place}.weight"] for place in places if f"{place}.weight" in shapes), None)
    return UNetLayout(
        in_channels=first[1],
        channels=tuple(level[0][0] for level in levels),
        depths=tuple(level[0][1] for level in levels),
        middle_depth=middle_depth if first_in_middle else None,
        decoder_depths=tuple(level[0] if len(set(level)) == 1 else tuple(level) for level in decoder),
        blocks=len(levels[0]),
        context_width=context[0],
        is_linear=all(len(shape) == 2 for shape in entries),
        vector_width=vector[1] if vector else 0,
        hint_channels=_hint_channels(shapes),
    )


def autoencoder_layout(shapes: Shapes) -> AutoencoderLayout | None:
    """Describe an autoencoder; ``None`` if it is none of Stable Diffusion's kind."""
    down = (
        r"encoder\.down\.(\d+)\.block\.(\d+)"
        if is_ldm(shapes)
        else r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)"
    )
    levels = _grouped(shapes, down + r"\.conv1\.weight")
    latent = shapes.get("decoder.conv_in.weight")
    if not levels or not latent or len({len(level) for level in levels}) != 1:
        return None
    channels = tuple(level[0][0] for level in levels)
    return AutoencoderLayout(channels, len(levels[0]), latent[1], "post_quant_conv.weight" in shapes)


def text_layout(shapes: Shapes) -> TextLayout | None:
    """Describe a CLIP text tower, prefix stripped, in transformers' or OpenCLIP's names; else ``None``."""
    is_open_clip = "token_embedding.weight" in shapes
    if is_open_clip:
        names = "token_embedding.weight", "positional_embedding", "transformer.resblocks", "mlp.c_fc.weight"
    else:
        embeddings = "embeddings.token_embedding.weight", "embeddings.position_embedding.weight"
        names = *embeddings, "encoder.layers", "mlp.fc1.weight"
    tokens, positions, inner = (shapes.get(name) for name in (*names[:2], f"{names[2]}.0.{names[3]}"))
    block = re.compile(re.escape(names[2]) + r"\.(\d+)\.")
    layers = {match[1] for name in shapes if (match := block.match(name))}
    if not (tokens and positions and inner and len(tokens) == 2):
        return None
    stored = shapes.get("text_projection") or shapes.get("text_projection.weight")
    projection = (stored[1] if is_open_clip and "text_projection" in shapes else stored[0]) if stored else 0
    return TextLayout(tokens[0], positions[0], tokens[1], inner[0], len(layers), projection, is_open_clip)


def _is_regular(levels: list[list[tuple[int, int]]]) -> bool:
    """Tell whether all levels have equally many blocks, and the blocks of a level are alike."""
    return len({len(level) for level in levels}) == 1 and all(len(set(level)) == 1 for level in levels)


def _depths(shapes: Shapes) -> dict[str, int]:
    """Return the transformer blocks of each transformer, by its place."""
    found: dict[str, int] = {}
    for name in shapes:
        if match := re.fullmatch(r"(.+)\.transformer_blocks\.(\d+)\.norm1\.weight", name):
            found[match[1]] = max(found.get(match[1], 0), int(match[2]) + 1)
    return found


def _middle(shapes: Shapes) -> tuple[bool, int, bool]:
    """Tell whether there is a residual block, how deep the transformer, whether there is a second block."""
    depths = _depths(shapes)
    first, last = (
        any(name.startswith(places) for name in shapes)
        for places in (
            ("middle_block.0.", "mid_block.resnets.0."),
            ("middle_block.2.", "mid_block.resnets.1."),
        )
    )
    return first, depths.get("middle_block.1", 0) or depths.get("mid_block.attentions.0", 0), last


def _decoder_depths(shapes: Shapes, levels: int, blocks: int) -> list[list[int]]:
    """For each level of the decoder, coarsest first, the depths of its blocks; empty without one."""
    if not any(name.startswith(("output_blocks.", "up_blocks.")) for name in shapes):
        return []
    depths = _depths(shapes)
    places = (
        [f"output_blocks.{level * (blocks + 1) + block}.1" for block in range(blocks + 1)]
        if is_ldm(shapes)
        else [f"up_blocks.{level}.attentions.{block}" for block in range(blocks + 1)]
        for level in range(levels)
    )
    return [[depths.get(place, 0) for place in level] for level in places]


def _ldm_levels(shapes: Shapes) -> list[list[tuple[int, int]]]:
    """For each level its residual blocks as (width, transformer blocks)."""
    levels: list[list[tuple[int, int]]] = [[]]
    depths = _depths(shapes)
    for index in itertools.count(1):
        block = f"input_blocks.{index}"
        if f"{block}.0.op.weight" in shapes:
            levels.append([])
        elif f"{block}.0.in_layers.2.weight" in shapes:
            width = shapes[f"{block}.0.in_layers.2.weight"][0]
            levels[-1].append((width, depths.get(f"{block}.1", 0)))
        else:
            return levels
    raise AssertionError("unreachable")


def _diffusers_levels(shapes: Shapes) -> list[list[tuple[int, int]]]:
    levels = _grouped(shapes, r"down_blocks\.(\d+)\.resnets\.(\d+)\.conv1\.weight")
    depths = _depths(shapes)
    return [
        [
            (shape[0], depths.get(f"down_blocks.{level}.attentions.{block}", 0))
            for block, shape in enumerate(blocks)
        ]
        for level, blocks in enumerate(levels)
    ]


def _hint_channels(shapes: Shapes) -> tuple[int, ...]:
    ldm = _in_order(shapes, r"input_hint_block\.(\d+)\.weight")
    middle = _in_order(shapes, r"controlnet_cond_embedding\.blocks\.(\d+)\.weight")
    if ldm:
        return tuple(shape[0] for shape in [ldm[0], *ldm[2:-1:2]])
    if middle:
        return tuple(
            shape[0] for shape in [shapes["controlnet_cond_embedding.conv_in.weight"], *middle[1::2]]
        )
    return ()


def _in_order(shapes: Shapes, pattern: str) -> list[Shape]:
    found = {int(match[1]): shape for name, shape in shapes.items() if (match := re.fullmatch(pattern, name))}
    return [found[index] for index in sorted(found)]


def _grouped(shapes: Shapes, pattern: str) -> list[list[Shape]]:
    """Collect shapes by the two numbers in their names: [level][block]."""
    found: dict[tuple[int, int], Shape] = {}
    for name, shape in shapes.items():
        if match := re.fullmatch(pattern, name):
            found[int(match[1]), int(match[2])] = shape
    return [
        [found[key] for key in keys] for _, keys in itertools.groupby(sorted(found), key=lambda key: key[0])
    ]
