"""What Flux's special models see beside the noisy latents.

Flux depth and canny see the latents of a picture, Flux fill those of a picture and its mask, pixel by pixel:
each latent comes with the 8×8 values of the mask above it. What a prompt does not bring is filled in as
ComfyUI does. Source: Black Forest Labs' reference implementation (Apache-2.0).
"""

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from bridge.diffusion.backbones.backbone import Outset
from bridge.diffusion.extra_channels import fitted, refuse_picture_to_edit, spread
from bridge.diffusion.fit import scale
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.errors import UnsupportedModel


def flux_channels(prompt: Prompt, model: DiffusionModel, outset: Outset, taken: int) -> Tensor | None:
    """Return what the network sees beside the noisy latents; ``None`` if that is nothing.

    Args:
        prompt: May bring latents and a mask.
        model: Whose network it is.
        outset: Its noise mask is the mask if the prompt brings none.
        taken: The channels that the network takes, with those of the noisy latents.

    Returns:
        Shape (B, C, h, w) or, with a mask, (B, C + 64, h, w), float32, on the CPU.

    Raises:
        UnsupportedModel: If the network takes something else, or no picture to edit where there is one.
    """
    batch, channels, height, width = outset.shape
    cells = model.latent_factor**2
    if taken == channels:
        refuse_picture_to_edit(prompt, model)
        return None
    if taken not in (2 * channels, 2 * channels + cells):
        raise UnsupportedModel(
            f"{model.unet.name} takes {taken} channels of latents",
            hint=f"Plain Flux ({channels}), depth and canny ({2 * channels}) and fill "
            f"({2 * channels + cells}) are supported.",
        )
    picture = prompt.concat_latents
    if picture is None:
        picture = torch.zeros(1, channels, height, width)
    seen = spread(to_network(fitted(picture, height, width), model), batch)
    if taken == 2 * channels:
        return seen
    mask = pixel_unshuffle(_mask(prompt, model, outset), model.latent_factor)
    return torch.cat((seen, spread(mask, batch)), dim=1)


def to_network(latents: Tensor, model: DiffusionModel) -> Tensor:
    """Return latents as the network sees them."""
    return (latents - model.shift_factor) * model.scaling_factor


def _mask(prompt: Prompt, model: DiffusionModel, outset: Outset) -> Tensor:
    """Return what is to be made anew, (b, 1, H, W), in pixels; everything where nothing says."""
    height, width = outset.shape[2:]
    mask = prompt.concat_mask
    if mask is None and outset.noise_mask is not None:
        noise_mask = outset.noise_mask
        mask = scale(noise_mask.reshape(-1, 1, *noise_mask.shape[-2:]), width, height, "bilinear")
    if mask is None:
        mask = torch.ones(1, 1, height, width)
    mask = mask.reshape(-1, 1, *mask.shape[-2:])
    return fitted(mask, height * model.latent_factor, width * model.latent_factor)
