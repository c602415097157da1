"""Joining, cutting and changing latents, and changing what guidance adds."""

from typing import Annotated, Literal

from bridge.diffusion import Latent, Model, repeat_to, with_rule, with_samples
from bridge.diffusion.latent_arithmetic import cut_along, join_along
from bridge.diffusion.latent_operations import Operation, OperationOnGuidance, sharpening, tone_mapping
from bridge.graph import Range, Tooltip, node

CATEGORY = "latent/advanced/operations"
AXES = {"x": -1, "y": -2, "t": -3}
NO_TIME = "Pictures have no time: t joins and cuts channels, as in ComfyUI."


@node("LatentConcat", category="latent/advanced", differs=NO_TIME)
def latent_concat(
    samples1: Latent, samples2: Latent, dim: Literal["x", "-x", "y", "-y", "t", "-t"]
) -> Latent:
    """Put latents side by side (x) or one below the other (y); with a minus the second comes first."""
    first, second = samples1["samples"], repeat_to(samples2["samples"], len(samples1["samples"]))
    pair = (second, first) if dim.startswith("-") else (first, second)
    return with_samples(samples1, join_along(*pair, AXES[dim[-1]]))


@node("LatentCut", category="latent/advanced", differs=NO_TIME)
def latent_cut(
    samples: Latent,
    dim: Literal["x", "y", "t"],
    index: Annotated[int, Range(-16_384, 16_384, 1), Tooltip("In latents; from the end if negative.")] = 0,
    amount: Annotated[int, Range(1, 16_384, 1), Tooltip("In latents: 8 pixels each.")] = 1,
) -> Latent:
    """Cut a strip out of latents: columns (x) or rows (y)."""
    return with_samples(samples, cut_along(samples["samples"], AXES[dim], index, amount))


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
