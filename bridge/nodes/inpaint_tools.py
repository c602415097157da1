"""Masks and pictures before and after inpainting. Names and inputs are those of comfyui-inpaint-nodes."""

from typing import Annotated

import torch

from bridge.diffusion import (
    Conditioning,
    Image,
    Latent,
    Mask,
    Model,
    Vae,
    each_masked,
    each_picture,
    encode_inpainting,
    find_model,
    fit_mask,
    model_stamps,
    repeat_to,
    with_noise_mask,
)
from bridge.diffusion.fooocus import InpaintPatch, apply_fooocus, load_fooocus
from bridge.diffusion.lama import InpaintModel, inpaint, lay_into, load_inpaint_model
from bridge.diffusion.upscaling import UpscaleModel, upscale
from bridge.errors import InputError
from bridge.graph import ChoicesFrom, Range, node
from bridge.imaging import Filling, Softness, fill_blurred, fill_hole, match_colours, narrow, soften, widen

INPAINT = "inpaint"
InpaintFile = Annotated[str, ChoicesFrom("inpaint")]
Fraction = Annotated[float, Range(0.0, 1.0, 0.01)]
Reach = Annotated[int, Range(0, 8096, 1)]
Falloff = Annotated[int, Range(0, 8191, 1)]

PICKLES = "Pickled files are refused until converted; docs/clients.md says how."


@node(
    "INPAINT_LoadFooocusInpaint",
    category=INPAINT,
    display_name="Load Fooocus Inpaint",
    outputs=("inpaint patch",),
    fingerprint=model_stamps(head="inpaint", patch="inpaint"),
    differs=PICKLES,
)
def load_fooocus_inpaint(head: InpaintFile, patch: InpaintFile) -> InpaintPatch:
    """Open what makes any SDXL checkpoint one for inpainting."""
    return load_fooocus(find_model("inpaint", head), head, find_model("inpaint", patch), patch)


@node(
    "INPAINT_ApplyFooocusInpaint",
    category=INPAINT,
    display_name="Apply Fooocus Inpaint",
    outputs=("model",),
)
def apply_fooocus_inpaint(model: Model, patch: InpaintPatch, latent: Latent) -> Model:
    """Let an SDXL checkpoint fill the mask of these latents."""
    return apply_fooocus(model, patch, latent)


@node(
    "INPAINT_VAEEncodeInpaintConditioning",
    category=INPAINT,
    display_name="VAE Encode & Inpaint Conditioning",
    outputs=("positive", "negative", "latent inpaint", "latent samples"),
)
async def vae_encode_inpaint_conditioning(
    positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image, mask: Mask
) -> tuple[Conditioning, Conditioning, Latent, Latent]:
    """Encode a picture whole, for the sampler, and grey where it is masked, for Apply Fooocus Inpaint."""
    seen = await encode_inpainting(vae, pixels, mask)
    masked: Latent = {"samples": seen.masked_latents, "noise_mask": seen.mask.round()}
    whole = with_noise_mask(
        {"samples": seen.latents, "downscale_ratio_spacial": vae.latent_factor}, seen.mask
    )
    return seen.on(positive), seen.on(negative), masked, whole


@node(
    "INPAINT_LoadInpaintModel",
    category=INPAINT,
    display_name="Load Inpaint Model",
    outputs=("inpaint model",),
    fingerprint=model_stamps(model_name="inpaint"),
    differs=f"LaMa only; MAT, whose licence forbids commercial use, is not offered. {PICKLES}",
)
def load_inpaint_model_node(model_name: InpaintFile) -> InpaintModel:
    """Open a network that fills masks without a prompt."""
    return load_inpaint_model(find_model("inpaint", model_name), model_name)


@node(
    "INPAINT_InpaintWithModel",
    category=INPAINT,
    display_name="Inpaint (using Model)",
    differs="LaMa draws nothing by chance, so the seed changes nothing; pictures are scaled by area.",
)
async def inpaint_with_model(
    inpaint_model: InpaintModel,
    image: Image,
    mask: Mask,
    seed: Annotated[int, Range(0, 0xFFFFFFFFFFFFFFFF, 1)] = 0,
    optional_upscale_model: UpscaleModel | None = None,
) -> Image:
    """Fill a mask with what is likely behind it, at 256 pixels a side; an upscaler sharpens that."""
    filled = await inpaint(inpaint_model, image, mask)
    if optional_upscale_model is not None:
        filled = await upscale(optional_upscale_model, filled)
    return lay_into(image, filled, mask)


@node("INPAINT_MaskedFill", category=INPAINT, display_name="Fill Masked Area", outputs=("image",))
def masked_fill(image: Image, mask: Mask, fill: Filling, falloff: Falloff = 0) -> Image:
    """Fill what is masked with grey, or with what is around."""
    return each_masked(image, mask, lambda picture, one: fill_hole(picture, one, fill, falloff))


@node("INPAINT_MaskedBlur", category=INPAINT, display_name="Blur Masked Area", outputs=("image",))
def masked_blur(
    image: Image, mask: Mask, blur: Annotated[int, Range(3, 8191, 1)] = 255, falloff: Falloff = 0
) -> Image:
    """Blur what is masked."""
    return each_masked(image, mask, lambda picture, one: fill_blurred(picture, one, blur, falloff))


@node(
    "INPAINT_ColorMatch",
    category=INPAINT,
    display_name="Color Match (Masked)",
    differs="Mean and spread are those of what is not excluded; the pack counts the excluded part as black.",
)
def color_match(
    target: Image, reference: Image, exclude_mask: Mask | None = None, strength: Fraction = 1.0
) -> Image:
    """Bring a picture's colours to another's, leaving a masked part out of account."""
    excluded = None if exclude_mask is None else fit_mask(exclude_mask, target).numpy()
    matched = [
        match_colours(each.numpy(), other.numpy(), None if excluded is None else excluded[index])
        for index, (each, other) in enumerate(
            zip(target[..., :3], repeat_to(reference[..., :3], len(target)), strict=True)
        )
    ]
    return torch.lerp(target[..., :3], torch.stack([torch.from_numpy(each) for each in matched]), strength)


@node("INPAINT_ExpandMask", category=INPAINT, display_name="Expand Mask", outputs=("mask",))
def expand_mask(mask: Mask, grow: Reach = 16, blur: Reach = 7, blur_type: Softness = "gaussian") -> Mask:
    """Widen a mask, and soften its edge."""
    return each_picture(mask, lambda each: soften(widen(each, grow), blur, blur_type))


@node("INPAINT_ShrinkMask", category=INPAINT, display_name="Shrink Mask", outputs=("mask",))
def shrink_mask(mask: Mask, shrink: Reach = 16, blur: Reach = 7, blur_type: Softness = "gaussian") -> Mask:
    """Narrow a mask, and soften its edge."""
    return each_picture(mask, lambda each: soften(narrow(each, shrink), blur, blur_type))


@node("INPAINT_StabilizeMask", category=INPAINT, display_name="Stabilize Mask", outputs=("mask",))
def stabilize_mask(mask: Mask, epsilon: Annotated[float, Range(0.0, 1.0, 0.0001)] = 0.01) -> Mask:
    """Select fully what is nearly selected fully."""
    return torch.where(mask > 1 - epsilon, torch.ones_like(mask), mask)


@node(
    "INPAINT_DenoiseToCompositingMask",
    category=INPAINT,
    display_name="Denoise to Compositing Mask",
    outputs=("mask",),
)
def denoise_to_compositing_mask(
    mask: Mask, offset: Fraction = 0.1, threshold: Annotated[float, Range(0.01, 1.0, 0.01)] = 0.2
) -> Mask:
    """Spread what lies between two greys of a mask over all greys."""
    if offset >= threshold:
        raise InputError(
            f"the offset {offset:g} is not below the threshold {threshold:g}",
            input_name="offset",
            hint="Choose a smaller offset.",
        )
    return ((mask - offset) / (threshold - offset)).clamp(0, 1)


@node("INPAINT_MaskBoundingBox", category=INPAINT, display_name="Mask Bounding Box")
def mask_bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Measure what the first mask selects at all: left, top, width and height."""
    rows, columns = (torch.nonzero(mask[0].any(axis))[:, 0] for axis in (1, 0))
    if not len(rows):
        raise InputError("the mask is empty", input_name="mask", hint="Select something first.")
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
