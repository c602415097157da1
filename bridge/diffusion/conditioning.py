"""Changing conditioning: mixing prompts, and limiting where and when they hold."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bridge.diffusion.types import Area, Prompt, Region
from bridge.engine import current_job
from bridge.errors import ModelError

Prompts = tuple[Prompt, ...]


def concatenate(prompts: Sequence[Prompt], more: Sequence[Prompt]) -> Prompts:
    """Append the tokens of the first of ``more`` to each prompt; pooled embeddings stay.

    Raises:
        ModelError: Code ``model_mismatch`` if they were encoded for different checkpoints.
    """
    other = _first(more, prompts)
    return tuple(
        replace(prompt, prompt_embeds=torch.cat((prompt.prompt_embeds, other.prompt_embeds), dim=1))
        for prompt in prompts
    )


def average(prompts: Sequence[Prompt], others: Sequence[Prompt], weight: float) -> Prompts:
    """Mix each prompt, weighted, with the first of ``others``, whose weight is the rest to 1.

    The other's tokens are cut to the prompt's number, or filled up with zeros; a prompt without a pooled
    embedding takes the other's.

    Raises:
        ModelError: Code ``model_mismatch`` if they were encoded for different checkpoints.
    """
    other = _first(others, prompts)

    def mixed(prompt: Prompt) -> Prompt:
        embeds, pooled = prompt.prompt_embeds, prompt.pooled_prompt_embeds
        filled = torch.zeros_like(embeds)
        tokens = other.prompt_embeds[:, : embeds.shape[1]]
        filled[:, : tokens.shape[1]] = tokens
        if other.pooled_prompt_embeds is not None:
            pooled = _mix(
                other.pooled_prompt_embeds if pooled is None else pooled, other.pooled_prompt_embeds, weight
            )
        return replace(prompt, prompt_embeds=_mix(embeds, filled, weight), pooled_prompt_embeds=pooled)

    return tuple(mixed(prompt) for prompt in prompts)


def zero_out(prompts: Sequence[Prompt]) -> Prompts:
    """Replace embeddings, pooled ones too, by zeros."""
    return tuple(
        replace(
            prompt,
            prompt_embeds=torch.zeros_like(prompt.prompt_embeds),
            pooled_prompt_embeds=None
            if prompt.pooled_prompt_embeds is None
            else torch.zeros_like(prompt.pooled_prompt_embeds),
        )
        for prompt in prompts
    )


def limit_to_area(prompts: Sequence[Prompt], area: Area, strength: float) -> Prompts:
    """Let prompts hold in a rectangle only; a mask they have no longer decides what they see."""
    return tuple(
        replace(
            prompt,
            area=area,
            region=None if prompt.region is None else replace(prompt.region, is_cropped=False),
            strength=strength,
        )
        for prompt in prompts
    )


def limit_to_region(prompts: Sequence[Prompt], region: Region) -> Prompts:
    """Let prompts hold within a mask only; warns of an empty one, which leaves them without effect."""
    if not bool(region.mask.any()):
        current_job().warn(
            "empty_mask",
            "the mask of a prompt is empty: the prompt has no effect",
            "Select where the prompt is to hold, or turn the mask round with InvertMask.",
            "mask",
        )
    return tuple(replace(prompt, region=region) for prompt in prompts)


def _mix(one: Tensor, other: Tensor, weight: float) -> Tensor:
    return one * weight + other * (1.0 - weight)


def _first(others: Sequence[Prompt], prompts: Sequence[Prompt]) -> Prompt:
    if len(others) > 1:
        current_job().warn(
            "prompts_left_out",
            f"of {len(others)} prompts to mix in, only the first is taken",
            "Mix prompts before they are combined.",
            "conditioning_from",
        )
    width = others[0].prompt_embeds.shape[2]
    for prompt in prompts:
        if prompt.prompt_embeds.shape[2] != width:
            raise ModelError(
                f"prompts with embeddings of {prompt.prompt_embeds.shape[2]} and {width} channels cannot be "
                "mixed: they were encoded for different kinds of checkpoints",
                code="model_mismatch",
                hint="Encode both with the CLIP output of the same checkpoint.",
            )
    return others[0]
