"""UniPC: a corrector for every predictor at no further model call. Source: Zhao et al. 2023, "UniPC"."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers.step import Denoise, Step, Steps

_LOWEST = 1e-3
"""Where a run to 0 ends, since log sigma must be finite. Source: ComfyUI."""


async def uni_pc(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    noise: NoiseSource,
    *,
    variant: Literal["bh1", "bh2"] = "bh1",
) -> Steps:
    """Predict from up to three predictions, look, and correct by what was seen. Source: algorithms 1, 2.

    Args:
        denoise: See ``SamplerFunction``, as the next three.
        latents: Noisy.
        sigmas: Noise levels.
        noise: Unused; the solver is deterministic.
        variant: The paper's B(h) = h or e^h − 1.
    """
    levels = [*sigmas[:-1], sigmas[-1] or _LOWEST]
    steps = len(levels) - 1
    order = min(3, steps - 1)
    known = [(levels[0], await denoise(latents, levels[0]))]
    if steps == 1:  # nothing to correct, and no second prediction
        denoised = known[0][1]
        yield Step(denoised + (latents - denoised) * (sigmas[1] / sigmas[0]), denoised)
        return
    for index in range(1, steps + 1):
        step_order = min(order, index, steps + 1 - index)
        move = _Move(known[-step_order:], levels[index], variant)
        predicted = move.predicted(latents)
        yield Step(predicted, known[-1][1])
        if index < steps:
            seen = await denoise(predicted, levels[index])
            latents = move.corrected(latents, seen)
            known = [*known, (levels[index], seen)][-3:]


class _Move:
    """One step from the last known level.

    Args:
        known: The last levels and what was predicted there, the latest last; as many as the order.
        sigma: Where the step ends.
        variant: See ``uni_pc``.
    """

    def __init__(self, known: Sequence[tuple[float, Tensor]], sigma: float, variant: str) -> None:
        (last_sigma, self._denoised), *earlier = reversed(known)
        h = math.log(last_sigma / sigma)
        ratios = [math.log(last_sigma / level) / h for level, _ in earlier]
        self._changes = [
            (denoised - self._denoised) / ratio for (_, denoised), ratio in zip(earlier, ratios, strict=True)
        ]
        self._keep = sigma / last_sigma
        self._gain = -h if variant == "bh1" else math.expm1(-h)
        self._order = len(known)
        self._system = np.vander([*ratios, 1.0], self._order, increasing=True).T
        self._moments = _moments(-h, self._order) / self._gain

    def predicted(self, latents: Tensor) -> Tensor:
        """Return the latents at the end, from what is known."""
        size = self._order - 1
        # The paper takes 1/2 for order 2, §3.4: it spares the solution and is as accurate.
        weights = [0.5] if size == 1 else np.linalg.solve(self._system[:size, :size], self._moments[:size])
        return self._moved(latents, self._changes, weights)

    def corrected(self, latents: Tensor, seen: Tensor) -> Tensor:
        """Return the latents at the end, knowing what the model sees there too."""
        weights = [0.5] if self._order == 1 else np.linalg.solve(self._system, self._moments)
        return self._moved(latents, [*self._changes, seen - self._denoised], weights)

    def _moved(
        self, latents: Tensor, changes: Sequence[Tensor], weights: Sequence[float] | np.ndarray
    ) -> Tensor:
        moved = latents * self._keep + self._denoised * (1 - self._keep)
        for change, weight in zip(changes, weights, strict=True):
            moved = moved - change * (self._gain * float(weight))
        return moved


def _moments(length: float, count: int) -> np.ndarray:
    """Return h · φ_(k+1)(h) · k! for k = 1, 2 …"""
    moments, phi = [], math.expm1(length) / length - 1
    for k in range(1, count + 1):
        moments.append(phi * math.factorial(k))
        phi = phi / length - 1 / math.factorial(k + 1)
    return np.array(moments)
