"""Things to do to latents, or to what guidance adds."""

from typing import Annotated

from bridge.diffusion import Latent, Model, with_rule, with_samples
from bridge.diffusion.latent_operations import Operation, OperationOnGuidance, sharpening, tone_mapping
from bridge.graph import Range, Tooltip, node

CATEGORY = "latent/advanced/operations"


@node("LatentApplyOperation", category=CATEGORY)
def latent_apply_operation(samples: Latent, operation: Operation) -> Latent:
    """Do something to latents."""
    return with_samples(samples, operation(samples["samples"]))


@node("LatentApplyOperationCFG", category=CATEGORY)
def latent_apply_operation_cfg(model: Model, operation: Operation) -> Model:
    """Do something to what sets the prompt apart from the negative one, at every step."""
    return with_rule(model, OperationOnGuidance(operation))


@node("LatentOperationTonemapReinhard", category=CATEGORY)
def latent_operation_tonemap_reinhard(
    multiplier: Annotated[float, Range(0.0, 100.0, 0.01), Tooltip("How far values may reach.")] = 1.0,
) -> Operation:
    """Tame peaks, so that strong guidance burns nothing."""
    return tone_mapping(multiplier)


@node(
    "LatentOperationSharpen",
    category=CATEGORY,
    differs="Latents smaller than the radius are refused with a remedy.",
)
def latent_operation_sharpen(
    sharpen_radius: Annotated[int, Range(1, 31, 1), Tooltip("In latents: 8 pixels each.")] = 9,
    sigma: Annotated[float, Range(0.1, 10.0, 0.1), Tooltip("Of the blur, in units of the radius.")] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, 0.01), Tooltip("How much; 0 is not at all.")] = 0.1,
) -> Operation:
    """Sharpen."""
    return sharpening(sharpen_radius, sigma, alpha)
