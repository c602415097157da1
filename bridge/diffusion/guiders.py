"""Guiders: how a model and prompts become the one prediction that a sampler follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, Protocol

from torch import Tensor

from bridge.diffusion.control_pictures import NO_LATENTS, ControlLatents
from bridge.diffusion.denoiser import Denoiser, empty_prompts
from bridge.diffusion.guidance import rescaled
from bridge.diffusion.samplers import Denoise
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.errors import InputError
from bridge.graph import Socket


class Guidance(Protocol):
    """A model with prompts."""

    @property
    def model(self) -> DiffusionModel:
        """Whose prediction it is."""

    @property
    def prompts(self) -> Sequence[Prompt]:
        """All that it goes by."""

    def denoiser(
        self,
        clean: Tensor,
        noise_mask: Tensor | None,
        seed: int = 0,
        control_latents: ControlLatents = NO_LATENTS,
    ) -> Denoise:
        """Make ready for a run.

        Args:
            clean: The scaled latents that the run starts from, (B, C, h, w), on the device.
            noise_mask: Where to denoise, for UNets that see it.
            seed: Of the run.
            control_latents: Of pictures that ControlNets of ``prompts`` see as latents.
        """


Guider = Annotated[Guidance, Socket("GUIDER")]


@dataclass(frozen=True, slots=True, eq=False)
class PromptGuidance:
    """Classifier-free guidance. Source: Ho and Salimans 2022.

    Args:
        model: The checkpoint.
        positive: What the picture should be.
        negative: What it should not be; may be empty at a guidance scale of 1.
        guidance_scale: 1 is off.
    """

    model: DiffusionModel
    positive: Sequence[Prompt]
    negative: Sequence[Prompt] = ()
    guidance_scale: float = 1.0

    @property
    def prompts(self) -> Sequence[Prompt]:
        """Those of rules of the model included."""
        return *self.positive, *self.negative, *chain.from_iterable(empty_prompts(self.model).values())

    def denoiser(
        self,
        clean: Tensor,
        noise_mask: Tensor | None,
        seed: int = 0,
        control_latents: ControlLatents = NO_LATENTS,
    ) -> Denoise:
        """See ``Guidance``."""
        return Denoiser(
            self.model,
            self.positive,
            self.negative,
            self.guidance_scale,
            clean.shape,
            clean=clean,
            noise_mask=noise_mask,
            seed=seed,
            control_latents=control_latents,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DualGuidance:
    """Guidance between three prompts, as InstructPix2Pix has it (Brooks et al. 2023, eq. 3).

    Args:
        model: The checkpoint.
        first: What the picture should be.
        second: What it should be less than that: the picture to edit, or another prompt.
        negative: What it should not be.
        first_scale: Weight of the way from the second to the first.
        second_scale: Weight of the way from the negative to the second.
        is_nested: Whether the second weight is that of the way from the negative to the first two's result.
    """

    model: DiffusionModel
    first: Sequence[Prompt]
    second: Sequence[Prompt]
    negative: Sequence[Prompt]
    first_scale: float
    second_scale: float
    is_nested: bool = False

    @property
    def prompts(self) -> Sequence[Prompt]:
        """All three sides'."""
        return *self.first, *self.second, *self.negative

    def denoiser(
        self,
        clean: Tensor,
        noise_mask: Tensor | None,
        seed: int = 0,
        control_latents: ControlLatents = NO_LATENTS,
    ) -> Denoise:
        """See ``Guidance``; refuses models whose guidance has rules, which know of two predictions only."""
        if self.model.guidance_rules:
            raise InputError(
                "Dual CFG Guider cannot follow a model whose guidance another node has changed",
                hint="Connect the model from before that node, or use CFG Guider.",
            )
        plain, outset = replace(self.model, guidance_rescale=0.0), (clean, noise_mask, seed, control_latents)
        edit = PromptGuidance(
            self.model if self.is_nested else plain, self.first, self.second, self.first_scale
        ).denoiser(*outset)
        # At a weight of 0 the first prompts do not run; ControlNets that cover the negative ones are theirs.
        negative = PromptGuidance(plain, self.first, self.negative, 0.0).denoiser(*outset)
        if self.is_nested:
            return _Nested(edit, negative, self.second_scale)
        return _Chained(edit, negative, self.second_scale, self.model.guidance_rescale)


@dataclass(frozen=True, slots=True)
class _Nested:
    inner: Denoise
    negative: Denoise
    scale: float

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        return (await self.with_negative(latents, sigma))[0]

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        inner, second = await self.inner.with_negative(latents, sigma)
        negative = await self.negative(latents, sigma)
        return negative + (inner - negative) * self.scale, second


@dataclass(frozen=True, slots=True)
class _Chained:
    edit: Denoise
    negative: Denoise
    scale: float
    rescale: float

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        if math.isclose(self.scale, 1.0):  # the way from the negative to the second ends where it ends
            return (await self.edit.with_negative(latents, sigma))[0]
        return (await self.with_negative(latents, sigma))[0]

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        edited, second = await self.edit.with_negative(latents, sigma)
        negative = await self.negative(latents, sigma)
        base = negative + (second - negative) * self.scale
        if self.rescale and not math.isclose(self.scale, 1.0):
            base = rescaled(base, second, latents, sigma, self.rescale)
        return base + (edited - second), negative
