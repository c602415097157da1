"""Train the autoencoder: pictures to latents at a quarter (or an eighth) of their size, and back."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor, nn

from training.bank import Bank
from training.loop import Plan

LINE_STYLES = frozenset({"ink sketch", "blueprint", "neon", "toon"})
"""Styles of thin lines, which an autoencoder learns last."""

LATENT_NOISE = 0.03
"""Noise that latents must stand, as a share of their spread."""


class AutoencoderTask:
    """Reconstruction of random crops of targets and viewports."""

    def __init__(self, model: nn.Module, plan: Plan, rank: int, banks: Sequence[Path]) -> None:
        assert isinstance(model, AutoencoderKL)
        self.model, self.plan = model, plan
        self.noise = 0.0 if is_encoder_frozen(model) else LATENT_NOISE
        self.banks = [Bank.open(path) for path in banks]
        self.device = torch.device(plan.device)

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted reconstruction loss of a new batch."""
        side = 64 if progress < 0.8 else 96
        batch = self.plan.batch if side == 64 else max(2, self.plan.batch * 4 // 9)
        pictures = self._pictures(rng, batch, side).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            latents = self.model.encode(pictures).latent_dist
            means = latents.mean.float()
            scale = means.detach().std()
            noisy = latents.sample() + self.noise * scale * torch.randn_like(means)
            decoded = self.model.decode(noisy).sample
        error = decoded.float() - pictures
        total = reconstruction_loss(error) + 1e-6 * latents.kl().mean()
        error = error.detach()
        colour = error - error.mean(1, keepdim=True)
        return total, {"psnr": _psnr(error), "colour_psnr": _psnr(colour), "latent_std": float(scale)}

    def _pictures(self, rng: np.random.Generator, batch: int, side: int) -> Tensor:
        crops = np.empty((batch, side, side, 3), np.uint8)
        for k in range(batch):
            bank = self.banks[rng.integers(len(self.banks))]
            picture = self._picture(bank, rng)
            # Pixel blocks are aligned to four pixels in every real picture, so crops keep that.
            top, left = 4 * rng.integers(0, (bank.size - side) // 4 + 1, 2)
            crops[k] = picture[top : top + side, left : left + side]
        pictures = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        return pictures.contiguous(memory_format=torch.channels_last)

    def _picture(self, bank: Bank, rng: np.random.Generator) -> np.ndarray:
        """Pick a target, one of lines more often, or a viewport."""
        targets = bank.target.shape[1]
        n, target = rng.integers(len(bank)), rng.integers(targets + 1)
        if target < targets and bank.looks[n][target].style not in LINE_STYLES and rng.random() < 0.5:
            n, target = rng.integers(len(bank)), rng.integers(targets)
        return np.asarray(bank.color[n] if target == targets else bank.target[n, target])


def autoencoder_task(banks: Sequence[Path]) -> partial[AutoencoderTask]:
    """Bind the data, for `training.loop.train`."""
    return partial(AutoencoderTask, banks=tuple(banks))


def freeze_encoder(autoencoder: AutoencoderKL) -> None:
    """Leave only the decoder trainable: latents stay as a denoiser learnt them."""
    for part in (autoencoder.encoder, autoencoder.quant_conv):
        part.requires_grad_(False)


def is_encoder_frozen(autoencoder: AutoencoderKL) -> bool:
    """Tell whether only the decoder is trained."""
    return not any(parameter.requires_grad for parameter in autoencoder.encoder.parameters())


def reconstruction_loss(error: Tensor) -> Tensor:
    """Weigh an error at several scales, its gradients, and colour apart from brightness.

    Args:
        error: (B, 3, H, W) in the range of pictures, -1..1.
    """
    half = F.avg_pool2d(error, 2)
    quarter = F.avg_pool2d(half, 2)
    colour = error - error.mean(1, keepdim=True)
    green = error[:, 1] - (error[:, 0] + error[:, 2]) / 2
    pooled = F.avg_pool2d(quarter, 2)
    pooled_colour = pooled - pooled.mean(1, keepdim=True)
    return (
        error.abs().mean()
        + 0.7 * error.square().mean()
        + 0.5 * _gradients(error)
        + 0.5 * half.abs().mean()
        + 0.5 * quarter.abs().mean()
        + 1.0 * colour.abs().mean()
        + 1.0 * pooled_colour.abs().mean()
        + 0.5 * green.abs().mean()
    )


def _psnr(error: Tensor) -> float:
    return float(-10 * error.square().mean().div(4).log10())


def _gradients(error: Tensor) -> Tensor:
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
