"""Changes of how a UNet or a text encoder runs."""

from typing import Annotated

from bridge.diffusion import (
    Clip,
    FreeU,
    HyperTile,
    Model,
    add_free_u,
    add_hyper_tile,
    multiply_attention,
    multiply_text_attention,
)
from bridge.graph import Range, Tooltip, node

CATEGORY = "model_patches/unet"
BackboneGain = Annotated[
    float, Range(0.0, 10.0, 0.01), Tooltip("How loud the decoder's own features are; 1 is unchanged.")
]
SkipGain = Annotated[
    float, Range(0.0, 10.0, 0.01), Tooltip("How loud coarse forms from the encoder are; 1 is unchanged.")
]
Gain = Annotated[float, Range(0.0, 10.0, 0.01), Tooltip("1 is unchanged.")]
EXPERIMENTS = "_for_testing/attention_experiments"


@node("FreeU", category=CATEGORY)
def free_u(
    model: Model, b1: BackboneGain = 1.1, b2: BackboneGain = 1.2, s1: SkipGain = 0.9, s2: SkipGain = 0.2
) -> Model:
    """Get cleaner forms from the same model, by listening more to the UNet's depth."""
    return add_free_u(model, FreeU((b1, s1), (b2, s2), is_structured=False))


@node(
    "FreeU_V2",
    category=CATEGORY,
    differs="Pictures of a few pixels, one place at the coarsest level, do not turn black.",
)
def free_u_v2(
    model: Model, b1: BackboneGain = 1.3, b2: BackboneGain = 1.4, s1: SkipGain = 0.9, s2: SkipGain = 0.2
) -> Model:
    """Get cleaner forms from the same model, by listening more to the UNet's depth where that says much."""
    return add_free_u(model, FreeU((b1, s1), (b2, s2), is_structured=True))


@node(
    "HyperTile",
    category=CATEGORY,
    differs="Above a swap_size of 2, tilings are drawn once a step, in ComfyUI for every attention.",
)
def hyper_tile(
    model: Model,
    tile_size: Annotated[int, Range(1, 2048), Tooltip("Least length of a tile's side, in pixels.")] = 256,
    swap_size: Annotated[int, Range(1, 128), Tooltip("Among how many tilings one is drawn.")] = 2,
    max_depth: Annotated[int, Range(0, 10), Tooltip("How many coarser levels are tiled too.")] = 0,
    scale_depth: Annotated[bool, Tooltip("Whether tiles of coarser levels are as large a part.")] = False,
) -> Model:
    """Make large pictures faster, by attention within tiles."""
    return add_hyper_tile(model, HyperTile(tile_size, swap_size, max_depth, scale_depth))


@node("UNetSelfAttentionMultiply", category=EXPERIMENTS)
def unet_self_attention_multiply(
    model: Model, q: Gain = 1.0, k: Gain = 1.0, v: Gain = 1.0, out: Gain = 1.0
) -> Model:
    """Make a UNet look more, or less, at the rest of the picture."""
    return multiply_attention(model, "self", (q, k, v, out))


@node("UNetCrossAttentionMultiply", category=EXPERIMENTS)
def unet_cross_attention_multiply(
    model: Model, q: Gain = 1.0, k: Gain = 1.0, v: Gain = 1.0, out: Gain = 1.0
) -> Model:
    """Make a UNet look more, or less, at the prompt."""
    return multiply_attention(model, "cross", (q, k, v, out))


@node("CLIPAttentionMultiply", category=EXPERIMENTS)
def clip_attention_multiply(clip: Clip, q: Gain = 1.0, k: Gain = 1.0, v: Gain = 1.0, out: Gain = 1.0) -> Clip:
    """Make a text encoder look more, or less, at the rest of the prompt."""
    return multiply_text_attention(clip, (q, k, v, out))
