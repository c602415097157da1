"""Standardise an autoencoder's latents and encode a bank with it."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from training.bank import Bank
from training.files import create_array
from training.networks import SCALING_FACTOR, Sizes, make_autoencoder
from training.processes import divided

ENCODED_AT_ONCE = 8
"""Samples; with their targets, some tens of pictures."""

MEASURED = 96
"""Samples that the latents' mean and spread are taken from."""


@torch.no_grad()
def standardise(autoencoder: AutoencoderKL, bank: Bank) -> None:
    """Fold the latents' mean and spread into the quantisation layers, in place.

    Afterwards latents times SD's scaling factor have zero mean and unit variance in every channel, so
    that code written for SD 1.x latents fits.
    """
    chosen = np.linspace(0, len(bank) - 1, MEASURED).astype(int)
    pictures = np.concatenate([bank.target[chosen, 0], bank.color[chosen]])
    latents = torch.cat([encode(autoencoder, pictures[k : k + 16]) for k in range(0, len(pictures), 16)])
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3)) * SCALING_FACTOR
    channels = len(mean)
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    before.weight[:channels] /= spread.view(-1, 1, 1, 1)
    before.bias[:channels] = (before.bias[:channels] - mean) / spread
    before.bias[channels:] -= 2 * spread.log()
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= spread.view(1, -1, 1, 1)


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, pictures: np.ndarray) -> torch.Tensor:
    """Encode (B, H, W, 3) u8 pictures to the autoencoder's own (unscaled) mean latents, float32."""
    device = next(autoencoder.parameters()).device
    batch = torch.tensor(pictures, device=device).permute(0, 3, 1, 2).float() / 127.5 - 1
    means: torch.Tensor = autoencoder.encode(batch).latent_dist.mean
    return means.float()


@torch.no_grad()
def decode(autoencoder: AutoencoderKL, latents: torch.Tensor) -> np.ndarray:
    """Decode scaled latents to (B, H, W, 3) u8 pictures, a few at a time."""
    chunks = [autoencoder.decode(part / SCALING_FACTOR).sample for part in latents.split(4)]
    pictures = (torch.cat(chunks).clamp(-1, 1) + 1) * 127.5
    return pictures.round().byte().permute(0, 2, 3, 1).cpu().numpy()


def encode_bank(weights: Path, sizes: Sizes, bank: Path, out: Path, device: str, workers: int) -> None:
    """Write a bank's scaled latents: ``target`` (N, K, C, s, s) and ``color`` (N, C, s, s), float16."""
    if out.exists():
        return
    part = out.with_name(out.name + ".part")
    part.mkdir(parents=True, exist_ok=True)
    opened = Bank.open(bank)
    side = opened.size >> (len(sizes.autoencoder) - 1)
    shape = (sizes.latent_channels, side, side)
    for name, lead in (("target", opened.target.shape[:2]), ("color", (len(opened),))):
        create_array(part / f"{name}.npy", np.float16, (*lead, *shape))
    processes = workers if device == "cpu" else 1
    divided(_encode_range, len(opened), processes, weights, sizes, bank, part, device)
    part.rename(out)


def _encode_range(weights: Path, sizes: Sizes, bank: Path, folder: Path, device: str, numbers: range) -> None:
    autoencoder = make_autoencoder(sizes)
    autoencoder.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    autoencoder.eval().to(device)
    opened = Bank.open(bank)
    target = np.load(folder / "target.npy", mmap_mode="r+")
    color = np.load(folder / "color.npy", mmap_mode="r+")
    for first in range(numbers.start, numbers.stop, ENCODED_AT_ONCE):
        span = slice(first, min(first + ENCODED_AT_ONCE, numbers.stop))
        pictures = opened.target[span]
        latents = encode(autoencoder, pictures.reshape(-1, *pictures.shape[2:])) * SCALING_FACTOR
        target[span] = latents.cpu().numpy().reshape(*pictures.shape[:2], *latents.shape[1:])
        color[span] = (encode(autoencoder, opened.color[span]) * SCALING_FACTOR).cpu().numpy()
