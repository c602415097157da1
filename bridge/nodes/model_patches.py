"""Changes of how a UNet runs."""

from typing import Annotated

from bridge.diffusion import FreeU, Model, add_free_u
from bridge.graph import Range, Tooltip, node

CATEGORY = "model_patches/unet"
BackboneGain = Annotated[
    float, Range(0.0, 10.0, 0.01), Tooltip("How loud the decoder's own features are; 1 is unchanged.")
]
SkipGain = Annotated[
    float, Range(0.0, 10.0, 0.01), Tooltip("How loud coarse forms from the encoder are; 1 is unchanged.")
]


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
