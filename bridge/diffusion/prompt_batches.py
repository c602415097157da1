"""Prompts made ready for a run, and the batches they go through the denoiser in."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bridge.diffusion.backbones import Backbone, Extras, Outset, backbone_of
from bridge.diffusion.control import cover_negative
from bridge.diffusion.device import Placement
from bridge.diffusion.fit import repeat_to
from bridge.diffusion.regions import Weight, Window, shares, weight_of, window_of
from bridge.diffusion.steering import Steering
from bridge.diffusion.types import Control, DiffusionModel, Grounding, Prompt


@dataclass(frozen=True, slots=True, eq=False)
class ReadyPrompt:
    """A prompt made ready for a run: at work while start ≥ sigma ≥ end.

    Args:
        prompt_embeds: Shape (1 or B, tokens, width), on the CPU.
        is_negative: Which side it is on.
        window: What it sees of the latents; ``None`` for all.
        weight: How much it counts there.
        controls: What steers it.
        extras: What the network takes besides, by its own names.
        channels: What it sees beside the noisy latents, (B, C, h, w).
        start: Noise level at which it begins.
        end: Noise level at which it ends.
    """

    prompt_embeds: Tensor
    is_negative: bool
    window: Window | None
    weight: Weight
    controls: tuple[Control | Grounding, ...]
    extras: Extras
    channels: Tensor | None
    start: float
    end: float

    def is_active(self, sigma: float) -> bool:
        """Tell whether it counts at a noise level."""
        return self.start >= sigma >= self.end

    def cut(self, values: Tensor) -> Tensor:
        """Return what it sees of a tensor (B, C, h, w)."""
        return values if self.window is None else self.window.cut(values)


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts that go through the denoiser as one batch; all pictures of the first prompt come first.

    Args:
        prompts: They see windows of one size.
        shares: For each prompt its share in its side's result.
        prompt_embeds: Shape (prompts · B, tokens, width), on the device.
        extras: What the network takes besides, by its own names; each (prompts · B, …), on the device.
        channels: What it sees beside the noisy latents, on the device.
        steering: What they all go through.
    """

    prompts: tuple[ReadyPrompt, ...]
    shares: tuple[Weight, ...]
    prompt_embeds: Tensor
    extras: Mapping[str, Tensor]
    channels: Tensor | None
    steering: tuple[Steering, ...]


def ready_prompts(
    model: DiffusionModel,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    outset: Outset,
) -> tuple[ReadyPrompt, ...]:
    """Make the prompts of both sides ready for a run.

    Raises:
        InputError: If an area lies outside the picture, or masks do not fit the batch.
        ModelError: Code ``model_mismatch`` if a prompt lacks what the network takes.
        UnsupportedModel: If the network takes channels of an unknown kind.
    """
    backbone, shape = backbone_of(model.family), outset.shape

    def ready(prompt: Prompt, window: Window | None, is_negative: bool) -> ReadyPrompt:
        return ReadyPrompt(
            prompt_embeds=prompt.prompt_embeds,
            is_negative=is_negative,
            window=window,
            weight=weight_of(prompt, window, shape),
            controls=(*prompt.controls, *([prompt.grounding] if prompt.grounding else [])),
            extras=backbone.extras(prompt, model, outset, is_negative=is_negative),
            channels=backbone.channels(prompt, model, outset),
            start=model.schedule.sigma_at(prompt.start),
            end=model.schedule.sigma_at(prompt.end),
        )

    sides = positive, cover_negative(positive, negative)
    first, second = (
        [ready(prompt, window_of(prompt, shape, model.latent_factor), is_negative) for prompt in side]
        for side, is_negative in zip(sides, (False, True), strict=True)
    )
    if second:
        second += _counterparts(first, second)
        first += _counterparts(second, first)
    return *first, *second


def _counterparts(prompts: Sequence[ReadyPrompt], others: Sequence[ReadyPrompt]) -> list[ReadyPrompt]:
    """Return what the other side lacks so that it, too, sees each window that a prompt sees.

    Guidance compares two predictions for the same window. The words are those of the other side's prompt
    with the smallest window around; the weight, time and controls are the prompt's own.
    """
    found: list[ReadyPrompt] = []
    for prompt in prompts:
        here = prompt.window
        if here is None:
            continue
        around = [each for each in (*others, *found) if each.window is None or each.window.contains(here)]
        if around:
            smallest = min(around, key=_area)
            if smallest.window != here:
                found.append(
                    replace(
                        prompt,
                        prompt_embeds=smallest.prompt_embeds,
                        is_negative=smallest.is_negative,
                        extras=smallest.extras,
                        channels=smallest.channels,
                    )
                )
    return found


def _area(prompt: ReadyPrompt) -> float:
    return math.inf if prompt.window is None else prompt.window.height * prompt.window.width


def make_batches(
    backbone: Backbone,
    prompts: Sequence[ReadyPrompt],
    shape: Sequence[int],
    steering: Callable[[Control | Grounding, tuple[int, int]], Steering],
    where: Placement,
    *,
    is_apart: bool,
) -> list[Batch]:
    """Put prompts that see windows of one size through the same ControlNets together.

    Args:
        backbone: Of the model's family; it says which prompts can share a batch.
        prompts: Those of both sides that are at work.
        shape: Of the latents, (B, C, h, w).
        steering: Makes a control ready for a window of a height and width.
        where: The denoiser's.
        is_apart: Whether each prompt is to run alone, which takes less memory.
    """
    kinds: dict[object, list[tuple[ReadyPrompt, Weight]]] = {}
    for is_negative in (False, True):
        side = [prompt for prompt in prompts if prompt.is_negative is is_negative]
        parts = shares([prompt.weight for prompt in side], [prompt.window for prompt in side], shape)
        for prompt, share in zip(side, parts, strict=True):
            likeness = backbone.likeness(prompt.prompt_embeds, prompt.extras)
            kind = prompt if is_apart else (_size(prompt, shape), prompt.controls, likeness)
            if share.any() if isinstance(share, Tensor) else share:
                kinds.setdefault(kind, []).append((prompt, share))
    return [_batch(backbone, members, shape, steering, where) for members in kinds.values()]


def _batch(
    backbone: Backbone,
    members: Sequence[tuple[ReadyPrompt, Weight]],
    shape: Sequence[int],
    steering: Callable[[Control | Grounding, tuple[int, int]], Steering],
    here: Placement,
) -> Batch:
    count = shape[0]
    prompts, parts = zip(*members, strict=True)
    embeds, extras = backbone.joined([repeat_to(prompt.prompt_embeds, count) for prompt in prompts])
    for name in prompts[0].extras:
        extras[name] = torch.cat([repeat_to(prompt.extras[name], count) for prompt in prompts])
    channels = None
    if prompts[0].channels is not None:
        channels = torch.cat([prompt.cut(prompt.channels) for prompt in prompts]).to(here.device, here.dtype)
    return Batch(
        prompts=prompts,
        shares=tuple(part.to(here.device) if isinstance(part, Tensor) else part for part in parts),
        prompt_embeds=embeds.to(here.device, here.dtype),
        extras={
            name: values.to(here.device, torch.float32 if name in backbone.exact else here.dtype)
            for name, values in extras.items()
        },
        channels=channels,
        steering=tuple(steering(control, _size(prompts[0], shape)) for control in prompts[0].controls),
    )


def _size(prompt: ReadyPrompt, shape: Sequence[int]) -> tuple[int, int]:
    window = prompt.window
    return (shape[2], shape[3]) if window is None else (window.height, window.width)
