"""The noise of a run, from its seed. Drawn on the CPU, so that a seed means the same on every device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torchsde
from torch import Tensor

from bridge.diffusion.types import LatentBatch
from bridge.graph import Socket

SEEDS = 2**64
"""Seeds lie in 0..2**64 − 1."""

_TREE_DIGITS = 6
"""torchsde rounds noise levels to these decimals inside, and warns about its own rounding otherwise."""


def initial_noise(shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """Draw the noise that latents start from.

    Args:
        shape: (B, C, h, w).
        seed: 0..2**64 − 1.
        batch_index: For each picture, which one of a larger batch it is: it gets the noise it would have
            got there. ``None`` for 0, 1, 2 …, drawn as one block.

    Returns:
        Shape as given, float32, on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    if batch_index is None:
        return torch.randn(tuple(shape), generator=generator)
    single = (1, *shape[1:])
    drawn = [torch.randn(single, generator=generator) for _ in range(max(batch_index) + 1)]
    return torch.cat([drawn[index] for index in batch_index])


@dataclass(frozen=True, slots=True)
class SeededNoise:
    """What a run begins with.

    Args:
        seed: 0..2**64 − 1; names the initial noise and what a sampler adds later.
        is_silent: Whether the initial noise is left out.
    """

    seed: int = 0
    is_silent: bool = False

    def initial(self, latents: LatentBatch) -> Tensor:
        """Return noise for latents, of their shape, float32, on the CPU."""
        samples = latents["samples"]
        if self.is_silent:
            return torch.zeros(samples.shape)
        return initial_noise(samples.shape, self.seed, latents.get("batch_index"))


Noise = Annotated[SeededNoise, Socket("NOISE")]


def next_seed(seed: int) -> int:
    """Return the seed of noise that is to differ from the initial noise of a seed.

    Source: ComfyUI's rule on the CPU; docs/decisions/0010-ancestral-noise.md.
    """
    return (seed + 1) % SEEDS


class NoiseSource:
    """Fresh noise for samplers that add some at every step.

    Args:
        like: The latents: their shape and device.
        sigmas: The run's noise levels.
        seed: The run's seed; what is drawn here differs from ``initial_noise`` of the same seed.
    """

    def __init__(self, like: Tensor, sigmas: Sequence[float], seed: int) -> None:
        self._like = like
        self._seed = seed
        self._ends = min(sigma for sigma in sigmas if sigma > 0), max(sigmas)
        self._generator = torch.Generator().manual_seed(next_seed(seed))
        self._tree: torchsde.BrownianTree | None = None

    def independent(self) -> Tensor:
        """Draw noise of variance 1, independent of all drawn before."""
        return torch.randn(self._like.shape, generator=self._generator).to(self._like)

    def between(self, sigma: float, next_sigma: float) -> Tensor:
        """Return what a Brownian path does between two noise levels, scaled to variance 1.

        The path depends on the seed alone, so that a run with more steps sees the same path more finely.
        Beyond the run's levels it does not move.
        """
        if self._tree is None:
            start, end = map(self._on_path, self._ends)
            self._tree = torchsde.BrownianTree(start, torch.zeros(self._like.shape), end, entropy=self._seed)
        low, high = sorted((sigma, next_sigma))
        path = self._tree(self._on_path(low), self._on_path(high))
        # The tree runs upwards in sigma, samplers downwards; ComfyUI keeps the sign.
        sign = 1.0 if sigma < next_sigma else -1.0
        step: Tensor = path * (sign / (high - low) ** 0.5)
        return step.to(self._like)

    def _on_path(self, sigma: float) -> float:
        lowest, highest = self._ends
        return round(min(max(sigma, lowest), highest), _TREE_DIGITS)
