"""Noise levels for custom sampling."""

from typing import Annotated, Literal

from bridge.diffusion import (
    SCHEDULERS,
    AlignedFor,
    Model,
    Sigmas,
    aligned_sigmas,
    beta_sigmas,
    extended,
    flipped,
    karras_sigmas,
    laplace_sigmas,
    make_sigmas,
    polyexponential_sigmas,
    split_at_strength,
    turbo_sigmas,
    vp_sigmas,
    with_first,
)
from bridge.graph import Choices, Range, Tooltip, node

SCHEDULING = "sampling/custom_sampling/schedulers"
EDITING = "sampling/custom_sampling/sigmas"
Steps = Annotated[int, Range(1, 10_000)]
Level = Annotated[float, Range(0.0, 5000.0, 0.01)]
Denoise = Annotated[float, Range(0.0, 1.0, 0.01)]
Rho = Annotated[float, Range(0.0, 100.0, 0.01)]

ALWAYS = 999_999_999.9
"""What ComfyUI calls the noise level before the first."""


@node("BasicScheduler", category=SCHEDULING)
def basic_scheduler(
    model: Model,
    scheduler: Annotated[str, Choices(tuple(SCHEDULERS))],
    steps: Steps = 20,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """Space the noise levels of a model by one of the schedulers."""
    return make_sigmas(model.schedule, scheduler, steps, denoise)


@node("KarrasScheduler", category=SCHEDULING)
def karras_scheduler(
    steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675, rho: Rho = 7.0
) -> Sigmas:
    """Space noise levels so that they are denser the lower they are."""
    return karras_sigmas(steps, sigma_min, sigma_max, rho)


@node("ExponentialScheduler", category=SCHEDULING)
def exponential_scheduler(
    steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675
) -> Sigmas:
    """Space noise levels by one ratio."""
    return polyexponential_sigmas(steps, sigma_min, sigma_max)


@node("PolyexponentialScheduler", category=SCHEDULING)
def polyexponential_scheduler(
    steps: Steps = 20, sigma_max: Level = 14.614642, sigma_min: Level = 0.0291675, rho: Rho = 1.0
) -> Sigmas:
    """Space noise levels by a ratio that changes along the way."""
    return polyexponential_sigmas(steps, sigma_min, sigma_max, rho)


@node("LaplaceScheduler", category=SCHEDULING)
def laplace_scheduler(
    steps: Steps = 20,
    sigma_max: Level = 14.614642,
    sigma_min: Level = 0.0291675,
    mu: Annotated[float, Range(-10.0, 10.0, 0.1)] = 0.0,
    beta: Annotated[float, Range(0.0, 10.0, 0.1)] = 0.5,
) -> Sigmas:
    """Space noise levels so that they are densest around one of them."""
    return laplace_sigmas(steps, sigma_min, sigma_max, mu, beta)


@node("VPScheduler", category=SCHEDULING)
def vp_scheduler(
    steps: Steps = 20,
    beta_d: Level = 19.9,
    beta_min: Level = 0.1,
    eps_s: Annotated[float, Range(0.0, 1.0, 0.0001)] = 0.001,
) -> Sigmas:
    """Space noise levels as a variance-preserving process reaches them."""
    return vp_sigmas(steps, beta_d, beta_min, eps_s)


@node("BetaSamplingScheduler", category=SCHEDULING)
def beta_sampling_scheduler(
    model: Model,
    steps: Steps = 20,
    alpha: Annotated[float, Range(0.0, 50.0, 0.01)] = 0.6,
    beta: Annotated[float, Range(0.0, 50.0, 0.01)] = 0.6,
) -> Sigmas:
    """Space the noise levels of a model by a beta distribution: below 1 they are denser at both ends."""
    return beta_sigmas(model.schedule, steps, alpha, beta)


@node("SDTurboScheduler", category=SCHEDULING)
def sd_turbo_scheduler(
    model: Model, steps: Annotated[int, Range(1, 10)] = 1, denoise: Denoise = 1.0
) -> Sigmas:
    """Take the noise levels that turbo models were made for."""
    return turbo_sigmas(model.schedule, steps, denoise)


@node("AlignYourStepsScheduler", category=SCHEDULING)
def align_your_steps_scheduler(model_type: AlignedFor, steps: Steps = 10, denoise: Denoise = 1.0) -> Sigmas:
    """Take the noise levels that were found to be best for ten steps."""
    return aligned_sigmas(model_type, steps, denoise)


@node("SplitSigmas", category=EDITING, outputs=("high_sigmas", "low_sigmas"))
def split_sigmas(sigmas: Sigmas, step: Annotated[int, Range(0, 10_000)] = 0) -> tuple[Sigmas, Sigmas]:
    """Split noise levels in two, so that a second sampler can go on from a step."""
    return sigmas[: step + 1], sigmas[step:]


@node(
    "SplitSigmasDenoise",
    category=EDITING,
    outputs=("high_sigmas", "low_sigmas"),
    differs="Where denoise leaves no step to the second part, the first has all of them; in ComfyUI none.",
)
def split_sigmas_denoise(sigmas: Sigmas, denoise: Denoise = 1.0) -> tuple[Sigmas, Sigmas]:
    """Split noise levels in two, the second part for so much denoising."""
    return split_at_strength(sigmas, denoise)


@node(
    "FlipSigmas",
    category=EDITING,
    differs="A flow model's picture can be brought to noise alone, and back; in ComfyUI it is divided by 0.",
)
def flip_sigmas(sigmas: Sigmas) -> Sigmas:
    """Turn noise levels round, to go from a picture to its noise."""
    return flipped(sigmas)


@node("SetFirstSigma", category=EDITING)
def set_first_sigma(sigmas: Sigmas, sigma: Annotated[float, Range(0.0, 20_000.0, 0.001)] = 136.0) -> Sigmas:
    """Replace the noise level that sampling begins at."""
    return with_first(sigmas, sigma)


@node("ExtendIntermediateSigmas", category=EDITING)
def extend_intermediate_sigmas(
    sigmas: Sigmas,
    steps: Annotated[int, Range(1, 100)] = 2,
    start_at_sigma: Annotated[float, Range(-1.0, 20_000.0, 0.01)] = -1.0,
    end_at_sigma: Annotated[float, Range(0.0, 20_000.0, 0.01)] = 12.0,
    *,
    spacing: Literal["linear", "cosine", "sine"],
) -> Sigmas:
    """Divide the steps between two noise levels into smaller ones."""
    return extended(sigmas, steps, start_at_sigma, end_at_sigma, spacing)


@node("SamplingPercentToSigma", category=EDITING, outputs=("sigma_value",))
def sampling_percent_to_sigma(
    model: Model,
    sampling_percent: Annotated[float, Range(0.0, 1.0, 0.0001)] = 0.0,
    return_actual_sigma: Annotated[
        bool, Tooltip("Give the model's highest and lowest level at 0 and 1, not what is beyond them.")
    ] = False,
) -> float:
    """Tell the noise level at a share of the way from noise to picture."""
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return model.schedule.sigma_max if sampling_percent == 0.0 else model.schedule.sigma_min
    return min(model.schedule.sigma_at(sampling_percent), ALWAYS)
