"""Noise levels: those a model was trained on, and the ones a scheduler picks for a run.

Everything is in the variance-exploding picture: x = x0 + sigma · noise, and the network sees
x / sqrt(1 + sigma²). Sigmas are Python floats that are exact in float32, so that no step waits for a
device. The names of the schedulers and their meaning are ComfyUI's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import betaincinv
from torch import Tensor

from bridge.errors import InputError

Prediction = Literal["epsilon", "v_prediction"]

MAX_STEPS = 1_000_000
"""The longest schedule that is made: 10,000 steps at a strength of 0.01."""


@dataclass(frozen=True, slots=True, eq=False)
class NoiseSchedule:
    """The noise levels a model was trained on.

    Args:
        sigmas: One for each timestep 0..T−1, ascending, float32, on the CPU.
        prediction: What the network predicts: the noise, or v = (noise − sigma · x0) / sqrt(1 + sigma²).
    """

    sigmas: Tensor
    prediction: Prediction = "epsilon"

    @classmethod
    def of_betas(
        cls, betas: Tensor, prediction: Prediction = "epsilon", *, is_zero_snr: bool = False
    ) -> "NoiseSchedule":
        """Build the schedule from the variances of a forward process.

        Args:
            betas: float64, shape (T,).
            prediction: See above.
            is_zero_snr: Whether the last level was rescaled to pure noise (Lin et al. 2023, algorithm 1).
        """
        alphas = torch.cumprod(1.0 - betas, dim=0)
        if is_zero_snr:
            roots = alphas.sqrt()
            roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
            alphas = (roots**2).clamp(min=4.8973451890853435e-08)  # ComfyUI's stand-in for an infinite sigma
        return cls(((1 - alphas) / alphas).sqrt().float(), prediction)

    @property
    def sigma_min(self) -> float:
        """The lowest noise level."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """The highest noise level."""
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> int:
        """Return the trained timestep whose noise level is nearest on a logarithmic scale."""
        distance = (torch.tensor(sigma).log() - self.sigmas.log()).abs()
        return int(distance.argmin())

    def levels_at(self, timesteps: Tensor) -> Tensor:
        """Return the noise levels of fractional timesteps, interpolated on a logarithmic scale."""
        timesteps = timesteps.float().clamp(0, len(self.sigmas) - 1)
        low, high, weight = timesteps.floor().long(), timesteps.ceil().long(), timesteps.frac()
        return ((1 - weight) * self.sigmas[low].log() + weight * self.sigmas[high].log()).exp()

    def sigma_at(self, fraction: float) -> float:
        """Return the noise level at a fraction of the way from pure noise (0) to the picture (1)."""
        if fraction <= 0.0:
            return math.inf
        if fraction >= 1.0:
            return 0.0
        return float(self.levels_at(torch.tensor((1.0 - fraction) * (len(self.sigmas) - 1))))

    def add_noise(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Bring latents to a noise level.

        At the highest level the network expects noise of variance 1 after scaling, as it was trained on
        pure noise there; hence sqrt(1 + sigma²).
        """
        starts_from_noise = sigma > self.sigma_max or math.isclose(sigma, self.sigma_max, rel_tol=1e-5)
        return latents + noise * (math.sqrt(1.0 + sigma**2) if starts_from_noise else sigma)

    def input_scale(self, sigma: float) -> float:
        """Return what noisy latents are multiplied by before the network sees them."""
        return 1.0 / math.sqrt(1.0 + sigma**2)

    def denoised(self, latents: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """Turn noisy latents and what the network predicts into clean latents."""
        if self.prediction == "epsilon":
            return latents - prediction * sigma
        return latents / (1.0 + sigma**2) - prediction * (sigma / math.sqrt(1.0 + sigma**2))


def stable_diffusion_schedule(
    prediction: Prediction = "epsilon", *, is_zero_snr: bool = False
) -> NoiseSchedule:
    """Return Stable Diffusion's schedule: 1000 betas, linear in their square roots, 0.00085 to 0.012."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseSchedule.of_betas(betas, prediction, is_zero_snr=is_zero_snr)


def make_sigmas(
    schedule: NoiseSchedule, scheduler: str, num_inference_steps: int, strength: float
) -> list[float]:
    """Return the noise levels of a run, descending to 0; steps + 1 of them.

    Args:
        schedule: The model's.
        scheduler: A key of ``SCHEDULERS``.
        num_inference_steps: At least 1.
        strength: 0..1; below 1 all steps are run, on the tail of a schedule of int(steps / strength).
            0 leaves nothing to do: an empty list.

    Raises:
        InputError: If the schedule would have more than ``MAX_STEPS`` levels.
    """
    spacing = SCHEDULERS[scheduler]
    if strength > 0.9999:
        return _floats(spacing(schedule, num_inference_steps))
    if strength <= 0.0:
        return []
    total = int(num_inference_steps / strength)
    if total > MAX_STEPS:
        raise InputError(
            f"a strength of {strength:g} makes a schedule of {total:,} steps; the most is {MAX_STEPS:,}",
            code="out_of_range",
            hint="Use a greater strength, or 0 to change nothing.",
        )
    return _floats(spacing(schedule, total)[-(num_inference_steps + 1) :])


def _normal(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in timesteps, both ends included."""
    return _ending_clean(schedule.levels_at(_timesteps(schedule, steps)))


def _sgm_uniform(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in timesteps, the lowest level left out."""
    return _ending_clean(schedule.levels_at(_timesteps(schedule, steps + 1)[:-1]))


def _timesteps(schedule: NoiseSchedule, count: int) -> Tensor:
    return torch.linspace(len(schedule.sigmas) - 1, 0, count)


def _karras(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in sigma^(1/7). Source: Karras et al. 2022, eq. 5."""
    rho = 7.0
    low, high = schedule.sigma_min ** (1 / rho), schedule.sigma_max ** (1 / rho)
    return _ending_clean((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def _exponential(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in log sigma."""
    ends = math.log(schedule.sigma_max), math.log(schedule.sigma_min)
    return _ending_clean(torch.linspace(*ends, steps).exp())


def _simple(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Every (T / steps)-th trained level, counted down from the highest."""
    levels = len(schedule.sigmas)
    return _ending_clean(
        schedule.sigmas[[levels - 1 - int(step * (levels / steps)) for step in range(steps)]]
    )


def _ddim_uniform(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Every (T // steps)-th trained level, counted up from timestep 1.

    Where steps does not divide T there can be more levels than asked for, as in ComfyUI.
    """
    stride = max(len(schedule.sigmas) // steps, 1)
    return _ending_clean(schedule.sigmas[1::stride].flip(0))


def _beta(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Trained levels at the quantiles of a Beta(0.6, 0.6) distribution; denser at both ends.

    Source: Lee et al. 2024, "Beta Sampling is All You Need".
    """
    quantiles = betaincinv(0.6, 0.6, [1.0 - step / steps for step in range(steps)])
    timesteps = [round(quantile * (len(schedule.sigmas) - 1)) for quantile in quantiles]
    return _ending_clean(schedule.sigmas[list(dict.fromkeys(timesteps))])


def _ending_clean(sigmas: Tensor) -> Tensor:
    return torch.cat((sigmas, torch.zeros(1)))


def _floats(values: Tensor) -> list[float]:
    floats: list[float] = values.tolist()
    return floats


SCHEDULERS: Mapping[str, Callable[[NoiseSchedule, int], Tensor]] = {
    "simple": _simple,
    "sgm_uniform": _sgm_uniform,
    "karras": _karras,
    "exponential": _exponential,
    "ddim_uniform": _ddim_uniform,
    "beta": _beta,
    "normal": _normal,
}
"""Name → noise levels of a full run of some steps, descending to 0."""
