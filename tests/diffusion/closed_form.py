"""Denoisers in closed form, for samplers."""

import torch
from torch import Tensor


class Normal:
    """The denoiser of normally distributed latents; remembers the noise levels it was asked about."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        return latents / (1 + sigma**2)

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        denoised = await self(latents, sigma)
        return denoised, denoised


class Bent(Normal):
    """A denoiser that is not linear, and a negative prompt that says something else; as in ``comfyui/``."""

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        return 0.7 * latents / (1 + sigma**2) + 0.3 * torch.tanh(latents / (1 + sigma))

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        return await self(latents, sigma), 0.9 * latents / (1 + sigma**2)
