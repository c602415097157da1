"""The denoiser: what every sampler awaits.

1. One call is one turn at the device: ``async with job.step()`` around one look of the network at one
   noise level, however many prompts and ControlNets that takes. Cancelling therefore takes effect
   within one call.
2. Prompts that see as much of the picture and go through the same ControlNets run as one batch; the others
   follow, one after another.
3. A side of weight 0 does not run: a guidance scale of 1 costs one forward pass, not two.
4. What does not change during a run (embeddings on the device, what ControlNets make of their picture)
   is made once, when it is first needed; latents of such pictures before the network is loaded.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.backbones import Outset, backbone_of
from bridge.diffusion.control import prepare
from bridge.diffusion.control_pictures import NO_LATENTS, ControlLatents
from bridge.diffusion.device import memory_errors
from bridge.diffusion.guidance import Change, GuidanceRule, Predictions, Side, follow
from bridge.diffusion.guidance_rules import PerpendicularGuidance
from bridge.diffusion.look import Look, looking
from bridge.diffusion.prompt_batches import Batch, ReadyPrompt, make_batches, ready_prompts
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.steering import Steering, Step
from bridge.diffusion.types import Control, DiffusionModel, Grounding, Prompt
from bridge.engine import current_job
from bridge.errors import InputError, ModelError, OutOfMemory
from bridge.models import CONTEXT_WIDTHS


class Denoiser:
    """Noisy latents and a noise level → clean latents, as prompts and ControlNets would have them.

    Args:
        model: Whose network is asked.
        positive: What the picture should be; where several hold, they are averaged by their weights.
        negative: What it should not be; may be empty at a guidance scale of 1.
        guidance_scale: w in D(negative) + w · (D(positive) − D(negative)); 1 leaves the negative out.
        shape: Of the latents, (B, C, h, w).
        clean: The latents that the run starts from, as an inpainting model is to see them.
        noise_mask: Where to denoise, (…, H, W), as an inpainting model is to see it.
        seed: Of the run, for noise on pictures that prompts show.
        control_latents: Of pictures that ControlNets see as latents.

    Raises:
        InputError: If the latents have another number of channels than the model, an area lies outside them,
            or masks do not fit the batch.
        ModelError: Code ``model_mismatch`` if prompts belong to another kind of checkpoint.
        OutOfMemory: If the model does not fit.
    """

    def __init__(
        self,
        model: DiffusionModel,
        positive: Sequence[Prompt],
        negative: Sequence[Prompt],
        guidance_scale: float,
        shape: Sequence[int],
        *,
        clean: Tensor | None = None,
        noise_mask: Tensor | None = None,
        seed: int = 0,
        control_latents: ControlLatents = NO_LATENTS,
    ) -> None:
        self._model = model
        self._guidance_scale = guidance_scale
        self._shape = tuple(shape)
        self._control_latents = control_latents
        self._backbone = backbone_of(model.family)
        own = empty_prompts(model)
        _require_match(model, (*positive, *negative, *chain.from_iterable(own.values())), shape)
        outset = Outset(shape, clean, noise_mask, seed)
        self._prompts = ready_prompts(model, positive, negative, outset)
        self._steering: dict[tuple[Control | Grounding, tuple[int, int]], Steering] = {}
        self._batches: dict[tuple[ReadyPrompt, ...], list[Batch]] = {}
        self._is_apart = False
        self._own: dict[GuidanceRule, tuple[ReadyPrompt, ...]] = {
            rule: ready_prompts(model, positive, empty, outset) for rule, empty in own.items()
        }
        self._memory: dict[GuidanceRule, Any] = {}

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """Return the clean latents that the model sees in noisy ones of a noise level.

        Args:
            latents: Of the run's shape, float32, on the device.
            sigma: Their noise level.

        Raises:
            Interrupted: If the job was cancelled.
            ModelError: Code ``model_mismatch`` if a ControlNet belongs to another kind of checkpoint.
            OutOfMemory: If a single prompt does not fit.
        """
        needs_negative = not math.isclose(self._guidance_scale, 1.0) or any(
            rule.needs_negative for rule in self._model.guidance_rules
        )
        guided, _ = await self._look(latents, sigma, needs_negative=needs_negative)
        return guided

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Return what a call returns, and what the negative prompts alone would have; zeros without any.

        Args and errors: As of a call.
        """
        return await self._look(latents, sigma, needs_negative=True)

    async def _look(self, latents: Tensor, sigma: float, *, needs_negative: bool) -> tuple[Tensor, Tensor]:
        needs_positive = bool(
            self._guidance_scale != 0 or self._model.guidance_rescale or self._model.guidance_rules
        )
        active = tuple(
            prompt
            for prompt in self._prompts
            if (needs_negative if prompt.is_negative else needs_positive) and prompt.is_active(sigma)
        )
        async with current_job().step():
            try:
                return self._with_room(latents, sigma, active)
            except OutOfMemory:
                if all(len(batch.prompts) == 1 for batch in self._batches.get(active, ())):
                    raise
            self._is_apart = True
            self._batches.clear()
            return self._with_room(latents, sigma, active)

    def _with_room(
        self, latents: Tensor, sigma: float, active: tuple[ReadyPrompt, ...]
    ) -> tuple[Tensor, Tensor]:
        controls = (control.network.network for prompt in active for control in prompt.controls)
        steering = (each.network for each in self._steering.values())
        keep: tuple[Network[Any], ...] = (self._model.unet, *controls, *steering)
        return with_room(lambda: self._guided(latents, sigma, active), keep)

    def _batches_of(self, active: tuple[ReadyPrompt, ...]) -> list[Batch]:
        if active not in self._batches:
            self._batches[active] = make_batches(
                self._backbone,
                active,
                self._shape,
                self._steer,
                self._model.unet.placement,
                is_apart=self._is_apart,
            )
        return self._batches[active]

    def _steer(self, control: Control | Grounding, size: tuple[int, int]) -> Steering:
        if (control, size) not in self._steering:
            latents = None
            if isinstance(control, Control) and control.network.latent_channels:
                latents = self._control_latents[control, size]
            shape = (*self._shape[:2], *size)
            self._steering[control, size] = prepare(control, self._model, shape, latents)
        return self._steering[control, size]

    @torch.inference_mode()
    def _guided(
        self, latents: Tensor, sigma: float, active: tuple[ReadyPrompt, ...]
    ) -> tuple[Tensor, Tensor]:
        batch, _, height, width = self._shape
        memory = dict(self._memory)  # a step that ends for lack of memory, and is tried again, counts once
        with memory_errors(f"denoising {batch} × {width}×{height} latents"):
            positive, negative = self._denoised(latents, sigma, self._batches_of(active))
            seen = follow(
                self._model.guidance_rules,
                Predictions(
                    latents,
                    sigma,
                    positive,
                    negative,
                    guidance_scale=self._guidance_scale,
                    has_negative=any(prompt.is_negative for prompt in active),
                    ask=partial(self._asked, sigma=sigma),
                    memory=memory,
                ),
                rescale=self._model.guidance_rescale,
            )
        self._memory = memory
        return seen

    def _asked(self, latents: Tensor, side: Side, change: Change | None = None, *, sigma: float) -> Tensor:
        is_negative = side != "positive"
        prompts = self._prompts if isinstance(side, str) else self._own[side]
        active = tuple(
            prompt for prompt in prompts if prompt.is_negative is is_negative and prompt.is_active(sigma)
        )
        return self._denoised(latents, sigma, self._batches_of(active), change)[is_negative]

    def _denoised(
        self, latents: Tensor, sigma: float, batches: Sequence[Batch], change: Change | None = None
    ) -> tuple[Tensor, Tensor]:
        """Average what the prompts of either side make of the latents; zeros where none holds."""
        sides: list[Tensor | None] = [None, None]
        for batch in batches:
            parts = self._run(batch, latents, sigma, change).chunk(len(batch.prompts))
            for prompt, share, part in zip(batch.prompts, batch.shares, parts, strict=True):
                scaled = part * share if isinstance(share, Tensor) or share != 1.0 else part
                sum_ = sides[prompt.is_negative]
                if sum_ is None and prompt.window is None:
                    sides[prompt.is_negative] = scaled
                    continue
                sum_ = torch.zeros_like(latents) if sum_ is None else sum_
                prompt.cut(sum_).add_(scaled)
                sides[prompt.is_negative] = sum_
        positive, negative = (torch.zeros_like(latents) if side is None else side for side in sides)
        return positive, negative

    def _run(self, batch: Batch, latents: Tensor, sigma: float, change: Change | None) -> Tensor:
        """Denoise what each prompt of a batch sees of the latents."""
        network, schedule = self._model.unet.module(), self._model.schedule
        if change is not None:
            network = change(network)
        seen = torch.cat([prompt.cut(latents) for prompt in batch.prompts])
        sample = self._model.unet.placement.bring(seen * schedule.input_scale(sigma))
        timestep = torch.full((len(sample),), schedule.timestep(sigma), device=sample.device)
        step = Step(sample, timestep, batch.prompt_embeds, batch.extras, batch.channels)
        height, width = sample.shape[2:]
        sides = tuple(prompt.is_negative for prompt in batch.prompts)
        look = Look(sigma, sides, height, width, batch.prompt_embeds.shape[1])
        with looking(look):
            prediction = self._backbone.predict(network, step, batch.steering, sigma)
        return schedule.denoised(seen, prediction.float(), sigma)


def empty_prompts(model: DiffusionModel) -> dict[GuidanceRule, Sequence[Prompt]]:
    """Return the prompts that rules of a model's guidance bring."""
    return {rule: rule.empty for rule in model.guidance_rules if isinstance(rule, PerpendicularGuidance)}


def _require_match(model: DiffusionModel, prompts: Sequence[Prompt], shape: Sequence[int]) -> None:
    backbone, config = backbone_of(model.family), model.unet.module().config
    channels, context_width = backbone.latent_channels(config), backbone.context_width(config)
    if shape[1] != channels:
        raise InputError(
            f"the latents have {shape[1]} channels, the checkpoint works on {channels}",
            hint="Encode the picture with the VAE of this checkpoint.",
        )
    for width in {prompt.prompt_embeds.shape[2] for prompt in prompts} - {context_width}:
        known = CONTEXT_WIDTHS.get(width)
        made_for = known.value if known else f"one with embeddings of {width} channels"
        raise ModelError(
            f"the prompts were encoded for another kind of checkpoint ({made_for}) than {model.unet.name} "
            f"({model.family.value})",
            code="model_mismatch",
            hint="Encode prompts with the CLIP output of the same checkpoint.",
        )
