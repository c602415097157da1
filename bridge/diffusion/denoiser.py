"""The denoiser: what every sampler awaits.

1. One call is one turn at the device: ``async with job.step()`` around one look of the network at one
   noise level, however many prompts and ControlNets that takes. Cancelling therefore takes effect
   within one call.
2. Prompts that go through the same ControlNets run as one batch; the others follow, one after another.
3. A prompt of weight 0 does not run: a guidance scale of 1 costs one forward pass, not two.
4. What does not change during a run (embeddings on the device, what ControlNets make of their picture)
   is made once, before the first call.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.control import Steering, cover_negative, prepare, residuals
from bridge.diffusion.device import memory_errors
from bridge.diffusion.residency import Network, placement, with_room
from bridge.diffusion.types import Control, DiffusionModel, Prompt
from bridge.engine import current_job
from bridge.errors import InputError, ModelError, OutOfMemory


@dataclass(frozen=True, slots=True)
class _Group:
    """Prompts that run as one batch.

    Args:
        prompt_embeds: Shape (prompts · B, tokens, width); all pictures of the first prompt come first.
        weights: For each prompt its share in the result.
        steering: What they all go through.
    """

    prompt_embeds: Tensor
    weights: tuple[float, ...]
    steering: tuple[Steering, ...]

    def split(self) -> "list[_Group]":
        """Return one group for each prompt, which take less memory one after another."""
        embeds = self.prompt_embeds.chunk(len(self.weights))
        return [
            _Group(mine, (weight,), self.steering) for mine, weight in zip(embeds, self.weights, strict=True)
        ]


class Denoiser:
    """Noisy latents and a noise level → clean latents, as prompts and ControlNets would have them.

    Args:
        model: Whose UNet is asked.
        positive: What the picture should be; several prompts are averaged.
        negative: What it should not be.
        guidance_scale: w in D(negative) + w · (D(positive) − D(negative)); 1 leaves the negative out.
        shape: Of the latents, (B, 4, h, w).

    Raises:
        InputError: If the latents have another number of channels than the UNet.
        ModelError: Code ``model_mismatch`` if prompts or ControlNets belong to another kind of checkpoint.
        OutOfMemory: If the model does not fit.
    """

    def __init__(
        self,
        model: DiffusionModel,
        positive: Sequence[Prompt],
        negative: Sequence[Prompt],
        guidance_scale: float,
        shape: Sequence[int],
    ) -> None:
        self._model = model
        self._shape = tuple(shape)
        config = model.unet.module().config
        _require_match(model, (*positive, *negative), shape, config)
        weighted = [(prompt, guidance_scale / len(positive)) for prompt in positive]
        if not math.isclose(guidance_scale, 1.0):
            covered = cover_negative(positive, negative)
            weighted += [(prompt, (1.0 - guidance_scale) / len(negative)) for prompt in covered]
        ready: dict[Control, Steering] = {}
        for control in itertools.chain.from_iterable(prompt.controls for prompt, _ in weighted):
            if control not in ready:
                ready[control] = prepare(control, model, shape)
        self._groups = _group(weighted, ready, shape[0])

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """Return the clean latents that the model sees in noisy ones of a noise level.

        Args:
            latents: Of the run's shape, float32, on the device.
            sigma: Their noise level.

        Raises:
            Interrupted: If the job was cancelled.
            OutOfMemory: If a single prompt does not fit.
        """
        async with current_job().step():
            try:
                return self._with_room(latents, sigma)
            except OutOfMemory:
                if all(len(group.weights) == 1 for group in self._groups):
                    raise
            self._groups = [single for group in self._groups for single in group.split()]
            return self._with_room(latents, sigma)

    def _with_room(self, latents: Tensor, sigma: float) -> Tensor:
        return with_room(lambda: self._denoised(latents, sigma), keep=self._networks)

    @property
    def _networks(self) -> tuple[Network[Any], ...]:
        return (self._model.unet, *(each.network for group in self._groups for each in group.steering))

    @torch.inference_mode()
    def _denoised(self, latents: Tensor, sigma: float) -> Tensor:
        schedule = self._model.schedule
        prediction = self._predict(latents * schedule.input_scale(sigma), sigma)
        return schedule.denoised(latents, prediction, sigma)

    def _predict(self, sample: Tensor, sigma: float) -> Tensor:
        """Add up what the UNet predicts for each prompt, times the prompt's weight; float32."""
        unet = self._model.unet.module()
        batch, _, height, width = self._shape
        total: Tensor | None = None
        with memory_errors(f"denoising {batch} × {width}×{height} latents"):
            sample = sample.to(unet.dtype, memory_format=placement().memory_format)
            for group in self._groups:
                output = self._run(unet, group, sample, sigma)
                for part, weight in zip(output.float().chunk(len(group.weights)), group.weights, strict=True):
                    scaled = part if weight == 1.0 else part * weight
                    total = scaled if total is None else total + scaled
        assert total is not None
        return total

    def _run(self, unet: Any, group: _Group, sample: Tensor, sigma: float) -> Tensor:
        sample = sample.repeat(len(group.weights), 1, 1, 1)
        timestep = torch.full((len(sample),), self._model.schedule.timestep(sigma), device=sample.device)
        active = [each for each in group.steering if each.is_active(sigma)]
        added = residuals(active, sample, timestep, group.prompt_embeds)
        down, middle = added or (None, None)
        output: Tensor = unet(
            sample,
            timestep,
            encoder_hidden_states=group.prompt_embeds,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return output


def _group(
    weighted: Sequence[tuple[Prompt, float]], ready: dict[Control, Steering], batch: int
) -> list[_Group]:
    """Put prompts that go through the same ControlNets together."""
    here = placement()
    groups = []
    kinds: dict[tuple[Control, ...], list[tuple[Prompt, float]]] = {}
    for prompt, weight in weighted:
        if weight != 0:
            kinds.setdefault(prompt.controls, []).append((prompt, weight))
    for controls, members in kinds.items():
        # Softmax does not notice that all tokens come n times, so chunks of unlike number can share a batch.
        tokens = math.lcm(*(prompt.prompt_embeds.shape[1] for prompt, _ in members))
        embeds = [
            prompt.prompt_embeds.repeat(1, tokens // prompt.prompt_embeds.shape[1], 1).expand(batch, -1, -1)
            for prompt, _ in members
        ]
        groups.append(
            _Group(
                prompt_embeds=torch.cat(embeds).to(here.device, here.dtype),
                weights=tuple(weight for _, weight in members),
                steering=tuple(ready[control] for control in controls),
            )
        )
    return groups


def _require_match(
    model: DiffusionModel, prompts: Sequence[Prompt], shape: Sequence[int], config: Any
) -> None:
    if shape[1] != config["in_channels"]:
        raise InputError(
            f"the latents have {shape[1]} channels, the checkpoint works on {config['in_channels']}",
            hint="Encode the picture with the VAE of this checkpoint.",
        )
    widths = {prompt.prompt_embeds.shape[2] for prompt in prompts}
    if widths != {config["cross_attention_dim"]}:
        raise ModelError(
            f"the prompts were encoded for another kind of checkpoint than {model.unet.name}",
            code="model_mismatch",
            hint="Encode prompts with the CLIP output of the same checkpoint.",
        )
