"""What a model is taken to predict, and how its predictions are used."""

from dataclasses import replace
from typing import Annotated, Literal

from bridge.diffusion import (
    Model,
    Prediction,
    flow_schedule,
    flux_mu,
    flux_schedule,
    stable_diffusion_schedule,
)
from bridge.graph import Omissible, Range, Tooltip, node

PREDICTIONS: dict[str, Prediction] = {
    "eps": "epsilon",
    "v_prediction": "v_prediction",
    "lcm": "consistency",
    "x0": "sample",
    "img_to_img": "image",
}

Shift = Annotated[float, Range(0.0, 100.0, 0.01), Tooltip("How much of the way goes into noise; 1 is even.")]
Logarithm = Annotated[float, Range(0.0, 100.0, 0.01)]
Side = Annotated[int, Range(16, 16_384, 8)]
ANY_FLOW = (
    "Fits every flow model, each being told noise levels on its own scale; in ComfyUI only the models it is "
    "made for. A shift of 0 is refused."
)


@node("ModelSamplingDiscrete", category="advanced/model")
def model_sampling_discrete(
    model: Model,
    sampling: Literal["eps", "v_prediction", "lcm", "x0", "img_to_img"],
    zsnr: Annotated[bool, Tooltip("Whether the model was trained down to pure noise.")] = False,
) -> Model:
    """Say what a model predicts, where its file does not tell."""
    return replace(model, schedule=stable_diffusion_schedule(PREDICTIONS[sampling], is_zero_snr=zsnr))


@node("ModelSamplingSD3", category="advanced/model", differs=ANY_FLOW)
def model_sampling_sd3(model: Model, shift: Shift = 3.0) -> Model:
    """Choose how long SD3 or Flux stays with coarse forms: the larger the picture, the longer."""
    return replace(model, schedule=flow_schedule(shift))


@node("ModelSamplingAuraFlow", category="advanced/model", differs=ANY_FLOW)
def model_sampling_aura_flow(model: Model, shift: Shift = 1.73) -> Model:
    """Choose how long a flow model stays with coarse forms, as AuraFlow does."""
    return replace(model, schedule=flow_schedule(shift))


@node("ModelSamplingFlux", category="advanced/model", differs=ANY_FLOW)
def model_sampling_flux(
    model: Model,
    max_shift: Annotated[Logarithm, Tooltip("For a picture of 1024 × 1024.")] = 1.15,
    base_shift: Annotated[Logarithm, Tooltip("For a picture of 256 × 256.")] = 0.5,
    width: Side = 1024,
    height: Side = 1024,
) -> Model:
    """Suit a flow model to the size of the picture: the larger, the longer it stays with coarse forms."""
    return replace(model, schedule=flux_schedule(flux_mu(width, height, base_shift, max_shift)))


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
