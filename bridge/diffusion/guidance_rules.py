"""Rules of guidance that need no more than predictions: how these are weighed against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bridge.diffusion.frequencies import scaled_around_zero
from bridge.diffusion.guidance import GuidanceRule, Predictions
from bridge.diffusion.types import DiffusionModel, Prompt

ALL_BUT_BATCH = (1, 2, 3)


def with_rule(model: DiffusionModel, rule: GuidanceRule) -> DiffusionModel:
    """Return a model whose guidance follows one more rule."""
    return replace(model, guidance_rules=(*model.guidance_rules, rule))


@dataclass(frozen=True, slots=True)
class RenormalizedGuidance(GuidanceRule):
    """No guided picture is longer than so many times the positive one. Source: Lumina-Image 2.0, 2025.

    Args:
        most: The factor; 0 is no limit.
        highest_sigma: At and above this noise level there is no guidance.
    """

    most: float
    highest_sigma: float

    def together(self, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        if seen.sigma >= self.highest_sigma:
            return seen.positive
        guided = seen.negative + (seen.positive - seen.negative) * seen.guidance_scale
        if self.most == 0:
            return guided
        longest, length = (_norm(each, ALL_BUT_BATCH) for each in (seen.positive, guided))
        longest = longest * self.most
        return torch.where(length >= longest, guided * (longest / length), guided)


@dataclass(frozen=True, slots=True, eq=False)
class PerpendicularGuidance(GuidanceRule):
    """Of the negative prompt only what does not contradict the positive one counts.

    Source: Armandpour et al. 2023, "Re-imagine the Negative Prompt Algorithm" (Perp-Neg), eq. 5.

    Args:
        empty: What both prompts are compared with.
        negative_scale: Weight of what is left of the negative prompt.
    """

    needs_negative: ClassVar[bool] = True

    empty: Sequence[Prompt]
    negative_scale: float

    def together(self, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        empty = seen.ask(seen.latents, self)
        positive, negative = seen.positive - empty, seen.negative - empty
        along = (negative * positive).sum() / positive.square().sum()
        apart = negative - along * positive
        return empty + (positive - apart * self.negative_scale) * seen.guidance_scale


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedGuidance(GuidanceRule):
    """What guidance adds along the positive prediction is weighed apart.

    The way from the negative to the positive prediction stays as it is; what goes on from there is changed.
    Source: Sadat et al. 2024, "Eliminating Oversaturation and Artifacts of High Guidance Scales" (APG).

    Args:
        parallel: Weight of what lies along the positive prediction; 1 is plain guidance.
        longest: The difference of predictions is not longer than this; 0 is no limit.
        momentum: Share of the differences before that is added; begins anew where the noise rises.
    """

    parallel: float
    longest: float
    momentum: float = 0.0

    def before(self, seen: Predictions) -> Predictions:
        """See ``GuidanceRule``."""
        if not seen.has_negative or seen.guidance_scale == 0:
            return seen
        plain = difference = seen.positive - seen.negative
        if self.momentum != 0:
            last_sigma, average = seen.memory.get(self, (seen.sigma, 0.0))
            if seen.sigma <= last_sigma:
                difference = plain + self.momentum * average
            seen.memory[self] = seen.sigma, difference
        if self.longest > 0:
            difference = difference * (self.longest / _norm(difference, ALL_BUT_BATCH)).clamp(max=1.0)
        unit = seen.positive / _norm(seen.positive, ALL_BUT_BATCH).clamp(min=1e-12)
        along = (difference * unit).sum(ALL_BUT_BATCH, keepdim=True) * unit
        changed = difference - along + self.parallel * along
        return replace(seen, positive=seen.negative + changed + plain / seen.guidance_scale)


@dataclass(frozen=True, slots=True)
class TangentialDamping(GuidanceRule):
    """The negative noise keeps what it shares with the positive one. Source: Kwon et al. 2025, TCFG."""

    def before(self, seen: Predictions) -> Predictions:
        """See ``GuidanceRule``."""
        if not seen.has_negative:
            return seen
        noises = torch.stack([(seen.latents - each).flatten(1) for each in (seen.negative, seen.positive)], 1)
        main = torch.linalg.svd(noises, full_matrices=False).Vh[:, :1]  # (B, 1, C·h·w)
        damped = (noises[:, :1] @ main.mT) * main
        return replace(seen, negative=seen.latents - damped.view_as(seen.latents))


@dataclass(frozen=True, slots=True)
class FrequencyScaling(GuidanceRule):
    """Guidance is weighed by frequency. Source: Huang et al. 2025, FreSca.

    Args:
        low: Weight of frequencies below the cutoff.
        high: Weight of the others.
        cutoff: In periods of the picture along either side.
    """

    low: float
    high: float
    cutoff: int

    def before(self, seen: Predictions) -> Predictions:
        """See ``GuidanceRule``."""
        if not seen.has_negative:
            return seen
        scaled = scaled_around_zero(seen.positive - seen.negative, self.cutoff, self.low, self.high)
        return replace(seen, positive=seen.negative + scaled)


@dataclass(frozen=True, slots=True)
class DirectedGuidance(GuidanceRule):
    """The less guidance agrees with the negative prediction, the more of the positive. Source: Mahiro."""

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        leap = seen.positive * seen.guidance_scale
        turned = (_root(seen.negative * seen.guidance_scale), _root((leap + guided) / 2))
        likeness = 2 * (cosine_similarity(*turned).mean() + 1)  # along channels; 0..4
        return (likeness * guided + (4 - likeness) * leap) / 4


@dataclass(frozen=True, slots=True)
class ZeroStarGuidance(GuidanceRule):
    """The negative noise is scaled to fit the positive one. Source: Fan et al. 2025, CFG-Zero*."""

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        positive, negative = seen.latents - seen.positive, seen.latents - seen.negative
        product = (positive * negative).sum(ALL_BUT_BATCH, keepdim=True)
        fit = product / (negative.square().sum(ALL_BUT_BATCH, keepdim=True) + 1e-8)
        return guided + seen.negative * (fit - 1) * (1 - seen.guidance_scale)


@dataclass(frozen=True, slots=True)
class NormLimit(GuidanceRule):
    """At no place is the guided picture longer than the positive one. Source: ComfyUI, CFGNorm.

    Args:
        strength: What comes of it is multiplied by it.
    """

    strength: float

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        ratio = _norm(seen.positive, (1,)) / (_norm(guided, (1,)) + 1e-8)
        return guided * ratio.clamp(max=1.0) * self.strength


@dataclass(frozen=True, slots=True)
class NoiseScaling(GuidanceRule):
    """The predicted noise is divided by a number. Source: Ning et al. 2023, Epsilon Scaling.

    Args:
        factor: Above 1 there is less noise to remove.
    """

    factor: float

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        return seen.latents - (seen.latents - guided) / self.factor


def _norm(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(values, dim=dims, keepdim=True)
    return norm


def _root(values: Tensor) -> Tensor:
    return values.abs().sqrt() * values.sign()
