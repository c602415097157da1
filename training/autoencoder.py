"""Train the autoencoder: pictures to latents at a quarter of their size, and back."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor, nn

from training.bank import Bank
from training.loop import mixed_precision
from training.task import Inputs, Plan

LINE_STYLES = frozenset({"ink sketch", "blueprint", "neon", "toon"})
"""Styles of thin lines, which an autoencoder learns last."""

LINE_SHARE = 0.3
"""Share of a batch that shows these, beside those among the others."""

LATENT_NOISE = 0.03
"""Noise that latents must stand, as a share of their spread."""


class AutoencoderTask:
    """Reconstruction of random crops of targets and viewports."""

    def __init__(self, model: nn.Module, plan: Plan, rank: int, banks: Sequence[Path]) -> None:
        assert isinstance(model, AutoencoderKL)
        self.model, self.plan = model, plan
        self.noise = 0.0 if is_encoder_frozen(model) else LATENT_NOISE
        self.device = torch.device(plan.device)
        self.banks = [_Pictures(Bank.open(path), self.device) for path in banks]

    def draw(self, rng: np.random.Generator, progress: float) -> Inputs:
        """Draw a batch; late in the training fewer and larger crops."""
        side = 64 if progress < 0.8 else 96
        batch = self.plan.batch if side == 64 else max(2, self.plan.batch * 4 // 9)
        return {"pictures": self.banks[rng.integers(len(self.banks))].draw(rng, batch, side)}

    def loss(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted reconstruction loss of a batch."""
        pictures, dtype = inputs["pictures"], self.model.dtype
        assert pictures is not None
        with mixed_precision(self.device):
            latents = self.model.encode(pictures.to(dtype)).latent_dist
            means = latents.mean.float()
            scale = means.detach().std()
            sample = means + latents.std.float() * torch.randn_like(means)
            noisy = sample + self.noise * scale * torch.randn_like(means)
            decoded = self.model.decode(noisy.to(dtype)).sample
        error = decoded.float() - pictures
        total = reconstruction_loss(error) + 1e-6 * latents.kl().float().mean()
        error = error.detach()
        colour = error - error.mean(1, keepdim=True)
        return total, {"psnr": _psnr(error), "colour_psnr": _psnr(colour), "latent_std": scale}


class _Pictures:
    """The targets and viewports of a bank on a device."""

    def __init__(self, bank: Bank, device: torch.device) -> None:
        self.target, self.color = (torch.from_numpy(plane).to(device) for plane in (bank.target, bank.color))
        rows = enumerate(bank.looks)
        lines = [(n, k) for n, row in rows for k, look in enumerate(row) if look.style in LINE_STYLES]
        self.lines = np.array(lines, np.int64).reshape(-1, 2)

    def draw(self, rng: np.random.Generator, batch: int, side: int) -> Tensor:
        """Crop targets, those of lines more often, and viewports, to (B, 3, side, side) in -1..1."""
        samples, targets, size = self.target.shape[:3]
        n, k = rng.integers(samples, size=batch), rng.integers(targets + 1, size=batch)
        of_lines = rng.random(batch) < (LINE_SHARE if len(self.lines) else 0)
        chosen = self.lines[rng.integers(max(1, len(self.lines)), size=int(of_lines.sum()))]
        n[of_lines], k[of_lines] = chosen[:, 0], chosen[:, 1]
        # Pixel blocks are aligned to four pixels in every real picture, so crops keep that.
        top, left = (4 * int(x) for x in rng.integers(0, (size - side) // 4 + 1, 2))
        window = (slice(None), slice(top, top + side), slice(left, left + side))
        rows, columns = (torch.from_numpy(x).to(self.color.device) for x in (n, k))
        is_viewport = (columns == targets).view(-1, 1, 1, 1)
        of_targets = self.target[rows, columns.clamp(max=targets - 1)][window]
        crops = torch.where(is_viewport, self.color[rows][window], of_targets)
        pictures = crops.permute(0, 3, 1, 2).float() / 127.5 - 1
        return pictures.contiguous(memory_format=torch.channels_last)


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


def _psnr(error: Tensor) -> Tensor:
    return -10 * error.square().mean().div(4).log10()


def _gradients(error: Tensor) -> Tensor:
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
