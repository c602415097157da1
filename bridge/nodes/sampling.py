"""Denoising."""

from typing import Annotated, Literal

from bridge.diffusion import SAMPLERS, SCHEDULERS, Conditioning, Latent, Model, Settings, sample
from bridge.graph import Choices, EditorOption, Range, Tooltip, node

Seed = Annotated[
    int,
    Range(0, 2**64 - 1),
    EditorOption("control_after_generate"),
    Tooltip("Names the noise; the same seed gives the same picture."),
]
Steps = Annotated[int, Range(1, 10_000)]
Cfg = Annotated[
    float,
    Range(0.0, 100.0, 0.1),
    EditorOption("round", 0.01),
    Tooltip("Weight of the prompt; 1 is off, and twice as fast."),
]
SamplerName = Annotated[str, Choices(tuple(SAMPLERS))]
SchedulerName = Annotated[str, Choices(tuple(SCHEDULERS))]
Denoise = Annotated[float, Range(0.0, 1.0, 0.01), Tooltip("How much of the latents is made anew.")]
Step = Annotated[int, Range(0, 10_000)]
AS_SELECTED = "See KSamplerSelect for the samplers that differ."
Switch = Literal["enable", "disable"]


@node("KSampler", category="sampling", differs=AS_SELECTED)
async def ksampler(
    model: Model,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    *,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Denoise = 1.0,
) -> Latent:
    """Denoise latents under positive and negative conditioning."""
    settings = Settings(seed, steps, cfg, sampler_name, scheduler, strength=denoise)
    return await sample(model, positive, negative, latent_image, settings)


@node("KSamplerAdvanced", category="sampling", display_name="KSampler (Advanced)", differs=AS_SELECTED)
async def ksampler_advanced(
    model: Model,
    add_noise: Switch,
    noise_seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    *,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Step = 0,
    end_at_step: Step = 10_000,
    return_with_leftover_noise: Literal["disable", "enable"],
) -> Latent:
    """Run some steps of a schedule, so that another sampler can go on from there."""
    settings = Settings(
        noise_seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        adds_noise=add_noise == "enable",
        start_at_step=start_at_step,
        end_at_step=end_at_step,
        keeps_leftover_noise=return_with_leftover_noise == "enable",
    )
    return await sample(model, positive, negative, latent_image, settings)
