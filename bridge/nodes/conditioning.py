"""Mixing prompts, and limiting where and when they hold."""

from dataclasses import replace
from typing import Annotated, Literal

from bridge.diffusion import (
    Area,
    Conditioning,
    Mask,
    Region,
    average,
    concatenate,
    limit_to_area,
    limit_to_region,
    zero_out,
)
from bridge.graph import Range, node

Side = Annotated[int, Range(64, 16_384, 8)]
Position = Annotated[int, Range(0, 16_384, 8)]
Fraction = Annotated[float, Range(0.0, 1.0, 0.01)]
Strength = Annotated[float, Range(0.0, 10.0, 0.01)]
Percent = Annotated[float, Range(0.0, 1.0, 0.001)]


@node("ConditioningCombine", category="conditioning", display_name="Conditioning (Combine)")
def conditioning_combine(conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Follow two prompts at once: what the model sees for each is averaged."""
    return *conditioning_1, *conditioning_2


@node("ConditioningConcat", category="conditioning", display_name="Conditioning (Concat)")
def conditioning_concat(conditioning_to: Conditioning, conditioning_from: Conditioning) -> Conditioning:
    """Append one prompt to another, as if it were its next 75 tokens."""
    return concatenate(conditioning_to, conditioning_from)


@node("ConditioningAverage", category="conditioning", display_name="Conditioning (Average)")
def conditioning_average(
    conditioning_to: Conditioning, conditioning_from: Conditioning, conditioning_to_strength: Fraction = 1.0
) -> Conditioning:
    """Mix two prompts word by word into one between them."""
    return average(conditioning_to, conditioning_from, conditioning_to_strength)


@node("ConditioningSetArea", category="conditioning", display_name="Conditioning (Set Area)")
def conditioning_set_area(
    conditioning: Conditioning,
    width: Side = 64,
    height: Side = 64,
    x: Position = 0,
    y: Position = 0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let a prompt hold in a rectangle only, in pixels; its borders fade into the rest."""
    return limit_to_area(conditioning, Area(height, width, y, x), strength)


@node(
    "ConditioningSetAreaPercentage",
    category="conditioning",
    display_name="Conditioning (Set Area with Percentage)",
)
def conditioning_set_area_percentage(
    conditioning: Conditioning,
    width: Fraction = 1.0,
    height: Fraction = 1.0,
    x: Fraction = 0.0,
    y: Fraction = 0.0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let a prompt hold in a rectangle only, in fractions of the picture; its borders fade into the rest."""
    return limit_to_area(conditioning, Area(height, width, y, x, is_fraction=True), strength)


@node("ConditioningSetAreaStrength", category="conditioning")
def conditioning_set_area_strength(conditioning: Conditioning, strength: Strength = 1.0) -> Conditioning:
    """Set how much a prompt counts where it meets others."""
    return tuple(replace(prompt, strength=strength) for prompt in conditioning)


@node("ConditioningSetMask", category="conditioning", display_name="Conditioning (Set Mask)")
def conditioning_set_mask(
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength = 1.0,
    *,
    set_cond_area: Literal["default", "mask bounds"],
) -> Conditioning:
    """Let a prompt hold within a mask only; with mask bounds the model sees no more than the mask's box."""
    return limit_to_region(conditioning, Region(mask, strength, is_cropped=set_cond_area == "mask bounds"))


@node("ConditioningZeroOut", category="advanced/conditioning")
def conditioning_zero_out(conditioning: Conditioning) -> Conditioning:
    """Blank a prompt: the model hears nothing at all, which is less than an empty text."""
    return zero_out(conditioning)


@node("ConditioningSetTimestepRange", category="advanced/conditioning")
def conditioning_set_timestep_range(
    conditioning: Conditioning, start: Percent = 0.0, end: Percent = 1.0
) -> Conditioning:
    """Let a prompt hold during a part of denoising only: 0 is the first noise, 1 the finished picture."""
    return tuple(replace(prompt, start=start, end=end) for prompt in conditioning)
