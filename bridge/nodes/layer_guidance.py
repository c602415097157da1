"""Guidance of transformers by what they see without some of their layers."""

from typing import Annotated

from bridge.diffusion import Model, SkipLayerGuidance, WeakenedNegative, skipping, with_rule
from bridge.graph import Range, Tooltip, node

GUIDANCE = "advanced/guidance"
Layers = Annotated[str, Tooltip("Numbers of layers, counted from 0, with commas between them.")]
Scale = Annotated[float, Range(0.0, 10.0, 0.1), Tooltip("How far; 0 is not at all.")]
Share = Annotated[float, Range(0.0, 1.0, 0.001), Tooltip("A share of the way from noise to picture.")]
REFUSES = (
    "Refuses layers that the model has not, and models other than SD3 and Flux; ComfyUI does nothing there."
)


@node("SkipLayerGuidanceDiT", category=GUIDANCE, differs=REFUSES)
def skip_layer_guidance_dit(
    model: Model,
    double_layers: Layers = "7, 8, 9",
    single_layers: Layers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Share = 0.01,
    end_percent: Share = 0.15,
    rescaling_scale: Annotated[
        float, Range(0.0, 10.0, 0.01), Tooltip("How far contrast is brought back; 0 is not at all.")
    ] = 0.0,
) -> Model:
    """Get sounder structure: away from what SD3 or Flux sees without some of its layers."""
    left_out = skipping(model, double_layers, single_layers, start_percent, end_percent)
    return with_rule(model, SkipLayerGuidance(left_out, scale, rescaling_scale)) if left_out else model


@node("SkipLayerGuidanceDiTSimple", category=GUIDANCE, differs=REFUSES)
def skip_layer_guidance_dit_simple(
    model: Model,
    double_layers: Layers = "7, 8, 9",
    single_layers: Layers = "7, 8, 9",
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
) -> Model:
    """Get sounder structure: let the negative prompt be seen without some layers of SD3 or Flux."""
    left_out = skipping(model, double_layers, single_layers, start_percent, end_percent)
    return with_rule(model, WeakenedNegative(left_out)) if left_out else model


@node("SkipLayerGuidanceSD3", category=GUIDANCE, differs=REFUSES)
def skip_layer_guidance_sd3(
    model: Model,
    layers: Layers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Share = 0.01,
    end_percent: Share = 0.15,
) -> Model:
    """Get sounder structure, of hands above all: away from what SD3 sees without some of its layers."""
    left_out = skipping(model, layers, "", start_percent, end_percent)
    return with_rule(model, SkipLayerGuidance(left_out, scale)) if left_out else model
