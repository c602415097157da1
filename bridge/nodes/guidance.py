"""Changes of how far, and where to, prompts guide a model."""

from typing import Annotated

from bridge.diffusion import (
    Conditioning,
    DirectedGuidance,
    FrequencyScaling,
    Guider,
    Model,
    NoiseScaling,
    NormLimit,
    PerpendicularGuidance,
    ProjectedGuidance,
    PromptGuidance,
    RenormalizedGuidance,
    TangentialDamping,
    ZeroStarGuidance,
    add_perturbed_attention_guidance,
    add_self_attention_guidance,
    with_rule,
)
from bridge.graph import EditorOption, Range, Tooltip, node

PATCHED = ("patched_model",)
GUIDANCE = "advanced/guidance"
TESTING = "_for_testing"
NegativeScale = Annotated[
    float, Range(0.0, 100.0, 0.01), Tooltip("Weight of what is left of the negative prompt.")
]


@node("PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention_guidance(
    model: Model,
    scale: Annotated[
        float, Range(0.0, 100.0, 0.01), EditorOption("round", 0.01), Tooltip("How far; 0 is not at all.")
    ] = 3.0,
) -> Model:
    """Get sounder structure: away from what is seen with less attention. Takes half as long again."""
    return add_perturbed_attention_guidance(model, scale)


@node(
    "SelfAttentionGuidance",
    category=TESTING,
    display_name="Self-Attention Guidance",
    differs="A blur_sigma of 0 blurs nothing; in ComfyUI the picture turns black.",
)
def self_attention_guidance(
    model: Model,
    scale: Annotated[float, Range(-2.0, 5.0, 0.01), Tooltip("How far; 0 is not at all.")] = 0.5,
    blur_sigma: Annotated[float, Range(0.0, 10.0, 0.1), Tooltip("How much is blurred, in latents.")] = 2.0,
) -> Model:
    """Get sharper detail: away from what the model sees when that is blurred. Takes half as long again."""
    return add_self_attention_guidance(model, scale, blur_sigma)


@node(
    "PerpNeg",
    category=TESTING,
    display_name="Perp-Neg (DEPRECATED by PerpNegGuider)",
    differs="At a cfg of 1 the negative prompt counts too.",
)
def perp_neg(model: Model, empty_conditioning: Conditioning, neg_scale: NegativeScale = 1.0) -> Model:
    """Let the negative prompt take away only what the positive one does not ask for."""
    return with_rule(model, PerpendicularGuidance(empty_conditioning, neg_scale))


@node("PerpNegGuider", category=TESTING)
def perp_neg_guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty_conditioning: Conditioning,
    cfg: Annotated[
        float, Range(0.0, 100.0, 0.1), EditorOption("round", 0.01), Tooltip("Weight of the prompt.")
    ] = 8.0,
    neg_scale: NegativeScale = 1.0,
) -> Guider:
    """Follow a prompt, and let the negative one take away only what it does not ask for."""
    rule = PerpendicularGuidance(empty_conditioning, neg_scale)
    return PromptGuidance(with_rule(model, rule), positive, negative, cfg)


@node(
    "APG",
    category="sampling/custom_sampling",
    display_name="Adaptive Projected Guidance",
    differs="At a cfg of 1 there is no guidance to change; in ComfyUI it counts twice.",
)
def adaptive_projected_guidance(
    model: Model,
    eta: Annotated[
        float, Range(-10.0, 10.0, 0.01), Tooltip("Weight of what only makes stronger; 1 is plain guidance.")
    ] = 1.0,
    norm_threshold: Annotated[
        float, Range(0.0, 50.0, 0.1), Tooltip("Guidance is not longer than this; 0 is no limit.")
    ] = 5.0,
    momentum: Annotated[
        float, Range(-5.0, 1.0, 0.01), Tooltip("Share of the guidance of earlier steps; 0 is none.")
    ] = 0.0,
) -> Model:
    """Use strong guidance without burnt colours."""
    return with_rule(model, ProjectedGuidance(eta, norm_threshold, momentum))


@node("TCFG", category=GUIDANCE, display_name="Tangential Damping CFG", outputs=PATCHED)
def tangential_damping_cfg(model: Model) -> Model:
    """Let the negative prompt push only along what it shares with the positive one."""
    return with_rule(model, TangentialDamping())


@node("CFGZeroStar", category=GUIDANCE, outputs=PATCHED)
def cfg_zero_star(model: Model) -> Model:
    """Scale the negative prediction to fit the positive one."""
    return with_rule(model, ZeroStarGuidance())


@node("CFGNorm", category=GUIDANCE, outputs=PATCHED)
def cfg_norm(
    model: Model,
    strength: Annotated[float, Range(0.0, 100.0, 0.01), Tooltip("Multiplies what comes of it.")] = 1.0,
) -> Model:
    """Keep guidance from making any place stronger than the prompt alone would."""
    return with_rule(model, NormLimit(strength))


@node(
    "RenormCFG",
    category="advanced/model",
    differs="Works on several pictures too, each by itself.",
)
def renorm_cfg(
    model: Model,
    cfg_trunc: Annotated[
        float, Range(0.0, 100.0, 0.01), Tooltip("From this noise level upwards there is no guidance.")
    ] = 100.0,
    renorm_cfg: Annotated[
        float,
        Range(0.0, 100.0, 0.01),
        Tooltip("How many times stronger it may get; 0 is no limit."),
    ] = 1.0,
) -> Model:
    """Keep guidance from making the picture stronger than the prompt alone would."""
    return with_rule(model, RenormalizedGuidance(renorm_cfg, cfg_trunc))


@node(
    "Mahiro",
    category=TESTING,
    display_name="Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)",
    outputs=PATCHED,
)
def mahiro(model: Model) -> Model:
    """Follow the prompt itself more than what sets it apart from the negative one."""
    return with_rule(model, DirectedGuidance())


@node("FreSca", category=TESTING)
def fresca(
    model: Model,
    scale_low: Annotated[float, Range(0, 10, 0.01), Tooltip("Weight of coarse forms.")] = 1.0,
    scale_high: Annotated[float, Range(0, 10, 0.01), Tooltip("Weight of fine detail.")] = 1.25,
    freq_cutoff: Annotated[
        int, Range(1, 10_000), Tooltip("Forms are coarse that fit fewer times into the picture.")
    ] = 20,
) -> Model:
    """Guide coarse forms and fine detail by different amounts."""
    return with_rule(model, FrequencyScaling(scale_low, scale_high, freq_cutoff))


@node("Epsilon Scaling", category="model_patches/unet")
def epsilon_scaling(
    model: Model,
    scaling_factor: Annotated[
        float, Range(0.5, 1.5, 0.001), Tooltip("What predicted noise is divided by; 1 is unchanged.")
    ] = 1.005,
) -> Model:
    """Make up for errors that add up over the steps, by taking a little less noise for noise."""
    return with_rule(model, NoiseScaling(scaling_factor))
