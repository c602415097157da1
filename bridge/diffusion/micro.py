"""What SDXL's UNets are told besides the prompt's words: its pooled embedding, and the picture's sizes.

Source: Podell et al. 2023, §2.2; numbers left open are ComfyUI's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bridge.diffusion.types import DiffusionModel, MicroConditioning, Prompt
from bridge.diffusion.unclip import pooled_of_pictures
from bridge.errors import ModelError
from bridge.models import Family

GOOD, BAD = 6.0, 2.5
"""The refiner's aesthetic scores for positive and for negative prompts that bring none."""

Added = tuple[Tensor, Tensor]
"""Pooled embedding, shape (1, width), and numbers about the picture, (1, 6) or the refiner's (1, 5)."""


def added_conditioning(
    prompt: Prompt, model: DiffusionModel, shape: Sequence[int], *, is_negative: bool, seed: int = 0
) -> Added | None:
    """Return what a UNet takes besides the prompt's words; ``None`` for families that take nothing.

    Args:
        prompt: If it does not say the picture's size, that of the latents is taken.
        model: Its family decides.
        shape: Of the latents, (B, C, h, w).
        is_negative: Whether the prompt says what the picture should not be.
        seed: Of the run, for pictures that the prompt shows.

    Raises:
        ModelError: Code ``model_mismatch`` if the prompt has no pooled embedding, or shows pictures
            that were embedded for another checkpoint.
    """
    if model.family not in (Family.SDXL, Family.SDXL_REFINER):
        return None
    own = pooled_of(prompt, model, is_negative=is_negative)
    height, width = (side * model.latent_factor for side in shape[2:])
    micro = prompt.micro or MicroConditioning(width, height)
    numbers: list[float] = [micro.height, micro.width, micro.crop_y, micro.crop_x]
    if model.family is Family.SDXL_REFINER:
        default = BAD if is_negative else GOOD
        numbers += [default if micro.aesthetic_score is None else micro.aesthetic_score]
    else:
        numbers += [
            micro.height if micro.target_height is None else micro.target_height,
            micro.width if micro.target_width is None else micro.target_width,
        ]
    pooled = pooled_of_pictures(prompt, model, seed)
    return own if pooled is None else pooled, torch.tensor([numbers], dtype=torch.float32)


def pooled_of(
    prompt: Prompt, model: DiffusionModel, *, is_negative: bool, width: int | None = None
) -> Tensor:
    """Return a prompt's pooled embedding, (1, width).

    Args:
        prompt: The prompt.
        model: Which needs it.
        is_negative: Which side the prompt is on, for messages.
        width: That the model takes; ``None`` for any.

    Raises:
        ModelError: Code ``model_mismatch`` if there is none, or one of another width.
    """
    pooled, side = prompt.pooled_prompt_embeds, "negative" if is_negative else "positive"
    if pooled is not None and width in (None, pooled.shape[1]):
        return pooled
    has = "has none" if pooled is None else f"has one of width {pooled.shape[1]}, not {width}"
    raise ModelError(
        f"{model.unet.name} is of the family {model.family.value} and needs the pooled embedding of its "
        f"prompts; the {side} conditioning {has}",
        code="model_mismatch",
        hint="Encode that prompt with the CLIP output of the same checkpoint.",
    )
