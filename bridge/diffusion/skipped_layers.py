"""Guidance away from what a transformer sees without some of its layers."""

import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.guidance import GuidanceRule, Predictions
from bridge.diffusion.patching import twin_of
from bridge.diffusion.types import DiffusionModel
from bridge.errors import InputError, UnsupportedModel
from bridge.models import Family


@dataclass(frozen=True, slots=True)
class Skipping:
    """Layers that are left out, and when.

    Args:
        double: Layers that treat words and picture apart, counted from 0.
        single: Layers that treat them together, which only Flux has.
        highest_sigma: The noise level up to which they are left out.
        lowest_sigma: And down to which.
    """

    double: tuple[int, ...]
    single: tuple[int, ...]
    highest_sigma: float
    lowest_sigma: float

    def holds(self, sigma: float) -> bool:
        """Say whether layers are left out at a noise level."""
        return self.lowest_sigma <= sigma <= self.highest_sigma

    def twin(self, transformer: Any) -> Any:
        """Return a twin of a transformer that runs without the layers.

        Raises:
            InputError: If it has no such layers.
        """
        lists = {"transformer_blocks": self.double, "single_transformer_blocks": self.single}
        places = [
            (name, index)
            for name, indices in lists.items()
            if hasattr(transformer, name)
            for index in indices
        ]
        for name, index in places:
            _require(index, len(getattr(transformer, name)))
        twin = twin_of(transformer, [f"{name}.{index}" for name, index in places])
        for name, index in places:
            getattr(twin, name)[index] = _Skipped(getattr(transformer, name)[index])
        return twin


def skipping(
    model: DiffusionModel, double: str, single: str, start: float = 0.0, end: float = 1.0
) -> Skipping | None:
    """Read which layers of a model are left out; ``None`` for none.

    Args:
        model: The model.
        double: Numbers of layers, with anything between them.
        single: As ``double``; SD3 has none of these, whatever is written.
        start: Fraction of the noise schedule from which on they are left out, 0..1.
        end: Fraction up to which they are.

    Raises:
        UnsupportedModel: If the model is of a kind whose layers cannot be left out.
    """
    if model.family not in (Family.SD3, Family.FLUX):
        raise UnsupportedModel(
            f"only SD3 and Flux have layers that guidance can leave out; {model.unet.name} is "
            f"{model.family.value}",
            hint="Remove the SkipLayerGuidance node; PerturbedAttentionGuidance does alike for UNets.",
        )
    layers = [tuple(map(int, re.findall(r"\d+", text))) for text in (double, single)]
    if not any(layers):
        return None
    return Skipping(layers[0], layers[1], model.schedule.sigma_at(start), model.schedule.sigma_at(end))


@dataclass(frozen=True, slots=True)
class SkipLayerGuidance(GuidanceRule):
    """Away from what is seen for the positive prompts without some layers.

    Source: Stability AI 2024, Stable Diffusion 3.5 Medium, after Ahn et al. 2024, "Self-Rectifying Diffusion
    Sampling with Perturbed-Attention Guidance".

    Args:
        skipping: Which, and when.
        scale: Weight of the way.
        rescale: How far the deviation of what comes of it is brought back to that of the positive prediction.
    """

    skipping: Skipping
    scale: float
    rescale: float = 0.0

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        if self.scale == 0 or not self.skipping.holds(seen.sigma):
            return guided
        without = seen.ask(seen.latents, "positive", self.skipping.twin)
        guided = guided + (seen.positive - without) * self.scale
        if self.rescale == 0:
            return guided
        ratio = seen.positive.std() / guided.std()
        return guided * (self.rescale * ratio + 1 - self.rescale)


@dataclass(frozen=True, slots=True)
class WeakenedNegative(GuidanceRule):
    """The negative prompts are seen without some layers.

    Args:
        skipping: Which, and when.
    """

    skipping: Skipping

    def before(self, seen: Predictions) -> Predictions:
        """See ``GuidanceRule``."""
        if not (seen.has_negative and self.skipping.holds(seen.sigma)):
            return seen
        return replace(seen, negative=seen.ask(seen.latents, "negative", self.skipping.twin))


def _require(index: int, count: int) -> None:
    if index >= count:
        raise InputError(
            f"there is no layer {index} to leave out: the model has {count} of that kind, counted from 0",
            code="out_of_range",
            hint="Name layers that it has, separated by commas.",
        )


class _Skipped(torch.nn.Module):
    """Stands for a layer: words and picture come out as they went in."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.context_pre_only = getattr(layer, "context_pre_only", False)

    def forward(
        self, hidden_states: Tensor, encoder_hidden_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        return encoder_hidden_states, hidden_states
