"""Style models: opening them, and putting the look of a picture into prompts."""

from typing import Annotated

from bridge.diffusion import Conditioning, find_model, model_stamps
from bridge.diffusion.clip_vision import ClipVisionOutput
from bridge.diffusion.style_model import StrengthType, StyleModel, add_style, load_style_model
from bridge.graph import ChoicesFrom, Range, node


@node(
    "StyleModelLoader",
    category="loaders",
    display_name="Load Style Model",
    fingerprint=model_stamps(style_model_name="style_models"),
)
def style_model_loader(style_model_name: Annotated[str, ChoicesFrom("style_models")]) -> StyleModel:
    """Open a style model, which turns the look of a picture into words: Redux for Flux, or one for SD 1.x."""
    return load_style_model(find_model("style_models", style_model_name), style_model_name)


@node("StyleModelApply", category="conditioning/style_model", display_name="Apply Style Model")
def style_model_apply(
    conditioning: Conditioning,
    style_model: StyleModel,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Range(0.0, 10.0, 0.001)] = 1.0,
    strength_type: StrengthType = "multiply",
) -> Conditioning:
    """Add the look of a picture to the prompt; attn_bias weighs it by attention, which is for Flux only."""
    return add_style(conditioning, style_model, clip_vision_output, strength, strength_type)
