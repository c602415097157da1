"""What is trained, and for how long: the two things that `training.loop` is given."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

Inputs = Mapping[str, Tensor | None]
"""A batch on the device; None is what this batch goes without."""


class Task(Protocol):
    """What is trained: random batches, and a loss on them."""

    def draw(self, rng: np.random.Generator, progress: float) -> Inputs:
        """Return a new batch; ``progress`` runs 0..1."""

    def loss(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch and named numbers for the curve, NaN where there is nothing to say."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train. Steps are worker 0's; training ends by steps or seconds."""

    steps: int
    rate: float
    warmup: int = 100
    decay_share: float = 0.3
    average: float = 0.998
    weight_decay: float = 1e-4
    workers: int = 2
    device: str = "cpu"
    batch: int = 8
    crop: int = 0
    """Side, latent cells, of the windows that a denoiser is trained on; 0 takes whole samples."""
    seconds: float = math.inf

    def progress(self, step: int, seconds: float) -> float:
        """How much of the training is done, 0..1."""
        return min(1.0, max(step / self.steps, seconds / self.seconds))

    def rate_at(self, step: int, progress: float) -> float:
        """Warm up, hold, then fall with a square root to 2 %: more steps can be appended later."""
        fall = (progress - (1 - self.decay_share)) / self.decay_share
        return (
            self.rate
            * min(1.0, (step + 1) / self.warmup)
            * max(0.02, 1 - max(0.0, fall) ** 0.5 if fall > 0 else 1.0)
        )


MakeTask = Callable[[nn.Module, Plan, int], Task]
"""Called in every worker with the model, the plan and the worker's number; must be picklable."""
