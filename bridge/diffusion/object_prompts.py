"""Prompts that are bound to objects of the scene: each holds where its object is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from bridge.diffusion.conditioning import Prompts
from bridge.diffusion.masked_picture import with_noise_mask
from bridge.diffusion.text import encode_prompt
from bridge.diffusion.tokens import NO_MODELS
from bridge.diffusion.types import LatentBatch, Prompt, Region, TextEncoder
from bridge.engine import current_job
from bridge.graph import Socket, Suggestions
from bridge.imaging import coverage, names_in, one_after_another, resize, shaped
from bridge.imaging.arrays import Mask
from bridge.models import Catalogue
from bridge.protocol import Binding, Frame, Names, Selected, distinct, names_of, read_bindings, select

NEAREST = 3
"""Names that are offered in place of one that is not there."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundPrompt:
    """A binding and its prompt, encoded; ``None`` where it has none of its own."""

    binding: Binding
    prompt: Prompt | None


ObjectPrompts = Annotated[tuple[BoundPrompt, ...], Socket("OBJECT_PROMPTS")]


def encode_bindings(
    clip: TextEncoder, bindings: Sequence[Binding], catalogue: Catalogue = NO_MODELS
) -> tuple[BoundPrompt, ...]:
    """Encode the prompts of bindings. Errors: as of ``encode_prompt``."""
    return tuple(
        BoundPrompt(each, encode_prompt(clip, each.prompt, catalogue) if each.prompt.strip() else None)
        for each in bindings
    )


def selected(frame: Frame, binding: Binding, input_name: str = "") -> Selected:
    """Find what a binding is about in a frame; warns of names that are of nothing there.

    Raises:
        InputError: ``no_names``.
    """
    names = names_in(frame)
    found = select(names, binding)
    for name in found.missing:
        current_job().warn(
            "object_missing",
            f'no {binding.kind} of this view is called "{name[:80]}"',
            f"Was it renamed, hidden or deleted? {_nearest(name, binding.kind, names)}",
            input_name,
        )
    return found


def seen_masks(frame: Frame, bindings: Sequence[Binding]) -> list[Mask]:
    """Return for each binding where it holds: what earlier ones leave of its objects, (H, W) as captured.

    Raises:
        InputError: ``no_names``, ``missing_plane``, ``size_mismatch`` or ``bad_plane``.
    """
    chosen = distinct([selected(frame, each, "objects") for each in bindings])
    return list(one_after_another([coverage(frame, each) for each in chosen]))


def named_mask(frame: Frame, names: str, kind: str, *, invert: bool, grow: int, feather: int) -> Mask:
    """Return where things of some names are seen, (H, W) as captured; warns of names of nothing there.

    Args:
        frame: With names.
        names: Patterns, or bindings as a host writes them, which have kinds of their own.
        kind: What patterns are of.
        invert: Whether to select everything else.
        grow: See ``shaped``.
        feather: See ``shaped``.

    Raises:
        InputError: As of ``seen_masks``; ``bad_objects``.
    """
    if names.lstrip().startswith("["):
        bindings: Sequence[Binding] = read_bindings(names)
    else:
        bindings = [Binding(kind, names, is_pattern=True)] if names.strip() else []
    height, width = frame.size[::-1]
    mask = sum(seen_masks(frame, bindings), np.zeros((height, width), np.float32))
    mask = shaped(np.minimum(mask, np.float32(1)), grow, feather)
    return 1 - mask if invert else mask


def limit_repaint(
    latents: LatentBatch, bound: Sequence[BoundPrompt], frame: Frame, *, grow: int, feather: int
) -> tuple[LatentBatch, Tensor]:
    """Limit denoising to the objects that are to be repainted alone.

    Args:
        latents: Of what was captured.
        bound: In the order of precedence.
        frame: With names.
        grow: See ``shaped``.
        feather: See ``shaped``.

    Returns:
        Latents with a noise mask, which reaches one latent further so that those along the border are
        repainted whole, and the mask itself, (1, H, W) as captured. Where nothing is limited, the latents
        as they are and a mask of 1.

    Raises:
        InputError: As of ``seen_masks``.
    """
    mask = _repainted(frame, [each.binding for each in bound])
    width, height = frame.size
    if mask is None:
        return latents, torch.ones(1, height, width)
    mask = shaped(mask, grow, feather)
    latent_pixels = -(-width // latents["samples"].shape[-1])
    selected = torch.from_numpy(shaped((mask > 0).astype(np.float32), latent_pixels, 0))[None]
    return with_noise_mask(latents, selected), torch.from_numpy(mask)[None]


def bind_prompts(
    conditioning: Sequence[Prompt], bound: Sequence[BoundPrompt], frame: Frame, latents: LatentBatch
) -> Prompts:
    """Let bound prompts hold where their objects are seen, and the prompts of the whole picture elsewhere.

    A bound prompt is steered as the first prompt of the whole picture is, with its ControlNets times the
    binding's own strength. Prompts that are limited to an area or a mask already stay as they are. What is
    not seen takes no part, and costs nothing.

    Args:
        conditioning: The prompts of the whole picture.
        bound: In the order of precedence.
        frame: With names.
        latents: What is going to be denoised, for its size: masks are averaged to it, so that what is thin
            counts for its share.

    Raises:
        InputError: As of ``seen_masks``.
    """
    whole = [prompt for prompt in conditioning if prompt.area is None and prompt.region is None]
    if not whole or all(each.prompt is None and each.binding.control == 1.0 for each in bound):
        return tuple(conditioning)
    height, width = latents["samples"].shape[-2:]
    masks = [
        resize(mask, width, height, "area") for mask in seen_masks(frame, [each.binding for each in bound])
    ]
    own = [(each, mask) for each, mask in zip(bound, masks, strict=True) if mask.any()]
    rest = np.clip(1 - sum((mask for _, mask in own), np.zeros((height, width), np.float32)), 0, 1)
    limited = [prompt for prompt in conditioning if prompt not in whole]
    around = [replace(prompt, region=_region(rest)) for prompt in whole if rest.any()]
    return *limited, *around, *(_inside(whole[0], each, mask) for each, mask in own)


def _nearest(name: str, kind: str, names: Names) -> str:
    found = Suggestions().nearest(name, names_of(names, kind), NEAREST)
    return f"Nearest: {', '.join(found)}." if found else f"No {kind} has a name like it."


def _repainted(frame: Frame, bindings: Sequence[Binding]) -> Mask | None:
    """Return what ``only`` and ``keep`` leave to be repainted; ``None`` if no binding says either."""
    if all(each.paint == "with" for each in bindings):
        return None
    masks = list(zip(bindings, seen_masks(frame, bindings), strict=True))
    nothing = np.zeros_like(masks[0][1])
    only, kept = (
        sum((mask for each, mask in masks if each.paint == way), nothing) for way in ("only", "keep")
    )
    is_limited = any(each.paint == "only" for each in bindings)
    return np.clip(only if is_limited else 1 - kept, 0, 1)


def _inside(whole: Prompt, bound: BoundPrompt, mask: Mask) -> Prompt:
    words = bound.prompt or whole
    controls = tuple(
        replace(control, conditioning_scale=control.conditioning_scale * bound.binding.control)
        if bound.binding.control != 1.0
        else control
        for control in whole.controls
        if bound.binding.control
    )
    return replace(
        whole,
        prompt_embeds=words.prompt_embeds,
        pooled_prompt_embeds=words.pooled_prompt_embeds,
        controls=controls,
        region=_region(mask),
    )


def _region(mask: Mask) -> Region:
    return Region(torch.from_numpy(np.ascontiguousarray(mask))[None])
