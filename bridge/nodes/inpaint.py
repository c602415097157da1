"""Pictures to be made anew in part, and pictures to be edited by instruction."""

from dataclasses import replace
from typing import Annotated

import torch

from bridge.diffusion import (
    Conditioning,
    Image,
    Latent,
    Mask,
    Vae,
    encode_image,
    encode_inpainting,
    encode_masked,
    with_noise_mask,
)
from bridge.graph import Range, Tooltip, node


@node("VAEEncodeForInpaint", category="latent/inpaint", display_name="VAE Encode (for Inpainting)")
async def vae_encode_for_inpaint(
    pixels: Image, vae: Vae, mask: Mask, grow_mask_by: Annotated[int, Range(0, 64, 1)] = 6
) -> Latent:
    """Turn pictures into latents with the masked part blanked, to be made anew there; use denoise 1."""
    return await encode_masked(vae, pixels, mask, grow_mask_by)


@node("SetLatentNoiseMask", category="latent/inpaint", display_name="Set Latent Noise Mask")
def set_latent_noise_mask(samples: Latent, mask: Mask) -> Latent:
    """Denoise latents only where a mask selects; an empty mask changes nothing."""
    return with_noise_mask(samples, mask)


@node(
    "InpaintModelConditioning",
    category="conditioning/inpaint",
    outputs=("positive", "negative", "latent"),
)
async def inpaint_model_conditioning(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: Annotated[
        bool, Tooltip("Keep what is not masked exactly; off, the model may change a little of it.")
    ] = True,
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show an inpainting checkpoint what is to be made anew, and what is around it."""
    inpainting = await encode_inpainting(vae, pixels, mask)
    latent: Latent = {"samples": inpainting.latents, "downscale_ratio_spacial": vae.latent_factor}
    if noise_mask:
        latent = with_noise_mask(latent, inpainting.mask)
    return inpainting.on(positive), inpainting.on(negative), latent


@node(
    "InstructPixToPixConditioning",
    category="conditioning/instructpix2pix",
    outputs=("positive", "negative", "latent"),
    differs="A sampler refuses the prompts if its checkpoint sees no picture to edit; ComfyUI leaves it out.",
)
async def instruct_pix_to_pix_conditioning(
    positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show an InstructPix2Pix checkpoint the picture that the prompt says how to change."""
    seen = await encode_image(vae, pixels)
    first, second = (
        tuple(replace(prompt, concat_latents=seen) for prompt in side) for side in (positive, negative)
    )
    return first, second, {"samples": torch.zeros_like(seen), "downscale_ratio_spacial": vae.latent_factor}
