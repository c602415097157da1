"""Empty transformers of SD3, Flux and PixArt, on the meta device: no memory, no weights.

What tensors do not tell is set here; docs/configurations.md names the source of each value.
"""

from typing import Any

import torch

from bridge.diffusion.libraries import diffusers, diffusers_embeddings
from bridge.models import FluxLayout, PixArtLayout, SD3Layout, TransformerLayout

_SD3_HEAD_WIDTH = 64
_PIXART_HEADS = 16

_PIXART_SIDE, _PIXART_INTERPOLATION = 128, 2
"""Latents along a side, and by what their positions are divided: those of 1024². All published variants
keep to the ratio, which alone counts, as positions are scaled to the picture's size."""


def transformer_config(layout: TransformerLayout) -> dict[str, Any]:
    """Describe a transformer of a shape to diffusers."""
    match layout:
        case SD3Layout():
            return _sd3_config(layout)
        case FluxLayout():
            return _flux_config(layout)
        case PixArtLayout():
            return _pixart_config(layout)


def empty_transformer(layout: TransformerLayout) -> torch.nn.Module:
    """Build a transformer without weights."""
    networks = {
        SD3Layout: diffusers.SD3Transformer2DModel,
        FluxLayout: diffusers.FluxTransformer2DModel,
        PixArtLayout: diffusers.PixArtTransformer2DModel,
    }
    with torch.device("meta"):
        module: torch.nn.Module = networks[type(layout)](**transformer_config(layout))
    return module


def with_positions(module: Any) -> Any:
    """Give a filled transformer the positions that its file does not bring: PixArt computes them.

    Half of the channels tell the column, half the row. Computed for one side, as diffusers does for all
    places at once, in float64 and a hundred megabytes.
    """
    if isinstance(module, diffusers.PixArtTransformer2DModel):
        entry = module.pos_embed
        side = entry.height
        places = torch.arange(side, device=module.device) / (side / entry.base_size)
        line = diffusers_embeddings.get_1d_sincos_pos_embed_from_grid(
            module.inner_dim // 2, places / entry.interpolation_scale
        )
        column, row = line.float().expand(side, side, -1), line.float()[:, None].expand(side, side, -1)
        entry.pos_embed = torch.cat([column, row], dim=-1).reshape(1, side * side, -1)
    return module


def _sd3_config(layout: SD3Layout) -> dict[str, Any]:
    return {
        "patch_size": layout.patch,
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels,
        "num_layers": layout.depth,
        "attention_head_dim": _SD3_HEAD_WIDTH,
        "num_attention_heads": layout.width // _SD3_HEAD_WIDTH,
        "joint_attention_dim": layout.context_width,
        "caption_projection_dim": layout.width,
        "pooled_projection_dim": layout.vector_width,
        "pos_embed_max_size": layout.positions,
        "dual_attention_layers": layout.dual_layers,
        "qk_norm": "rms_norm" if layout.normalizes else None,
    }


def _flux_config(layout: FluxLayout) -> dict[str, Any]:
    head = layout.head_width
    return {
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels,
        "num_layers": layout.depth,
        "num_single_layers": layout.single_depth,
        "attention_head_dim": head,
        "num_attention_heads": layout.width // head,
        "joint_attention_dim": layout.context_width,
        "pooled_projection_dim": layout.vector_width,
        "guidance_embeds": layout.is_guided,
        "axes_dims_rope": (head // 8, head * 7 // 16, head * 7 // 16),
    }


def _pixart_config(layout: PixArtLayout) -> dict[str, Any]:
    return {
        "sample_size": _PIXART_SIDE,
        "interpolation_scale": _PIXART_INTERPOLATION,
        "patch_size": layout.patch,
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels,
        "num_layers": layout.depth,
        "attention_head_dim": layout.width // _PIXART_HEADS,
        "num_attention_heads": _PIXART_HEADS,
        "cross_attention_dim": layout.width,
        "caption_channels": layout.context_width,
        "use_additional_conditions": layout.takes_sizes,
    }
