"""Latents: empty ones, scaling, cutting, turning, mixing, laying one over another. ComfyUI's meanings.

Positions and sizes are in pixels; a latent spans as many as the batch says, 8 where it does not.
"""

from typing import Annotated, Literal, get_args

import torch

from bridge.diffusion import (
    LATENT_FACTOR,
    Latent,
    Mask,
    ScalingMethod,
    add_latents,
    blend_latents,
    composite,
    interpolate_latents,
    latent_factor,
    lay_latents,
    scale,
    with_samples,
)
from bridge.graph import Range, node
from bridge.imaging import check_size

Side = Annotated[int, Range(16, 16_384, 8)]
LargeSide = Annotated[int, Range(16, 16_384, 16)]
Place = Annotated[int, Range(0, 16_384, 8)]
CropSide = Annotated[int, Range(64, 16_384, 8)]
Fraction = Annotated[float, Range(0.0, 1.0, 0.01)]
Axis = Literal["x-axis: vertically", "y-axis: horizontally"]
Rotation = Literal["none", "90 degrees", "180 degrees", "270 degrees"]

SD3_CHANNELS = 16
"""Of latents of SD3 and Flux."""

LEAST = 64
"""Pixels a side that scaling and cropping leave at least, as in ComfyUI."""


@node("EmptyLatentImage", category="latent", display_name="Empty Latent Image")
def empty_latent_image(
    width: Side = 512, height: Side = 512, batch_size: Annotated[int, Range(1, 4096)] = 1
) -> Latent:
    """Make latents that hold nothing yet, of a size in pixels."""
    check_size(width, height, batch_size)
    samples = torch.zeros(batch_size, 4, height // LATENT_FACTOR, width // LATENT_FACTOR)
    return {"samples": samples, "downscale_ratio_spacial": LATENT_FACTOR}


@node("EmptySD3LatentImage", category="latent/sd3")
def empty_sd3_latent_image(
    width: LargeSide = 1024, height: LargeSide = 1024, batch_size: Annotated[int, Range(1, 4096)] = 1
) -> Latent:
    """Make latents for SD3 or Flux that hold nothing yet, of a size in pixels."""
    check_size(width, height, batch_size)
    samples = torch.zeros(batch_size, SD3_CHANNELS, height // LATENT_FACTOR, width // LATENT_FACTOR)
    return {"samples": samples, "downscale_ratio_spacial": LATENT_FACTOR}


@node("LatentUpscale", category="latent", display_name="Upscale Latent")
def latent_upscale(
    samples: Latent,
    upscale_method: ScalingMethod,
    width: Place = 512,
    height: Place = 512,
    crop: Literal["disabled", "center"] = "disabled",
) -> Latent:
    """Scale latents to a size in pixels; a side of 0 follows from the other."""
    if width == 0 and height == 0:
        return samples
    latents, factor = samples["samples"], latent_factor(samples)
    have_height, have_width = latents.shape[2:]
    width, height = max(LEAST, width) if width else 0, max(LEAST, height) if height else 0
    width = width or max(LEAST, round(have_width * height / have_height))
    height = height or max(LEAST, round(have_height * width / have_width))
    check_size(width, height, len(latents))
    size = width // factor, height // factor
    return with_samples(samples, scale(latents, *size, upscale_method, crops=crop == "center"))


@node("LatentUpscaleBy", category="latent", display_name="Upscale Latent By")
def latent_upscale_by(
    samples: Latent, upscale_method: ScalingMethod, scale_by: Annotated[float, Range(0.01, 8.0, 0.01)] = 1.5
) -> Latent:
    """Scale latents by a factor."""
    latents, factor = samples["samples"], latent_factor(samples)
    height, width = (round(side * scale_by) for side in latents.shape[2:])
    check_size(width * factor, height * factor, len(latents))
    return with_samples(samples, scale(latents, width, height, upscale_method))


@node("LatentCrop", category="latent/transform", display_name="Crop Latent")
def latent_crop(
    samples: Latent, width: CropSide = 512, height: CropSide = 512, x: Place = 0, y: Place = 0
) -> Latent:
    """Cut out a rectangle; it is moved inside so that at least 64 pixels a side are left, where there are."""
    latents, factor = samples["samples"], latent_factor(samples)
    top, left = (
        max(0, min(start // factor, side - LEAST // factor))
        for start, side in zip((y, x), latents.shape[2:], strict=True)
    )
    rows, columns = slice(top, top + height // factor), slice(left, left + width // factor)
    return with_samples(samples, latents[:, :, rows, columns])


@node("LatentFlip", category="latent/transform", display_name="Flip Latent")
def latent_flip(samples: Latent, flip_method: Axis) -> Latent:
    """Turn latents upside down, or left into right; the noise mask stays as it is."""
    return with_samples(samples, samples["samples"].flip(2 if flip_method.startswith("x") else 3))


@node("LatentRotate", category="latent/transform", display_name="Rotate Latent")
def latent_rotate(samples: Latent, rotation: Rotation) -> Latent:
    """Turn latents clockwise; the noise mask stays as it is."""
    return with_samples(samples, samples["samples"].rot90(get_args(Rotation).index(rotation), (3, 2)))


@node("LatentComposite", category="latent", display_name="Latent Composite")
def latent_composite(
    samples_to: Latent, samples_from: Latent, x: Place = 0, y: Place = 0, feather: Place = 0
) -> Latent:
    """Lay latents over others at a place, with edges that fade in."""
    factor = latent_factor(samples_to)
    destination, source = samples_to["samples"], samples_from["samples"]
    laid = lay_latents(destination, source, x // factor, y // factor, feather // factor)
    return with_samples(samples_to, laid)


@node("LatentCompositeMasked", category="latent")
def latent_composite_masked(
    destination: Latent,
    source: Latent,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Latent:
    """Lay latents over others at a place, where the mask is white."""
    factor = latent_factor(destination)
    below, above = destination["samples"], source["samples"]
    laid = composite(below, above, x // factor, y // factor, mask, resizes=resize_source)
    return with_samples(destination, laid)


@node("LatentBlend", category="_for_testing", display_name="Latent Blend")
def latent_blend(samples1: Latent, samples2: Latent, blend_factor: Fraction = 0.5) -> Latent:
    """Mix latents: at 1 the first are left alone, at 0 the second."""
    return with_samples(samples1, blend_latents(samples1["samples"], samples2["samples"], blend_factor))


@node("LatentAdd", category="latent/advanced")
def latent_add(samples1: Latent, samples2: Latent) -> Latent:
    """Add latents to others."""
    return with_samples(samples1, add_latents(samples1["samples"], samples2["samples"]))


@node("LatentSubtract", category="latent/advanced")
def latent_subtract(samples1: Latent, samples2: Latent) -> Latent:
    """Subtract latents from others."""
    return with_samples(samples1, add_latents(samples1["samples"], samples2["samples"], -1.0))


@node("LatentMultiply", category="latent/advanced")
def latent_multiply(samples: Latent, multiplier: Annotated[float, Range(-10.0, 10.0, 0.01)] = 1.0) -> Latent:
    """Multiply latents by a number."""
    return with_samples(samples, samples["samples"] * multiplier)


@node(
    "LatentInterpolate",
    category="latent/advanced",
    differs="Works for every batch; ComfyUI mixes up pictures where there are several.",
)
def latent_interpolate(samples1: Latent, samples2: Latent, ratio: Fraction = 1.0) -> Latent:
    """Turn from the second latents to the first, keeping their strength in proportion."""
    return with_samples(samples1, interpolate_latents(samples1["samples"], samples2["samples"], ratio))
