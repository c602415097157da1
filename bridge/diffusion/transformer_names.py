"""Where the original code of SD3, Flux and PixArt keeps what diffusers calls otherwise.

Tables go from the path of a layer in a diffusers network to its place in a single file; they hold for any
depth. Sources: mmditx.py of Stability-AI/sd3.5, model.py and layers.py of black-forest-labs/flux, PixArtMS.py
of PixArt-alpha/PixArt-sigma.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from bridge.diffusion.ldm_names import THIRDS, Place, Rows
from bridge.models import Family, FluxLayout, PixArtLayout, SD3Layout, TransformerLayout

Places = Mapping[str, Place]
"""Path of a layer → of what holds it in the file; there with the ending of the parameter, ``weight`` or
``bias``, unless that is ``scale``."""

_HALVES: tuple[Rows, ...] = (0, 1, 2), (1, 2, 2)
_SEVENTHS: tuple[Rows, ...] = (0, 1, 7), (1, 2, 7), (2, 3, 7), (3, 7, 7)
"""Flux's single blocks make query, key, value and an inner layer four times as wide at once."""


class _Style(NamedTuple):
    """Names of one family: of its blocks by what diffusers calls their list, and of the rest."""

    blocks: Mapping[str, tuple[str, Places]]
    rest: Places


def transformer_places(name: str, layout: TransformerLayout) -> list[Place]:
    """Translate a parameter of a transformer.

    Args:
        name: In diffusers' style.
        layout: Of the transformer.
    """
    return [_place(name, _STYLES[type(layout)], layout.depth)]


def original_place(name: str, family: Family, depth: int) -> Place:
    """Translate a parameter of a family's transformer.

    Args:
        name: In diffusers' style.
        family: Of the transformer.
        depth: Number of its ``transformer_blocks``.
    """
    return _place(name, _FAMILIES[family], depth)


def _place(name: str, style: _Style, depth: int) -> Place:
    path, kind = _split(name)
    if match := re.fullmatch(r"(\w+)\.(\d+)\.(.+)", path):
        blocks, number, inner = match.groups()
        theirs, places = style.blocks[blocks]
        place = replace(places[inner], name=f"{theirs}.{number}.{places[inner].name}")
        # The last block of SD3 only reads the prompt; diffusers normalises it in its own order there.
        if style is _SD3 and (inner, int(number)) == ("norm1_context.linear", depth - 1):
            place = replace(place, is_swapped=True)
    else:
        place = style.rest[path]
    return place if place.name.endswith(".scale") else replace(place, name=place.name + kind)


def _split(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)(\.weight|\.bias)?", name)
    assert match
    return match[1], match[2] or ""


def _parts(theirs: str, *mine: str, rows: tuple[Rows, ...] = THIRDS) -> Places:
    """Say what lies one after another in one matrix."""
    return {path: Place(theirs, part) for path, part in zip(mine, rows, strict=True)}


_SD3 = _Style(
    {
        "transformer_blocks": (
            "joint_blocks",
            {
                "norm1.linear": Place("x_block.adaLN_modulation.1"),
                "norm1_context.linear": Place("context_block.adaLN_modulation.1"),
                **_parts("x_block.attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
                **_parts("context_block.attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
                "attn.norm_q": Place("x_block.attn.ln_q"),
                "attn.norm_k": Place("x_block.attn.ln_k"),
                "attn.norm_added_q": Place("context_block.attn.ln_q"),
                "attn.norm_added_k": Place("context_block.attn.ln_k"),
                "attn.to_out.0": Place("x_block.attn.proj"),
                "attn.to_add_out": Place("context_block.attn.proj"),
                **_parts("x_block.attn2.qkv", "attn2.to_q", "attn2.to_k", "attn2.to_v"),
                "attn2.norm_q": Place("x_block.attn2.ln_q"),
                "attn2.norm_k": Place("x_block.attn2.ln_k"),
                "attn2.to_out.0": Place("x_block.attn2.proj"),
                "ff.net.0.proj": Place("x_block.mlp.fc1"),
                "ff.net.2": Place("x_block.mlp.fc2"),
                "ff_context.net.0.proj": Place("context_block.mlp.fc1"),
                "ff_context.net.2": Place("context_block.mlp.fc2"),
            },
        )
    },
    {
        "pos_embed.pos_embed": Place("pos_embed"),
        "pos_embed.proj": Place("x_embedder.proj"),
        "time_text_embed.timestep_embedder.linear_1": Place("t_embedder.mlp.0"),
        "time_text_embed.timestep_embedder.linear_2": Place("t_embedder.mlp.2"),
        "time_text_embed.text_embedder.linear_1": Place("y_embedder.mlp.0"),
        "time_text_embed.text_embedder.linear_2": Place("y_embedder.mlp.2"),
        "context_embedder": Place("context_embedder"),
        "norm_out.linear": Place("final_layer.adaLN_modulation.1", is_swapped=True),
        "proj_out": Place("final_layer.linear"),
    },
)

_FLUX = _Style(
    {
        "transformer_blocks": (
            "double_blocks",
            {
                "norm1.linear": Place("img_mod.lin"),
                "norm1_context.linear": Place("txt_mod.lin"),
                **_parts("img_attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
                **_parts("txt_attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
                "attn.norm_q": Place("img_attn.norm.query_norm.scale"),
                "attn.norm_k": Place("img_attn.norm.key_norm.scale"),
                "attn.norm_added_q": Place("txt_attn.norm.query_norm.scale"),
                "attn.norm_added_k": Place("txt_attn.norm.key_norm.scale"),
                "attn.to_out.0": Place("img_attn.proj"),
                "attn.to_add_out": Place("txt_attn.proj"),
                "ff.net.0.proj": Place("img_mlp.0"),
                "ff.net.2": Place("img_mlp.2"),
                "ff_context.net.0.proj": Place("txt_mlp.0"),
                "ff_context.net.2": Place("txt_mlp.2"),
            },
        ),
        "single_transformer_blocks": (
            "single_blocks",
            {
                "norm.linear": Place("modulation.lin"),
                **_parts("linear1", "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp", rows=_SEVENTHS),
                "attn.norm_q": Place("norm.query_norm.scale"),
                "attn.norm_k": Place("norm.key_norm.scale"),
                "proj_out": Place("linear2"),
            },
        ),
    },
    {
        "x_embedder": Place("img_in"),
        "context_embedder": Place("txt_in"),
        "time_text_embed.timestep_embedder.linear_1": Place("time_in.in_layer"),
        "time_text_embed.timestep_embedder.linear_2": Place("time_in.out_layer"),
        "time_text_embed.text_embedder.linear_1": Place("vector_in.in_layer"),
        "time_text_embed.text_embedder.linear_2": Place("vector_in.out_layer"),
        "time_text_embed.guidance_embedder.linear_1": Place("guidance_in.in_layer"),
        "time_text_embed.guidance_embedder.linear_2": Place("guidance_in.out_layer"),
        "norm_out.linear": Place("final_layer.adaLN_modulation.1", is_swapped=True),
        "proj_out": Place("final_layer.linear"),
    },
)

_PIXART = _Style(
    {
        "transformer_blocks": (
            "blocks",
            {
                "scale_shift_table": Place("scale_shift_table"),
                **_parts("attn.qkv", "attn1.to_q", "attn1.to_k", "attn1.to_v"),
                "attn1.to_out.0": Place("attn.proj"),
                "attn2.to_q": Place("cross_attn.q_linear"),
                **_parts("cross_attn.kv_linear", "attn2.to_k", "attn2.to_v", rows=_HALVES),
                "attn2.to_out.0": Place("cross_attn.proj"),
                "ff.net.0.proj": Place("mlp.fc1"),
                "ff.net.2": Place("mlp.fc2"),
            },
        )
    },
    {
        "pos_embed.proj": Place("x_embedder.proj"),
        "adaln_single.emb.timestep_embedder.linear_1": Place("t_embedder.mlp.0"),
        "adaln_single.emb.timestep_embedder.linear_2": Place("t_embedder.mlp.2"),
        "adaln_single.emb.resolution_embedder.linear_1": Place("csize_embedder.mlp.0"),
        "adaln_single.emb.resolution_embedder.linear_2": Place("csize_embedder.mlp.2"),
        "adaln_single.emb.aspect_ratio_embedder.linear_1": Place("ar_embedder.mlp.0"),
        "adaln_single.emb.aspect_ratio_embedder.linear_2": Place("ar_embedder.mlp.2"),
        "adaln_single.linear": Place("t_block.1"),
        "caption_projection.linear_1": Place("y_embedder.y_proj.fc1"),
        "caption_projection.linear_2": Place("y_embedder.y_proj.fc2"),
        "scale_shift_table": Place("final_layer.scale_shift_table"),
        "proj_out": Place("final_layer.linear"),
    },
)

_STYLES: Mapping[type[TransformerLayout], _Style] = {
    SD3Layout: _SD3,
    FluxLayout: _FLUX,
    PixArtLayout: _PIXART,
}

_FAMILIES: Mapping[Family, _Style] = {
    Family.SD3: _SD3,
    Family.FLUX: _FLUX,
    Family.PIXART_ALPHA: _PIXART,
    Family.PIXART_SIGMA: _PIXART,
}
