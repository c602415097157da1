"""Denoising within a mask: what it protects is put back, noised as far as the rest, before every look."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.fit import repeat_to
from bridge.diffusion.samplers import Denoise
from bridge.diffusion.sigmas import NoiseSchedule


def fit_mask(mask: Tensor, latents: Tensor) -> Tensor:
    """Bring a noise mask to latents' size, batch and device.

    Args:
        mask: Shape (B, 1, H, W) or (B, H, W), range 0..1.
        latents: Shape (b, C, h, w).

    Returns:
        Shape (b, 1, h, w), resized bilinearly.
    """
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).to(latents)
    return repeat_to(interpolate(mask, size=latents.shape[2:], mode="bilinear"), len(latents))


@dataclass(frozen=True, slots=True)
class SoftMask:
    """A mask whose values say at which step of a run a pixel begins to change.

    Args:
        schedule: The model's.
        sigmas: Of the run.
        share: How far the mask is taken so; the rest of it is taken as it is. 0 counts as 1.

    Source: Levin and Fried 2023, "Differential Diffusion", algorithm 1.
    """

    schedule: NoiseSchedule
    sigmas: Sequence[float]
    share: float

    def at(self, mask: Tensor, sigma: float) -> Tensor:
        """Return the mask that holds at a noise level."""
        start = self.schedule.timestep(self.sigmas[0])
        end = self.schedule.timestep(max(self.schedule.sigma_min, self.sigmas[-1]))
        way = (self.schedule.timestep(sigma) - end) / (start - end) if start != end else 0.0
        begun = (mask >= way).to(mask)
        return begun * self.share + mask * (1 - self.share) if 0 < self.share < 1 else begun


@dataclass(frozen=True, slots=True)
class MaskedDenoise:
    """Denoise only where a mask is 1; elsewhere the model sees, and the result is, the clean latents.

    Args:
        denoise: What is limited.
        mask: Shape (B, 1, h, w), range 0..1.
        clean: The latents to keep, (B, C, h, w).
        noise: What the clean latents are noised with, of their shape.
        schedule: The model's.
        soft: How the mask changes over the run, if it does.
    """

    denoise: Denoise
    mask: Tensor
    clean: Tensor
    noise: Tensor
    schedule: NoiseSchedule
    soft: SoftMask | None = None

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """See ``Denoise``."""
        mask = self._mask_at(sigma)
        return self._kept(await self.denoise(self._around(latents, mask, sigma), sigma), mask)

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """See ``Denoise``; what the negative prompt gives is not limited, as in ComfyUI."""
        mask = self._mask_at(sigma)
        guided, negative = await self.denoise.with_negative(self._around(latents, mask, sigma), sigma)
        return self._kept(guided, mask), negative

    def _mask_at(self, sigma: float) -> Tensor:
        return self.mask if self.soft is None else self.soft.at(self.mask, sigma)

    def _around(self, latents: Tensor, mask: Tensor, sigma: float) -> Tensor:
        return latents * mask + self.schedule.noised(self.clean, self.noise, sigma) * (1 - mask)

    def _kept(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self.clean * (1 - mask)
