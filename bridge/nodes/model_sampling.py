"""What a model is taken to predict, and how its predictions are used."""

from dataclasses import replace
from typing import Annotated, Literal

from bridge.diffusion import Model, Prediction, stable_diffusion_schedule
from bridge.graph import Omissible, Range, Tooltip, node

PREDICTIONS: dict[str, Prediction] = {
    "eps": "epsilon",
    "v_prediction": "v_prediction",
    "lcm": "consistency",
    "x0": "sample",
    "img_to_img": "image",
}


@node("ModelSamplingDiscrete", category="advanced/model")
def model_sampling_discrete(
    model: Model,
    sampling: Literal["eps", "v_prediction", "lcm", "x0", "img_to_img"],
    zsnr: Annotated[bool, Tooltip("Whether the model was trained down to pure noise.")] = False,
) -> Model:
    """Say what a model predicts, where its file does not tell."""
    return replace(model, schedule=stable_diffusion_schedule(PREDICTIONS[sampling], is_zero_snr=zsnr))


@node("RescaleCFG", category="advanced/model")
def rescale_cfg(
    model: Model,
    multiplier: Annotated[float, Range(0.0, 1.0, 0.01), Tooltip("How far; 0 is not at all.")] = 0.7,
) -> Model:
    """Keep strong guidance from overexposing the picture."""
    return replace(model, guidance_rescale=multiplier)


@node("DifferentialDiffusion", category="_for_testing", display_name="Differential Diffusion")
def differential_diffusion(
    model: Model,
    strength: Annotated[
        float, Range(0.0, 1.0, 0.01), Omissible(), Tooltip("Below 1, the mask also counts as it is.")
    ] = 1.0,
) -> Model:
    """Read grey in a noise mask as when, not how far, a pixel may change."""
    return replace(model, soft_inpainting=strength)
