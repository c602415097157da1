"""Noise levels: those a model was trained on, and what it makes of them.

Models trained to undo a diffusion work in the variance-exploding picture: x = x0 + sigma · noise, and the
network sees x / sqrt(1 + sigma²). Flows, which go straight from pictures to noise, are in ``flow``.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import torch
from torch import Tensor

from bridge.graph import Socket

Sigmas = Annotated[Tensor, Socket("SIGMAS")]
"""float32, on the CPU, shape (n + 1,): the noise levels of n steps, descending unless flipped."""

Prediction = Literal["epsilon", "v_prediction", "sample", "consistency", "image", "flow"]
"""What a network predicts of noisy latents x:

- ``epsilon``: the noise;
- ``v_prediction``: v = (noise − sigma · x0) / sqrt(1 + sigma²) (Salimans and Ho 2022);
- ``sample``: x0;
- ``consistency``: the noise, as a latent consistency model skips it (Luo et al. 2023, eq. 9);
- ``image``: x0, from latents that are not scaled;
- ``flow``: noise − x0, from x = (1 − sigma) x0 + sigma · noise (Lipman et al. 2023; Liu et al. 2023).
"""

FIRST_BETA, LAST_BETA, TIMESTEPS = 0.00085, 0.012, 1000
"""Stable Diffusion's variances; docs/configurations.md names the source."""


class NoiseSchedule(ABC):
    """The noise levels a model was trained on, and how pictures and noise are mixed there.

    Attributes:
        sigmas: The levels, ascending, float32, on the CPU.
        prediction: What the network predicts.
    """

    __slots__ = ()

    sigmas: Tensor
    prediction: Prediction

    @property
    def sigma_min(self) -> float:
        """The lowest noise level."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """The highest noise level."""
        return float(self.sigmas[-1])

    @abstractmethod
    def timestep(self, sigma: float) -> float:
        """Return what the network is told of a noise level, 0..1000."""

    @abstractmethod
    def levels_at(self, timesteps: Tensor) -> Tensor:
        """Return the noise levels of timesteps, which may lie between trained ones."""

    @abstractmethod
    def sigma_at(self, fraction: float) -> float:
        """Return the noise level at a fraction of the way from pure noise (0) to the picture (1)."""

    @abstractmethod
    def signal(self, sigma: float) -> float:
        """Return what clean latents are multiplied by at a noise level; above 0."""

    @abstractmethod
    def add_noise(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Bring latents to the noise level that a run begins at."""

    @abstractmethod
    def input_scale(self, sigma: float) -> float:
        """Return what noisy latents are multiplied by before the network sees them."""

    @abstractmethod
    def denoised(self, latents: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """Turn noisy latents and what the network predicts into clean latents."""

    def noised(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Mix clean latents and noise as they are mixed at a noise level."""
        return latents * self.signal(sigma) + noise * sigma

    def noise_ratio(self, sigma: float) -> float:
        """Return how much noise there is to the signal: the level in the variance-exploding picture."""
        return sigma / self.signal(sigma)


@dataclass(frozen=True, slots=True, eq=False)
class VarianceSchedule(NoiseSchedule):
    """The noise levels of a diffusion, by the variances of its steps.

    Args:
        sigmas: Ascending, float32, on the CPU; one for every ``stride``-th timestep.
        log_sigmas: Their logarithms, taken before they were rounded: which of two timesteps is nearer to a
            level half-way between depends on it.
        prediction: What the network predicts.
        stride: Timesteps from one level to the next; the first level is at timestep stride − 1.
    """

    sigmas: Tensor
    log_sigmas: Tensor
    prediction: Prediction = "epsilon"
    stride: int = 1

    @classmethod
    def of_betas(
        cls, betas: Tensor, prediction: Prediction = "epsilon", *, is_zero_snr: bool = False
    ) -> "VarianceSchedule":
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
        sigmas = ((1 - alphas) / alphas).sqrt()
        return cls(sigmas.float(), sigmas.log().float(), prediction)

    def distilled(self, levels: int = 50) -> Self:
        """Return the schedule of a latent consistency model, which knows every T / levels-th level only."""
        stride = len(self.sigmas) // levels
        sigmas = self.sigmas[stride - 1 :: stride]
        return replace(self, sigmas=sigmas, log_sigmas=sigmas.log(), stride=stride)

    def timestep(self, sigma: float) -> int:
        """Return the trained timestep whose noise level is nearest on a logarithmic scale."""
        distance = (torch.tensor(sigma).log() - self.log_sigmas).abs()
        return int(distance.argmin()) * self.stride + self.stride - 1

    def levels_at(self, timesteps: Tensor) -> Tensor:
        """Return the noise levels of fractional timesteps, interpolated on a logarithmic scale."""
        timesteps = (timesteps.float() - (self.stride - 1)) / self.stride
        timesteps = timesteps.clamp(0, len(self.sigmas) - 1)
        low, high, weight = timesteps.floor().long(), timesteps.ceil().long(), timesteps.frac()
        return ((1 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()

    def sigma_at(self, fraction: float) -> float:
        """See ``NoiseSchedule``; pure noise is infinitely strong here."""
        if fraction <= 0.0:
            return math.inf
        if fraction >= 1.0:
            return 0.0
        last = len(self.sigmas) * self.stride - 1
        return float(self.levels_at(torch.tensor((1.0 - fraction) * last)))

    def signal(self, sigma: float) -> float:
        """See ``NoiseSchedule``."""
        return 1.0

    def add_noise(self, latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Bring latents to a noise level.

        At the highest level the network expects noise of variance 1 after scaling, as it was trained on
        pure noise there; hence sqrt(1 + sigma²).
        """
        starts_from_noise = sigma > self.sigma_max or math.isclose(sigma, self.sigma_max, rel_tol=1e-5)
        return latents + noise * (math.sqrt(1.0 + sigma**2) if starts_from_noise else sigma)

    def input_scale(self, sigma: float) -> float:
        """See ``NoiseSchedule``."""
        return 1.0 if self.prediction == "image" else 1.0 / math.sqrt(1.0 + sigma**2)

    def denoised(self, latents: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """See ``NoiseSchedule``."""
        match self.prediction:
            case "epsilon":
                return latents - prediction * sigma
            case "v_prediction":
                return latents / (1.0 + sigma**2) - prediction * (sigma / math.sqrt(1.0 + sigma**2))
            case "consistency":
                scaled, deviation = 10.0 * self.timestep(sigma), 0.5  # the paper's s · t and sigma_data
                total = scaled**2 + deviation**2
                clean = latents - prediction * sigma
                return clean * (scaled / math.sqrt(total)) + latents * (deviation**2 / total)
            case _:
                return prediction


def stable_diffusion_schedule(
    prediction: Prediction = "epsilon", *, is_zero_snr: bool = False
) -> VarianceSchedule:
    """Return Stable Diffusion's schedule: 1000 betas, linear in their square roots, 0.00085 to 0.012.

    A consistency model knows 50 of its levels.
    """
    betas = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    schedule = VarianceSchedule.of_betas(betas, prediction, is_zero_snr=is_zero_snr)
    return schedule.distilled() if prediction == "consistency" else schedule
