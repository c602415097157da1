"""Guidance that is more than the straight line between a positive and a negative prediction.

A rule changes predictions before they are put together, puts them together in its own way, or changes what
comes of it. A model carries its rules in the order in which nodes gave them: all have their say before, the
last that puts together does so, all have their say after.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor

Change = Callable[[Any], Any]
"""A UNet → a twin of it that runs otherwise."""


class Ask(Protocol):
    """Asks the model once more."""

    def __call__(
        self,
        latents: Tensor,
        side: "Side",
        change: Change | None = None,
    ) -> Tensor:
        """Return the clean latents that some prompts see in latents of the same noise level.

        Args:
            latents: As those of the run.
            side: Whose prompts are asked: those of a side, or a rule's own.
            change: Makes the UNet that is asked instead.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What the model saw at a noise level.

    Args:
        latents: Noisy, (B, C, h, w).
        sigma: Their noise level.
        positive: The clean latents as the positive prompts would have them.
        negative: As the negative ones would; zeros where they were not asked.
        guidance_scale: 1 is off.
        has_negative: Whether the negative prompts were asked.
        ask: Asks the model once more.
        memory: What rules keep from one noise level of a run to the next.
    """

    latents: Tensor
    sigma: float
    positive: Tensor
    negative: Tensor
    guidance_scale: float
    has_negative: bool
    ask: Ask
    memory: "dict[GuidanceRule, Any]"


class GuidanceRule:
    """A rule that changes nothing; rules override what they change.

    Attributes:
        needs_negative: Whether the negative prompts are asked even where guidance is off.
    """

    needs_negative: ClassVar[bool] = False

    def before(self, seen: Predictions) -> Predictions:
        """Return predictions that are put together instead."""
        return seen

    def together(self, seen: Predictions) -> Tensor | None:
        """Put predictions together; ``None`` leaves it to others."""

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """Return clean latents instead of guided ones."""
        return guided


Side = Literal["positive", "negative"] | GuidanceRule
"""Whose prompts: those of a side, or a rule's own."""


def follow(
    rules: Sequence[GuidanceRule], seen: Predictions, *, rescale: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the clean latents that come of predictions, and those of the negative prompts.

    Args:
        rules: In the order in which they have their say.
        seen: The predictions.
        rescale: 0..1; see ``rescaled``. Rules that put together leave it out.
    """
    for rule in rules:
        seen = rule.before(seen)
    found = [guided for rule in rules if (guided := rule.together(seen)) is not None]
    guided = found[-1] if found else _straight(seen, rescale)
    for rule in rules:
        guided = rule.after(guided, seen)
    return guided, seen.negative


def _straight(seen: Predictions, rescale: float) -> Tensor:
    """Guide along a straight line. Source: Ho and Salimans 2022, eq. 6."""
    if math.isclose(seen.guidance_scale, 1.0):
        return seen.positive
    guided = seen.negative + (seen.positive - seen.negative) * seen.guidance_scale
    if not rescale:
        return guided
    return rescaled(guided, seen.positive, seen.latents, seen.sigma, rescale)


def rescaled(guided: Tensor, positive: Tensor, latents: Tensor, sigma: float, amount: float) -> Tensor:
    """Bring the deviation of a guided prediction of v back to that of the positive prompts' own.

    Source: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", §3.4.
    """
    origin = latents / (1.0 + sigma**2)  # D = origin − v · sigma / sqrt(1 + sigma²)
    dims = tuple(range(1, latents.ndim))
    ratio = (origin - positive).std(dims, keepdim=True) / (origin - guided).std(dims, keepdim=True)
    return origin - (origin - guided) * (amount * ratio + 1.0 - amount)
