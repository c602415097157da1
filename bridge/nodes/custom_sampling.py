"""Custom sampling: noise, guider, sampler and noise levels as inputs of their own."""

from typing import Annotated, Literal

from bridge.diffusion import (
    Conditioning,
    DualGuidance,
    Guider,
    Latent,
    Model,
    Noise,
    PromptGuidance,
    Sampler,
    SeededNoise,
    Sigmas,
    add_noise,
    run,
)
from bridge.graph import EditorOption, Range, Tooltip, node

SAMPLING = "sampling/custom_sampling"
GUIDING = "sampling/custom_sampling/guiders"
NOISE = "sampling/custom_sampling/noise"
OUTPUTS = ("output", "denoised_output")
Seed = Annotated[
    int,
    Range(0, 2**64 - 1),
    EditorOption("control_after_generate"),
    Tooltip("Names the noise; the same seed gives the same picture."),
]
Cfg = Annotated[
    float,
    Range(0.0, 100.0, 0.1),
    EditorOption("round", 0.01),
    Tooltip("Weight of the prompt; 1 is off, and twice as fast."),
]


@node("RandomNoise", category=NOISE)
def random_noise(noise_seed: Seed = 0) -> Noise:
    """Begin with the noise of a seed."""
    return SeededNoise(noise_seed)


@node("DisableNoise", category=NOISE)
def disable_noise() -> Noise:
    """Begin without noise, where a sampler before has left some."""
    return SeededNoise(is_silent=True)


@node("BasicGuider", category=GUIDING)
def basic_guider(model: Model, conditioning: Conditioning) -> Guider:
    """Follow a prompt as the model takes it, without guidance."""
    return PromptGuidance(model, conditioning)


@node("CFGGuider", category=GUIDING, display_name="CFG Guider")
def cfg_guider(model: Model, positive: Conditioning, negative: Conditioning, cfg: Cfg = 8.0) -> Guider:
    """Follow a prompt, away from another one."""
    return PromptGuidance(model, positive, negative, cfg)


@node(
    "DualCFGGuider",
    category=GUIDING,
    display_name="Dual CFG Guider",
    differs="Refuses models whose guidance another node changed, RescaleCFG excepted.",
)
def dual_cfg_guider(
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    *,
    style: Literal["regular", "nested"],
) -> Guider:
    """Follow two prompts with a weight for each, away from a third."""
    is_nested = style == "nested"
    return DualGuidance(model, cond1, cond2, negative, cfg_conds, cfg_cond2_negative, is_nested)


@node("SamplerCustom", category=SAMPLING, outputs=OUTPUTS)
async def sampler_custom(
    model: Model,
    add_noise: bool = True,
    noise_seed: Seed = 0,
    cfg: Cfg = 8.0,
    *,
    positive: Conditioning,
    negative: Conditioning,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
) -> tuple[Latent, Latent]:
    """Denoise latents along noise levels; also tell what the model last took them for."""
    guider = PromptGuidance(model, positive, negative, cfg)
    noise = SeededNoise(noise_seed, is_silent=not add_noise)
    return await run(guider, sampler, sigmas.tolist(), noise, latent_image)


@node("SamplerCustomAdvanced", category=SAMPLING, outputs=OUTPUTS)
async def sampler_custom_advanced(
    noise: Noise, guider: Guider, sampler: Sampler, sigmas: Sigmas, latent_image: Latent
) -> tuple[Latent, Latent]:
    """Denoise latents with a guider along noise levels; also tell what the model last took them for."""
    return await run(guider, sampler, sigmas.tolist(), noise, latent_image)


@node("AddNoise", category="_for_testing/custom_sampling/noise")
def add_noise_to_latents(model: Model, noise: Noise, sigmas: Sigmas, latent_image: Latent) -> Latent:
    """Noise latents by as much as the first and the last of some levels are apart."""
    return add_noise(model, noise, sigmas.tolist(), latent_image)
