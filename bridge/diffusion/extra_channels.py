"""What inpainting and instruct-pix2pix UNets see beside the noisy latents.

An inpainting UNet (9 channels) sees the mask and the latents of a picture whose masked part is grey; an
instruct-pix2pix UNet (8 channels) the latents of the picture to edit, not multiplied by the scaling factor.
What a prompt does not bring is filled in as ComfyUI does, so that these checkpoints also run plainly.

Source: Rombach et al. 2022 (the inpainting checkpoint of its authors); Brooks et al. 2023, §3.2.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bridge.diffusion.fit import repeat_to, scale
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.errors import UnsupportedModel

GREY = (0.8223, -0.6876, 0.6364, 0.1380)
"""ComfyUI's latents of a blank picture, multiplied by the scaling factor of Stable Diffusion 1.x."""


def extra_channels(
    prompt: Prompt,
    model: DiffusionModel,
    shape: Sequence[int],
    clean: Tensor | None,
    noise_mask: Tensor | None,
) -> Tensor | None:
    """Return the channels that a UNet takes beside the noisy latents; ``None`` if it takes none.

    Args:
        prompt: May bring latents and a mask.
        model: Its UNet's channels decide what is wanted.
        shape: Of the noisy latents, (B, C, h, w).
        clean: What an inpainting UNet sees if the prompt brings no latents: those the run starts from,
            multiplied by the scaling factor.
        noise_mask: The mask if the prompt brings none, (…, H, W).

    Returns:
        Shape (B, 5, h, w) or (B, 4, h, w), float32, on the CPU.

    Raises:
        UnsupportedModel: If the UNet takes something else, or no picture to edit where there is one.
    """
    config = model.unet.module().config
    batch, channels, height, width = shape
    wanted = config["in_channels"] - channels
    if wanted != channels:
        refuse_picture_to_edit(prompt, model)
    if wanted == 0:
        return None
    if wanted == channels:
        if prompt.concat_latents is None:
            return torch.zeros(batch, channels, height, width)
        return spread(fitted(prompt.concat_latents, height, width), batch)
    if wanted != channels + 1:
        raise UnsupportedModel(
            f"{model.unet.name} takes {config['in_channels']} channels",
            hint="Plain (4), inpainting (9) and instruct-pix2pix checkpoints (8) are supported.",
        )
    mask = prompt.concat_mask
    if mask is None and noise_mask is not None:
        stretched = scale(noise_mask.reshape(-1, 1, *noise_mask.shape[-2:]), width, height, "bilinear")
        mask = repeat_to(stretched, batch)
    latents = clean if prompt.concat_latents is None else prompt.concat_latents * model.scaling_factor
    if mask is None or latents is None:
        blank = torch.tensor(GREY).reshape(1, -1, 1, 1).expand(batch, -1, height, width)
        return torch.cat((torch.ones(batch, 1, height, width), blank), dim=1)
    mask = fitted(mask.reshape(-1, 1, *mask.shape[-2:]), height, width).round()
    return torch.cat((spread(mask, batch), spread(fitted(latents, height, width), batch)), dim=1)


def refuse_picture_to_edit(prompt: Prompt, model: DiffusionModel) -> None:
    """Refuse a picture that the network would not see.

    Latents that come with a mask pass: inpainting's conditioning also serves plain checkpoints.

    Raises:
        UnsupportedModel: If the prompt brings one.
    """
    if prompt.concat_latents is not None and prompt.concat_mask is None:
        raise UnsupportedModel(
            f"the prompt brings a picture to edit, which {model.unet.name} ({model.family.value}) cannot see",
            hint="Load an InstructPix2Pix checkpoint (8 channels), Flux depth or Flux canny, or remove "
            "InstructPixToPixConditioning.",
        )


def spread(values: Tensor, count: int) -> Tensor:
    """Pick ``count`` entries of a batch, spread evenly over it; a short batch repeats each in turn."""
    here = len(values)
    if count == 1 or count == here:
        return values[:count]
    if count < here:
        step = (here - 1) / (count - 1)
        return values[[round(index * step) for index in range(count)]]
    return values[[math.floor((index + 0.5) * here / count) for index in range(count)]]


def fitted(values: Tensor, height: int, width: int) -> Tensor:
    """Crop and scale planes (…, H, W) to a size, as ComfyUI does; float32, on the CPU."""
    return scale(values.float().cpu(), width, height, "bilinear", crops=True)
