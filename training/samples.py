"""Training samples of the denoiser: what is noised, when, with which prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.bank import PROMPTS, Bank
from training.schedule import TIMESTEPS
from training.styles import Look
from training.styles.fields import DOWNSCALE

ALONE = 960
"""Start timesteps from here on follow the prompt alone; below, img2img keeps the viewport's colours."""

COUPLED_SHARE = 0.85
"""Share of samples that are noised with the very noise their target was drawn from (`styles.fields`).

The rest gets fresh noise, as samplers that add noise between steps do.
"""
UNKNOWN_SHARE = 0.06
"""Share of samples whose prompt holds no known word; their target is a plain photo."""


@dataclass(frozen=True)
class EncodedBank:
    """A bank and its latents as tensors: in memory that is mapped from files, or on a GPU."""

    target: Tensor
    """Scaled latents of the targets, (N, K, 4, s, s)."""
    color: Tensor
    """Scaled latents of the viewports, (N, 4, s, s)."""
    noise: Tensor
    depth: Tensor
    lines: Tensor
    tokens: Tensor
    unknown: Tensor
    own_colours: NDArray[np.bool_]
    """(N, K), of each target's look."""
    plain_photos: NDArray[np.int64]
    """(M, 2) numbers of the targets that show an unmodified photo in the prompt's colours."""

    def __len__(self) -> int:
        return len(self.target)

    @classmethod
    def open(cls, bank: Path, latents: Path, device: torch.device) -> Self:
        """Map a bank and what `training.latents.encode_bank` made of it; load it where that is a GPU."""
        opened = Bank.open(bank)
        planes = {name: np.load(latents / f"{name}.npy", mmap_mode="c") for name in ("target", "color")}
        planes |= {name: getattr(opened, name) for name in ("noise", "depth", "lines", "tokens", "unknown")}
        own_colours = np.array([[look.own_colours for look in row] for row in opened.looks])
        plain = Look("photo", own_colours=False)
        photos = [(n, k) for n, row in enumerate(opened.looks) for k, look in enumerate(row) if look == plain]
        return cls(
            own_colours=own_colours,
            plain_photos=np.array(photos, np.int64).reshape(-1, 2),
            **{name: torch.from_numpy(plane).to(device) for name, plane in planes.items()},
        )


@dataclass(frozen=True)
class Moments:
    """Where on the way from noise to picture each sample stands; all shape (B,)."""

    start: NDArray[np.int64]
    """Timestep at which sampling began."""
    now: NDArray[np.int64]
    is_img2img: NDArray[np.bool_]
    is_pure_noise: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Latents are (B, 4, h, w), unit variance; controls (B, 3, 4 h, 4 w), 0..1; tokens (B, 77)."""

    tokens: Tensor
    clean: Tensor
    viewport: Tensor
    noise: Tensor
    depth: Tensor
    lines: Tensor
    moments: Moments


def draw_batch(bank: EncodedBank, rng: np.random.Generator, size: int, crop: int = 0) -> Batch:
    """Draw samples; ``crop`` is the side, in latent cells, of the window all of them show, 0 for all."""
    n, k = rng.integers(len(bank), size=size), rng.integers(bank.target.shape[1], size=size)
    is_unknown = rng.random(size) < (UNKNOWN_SHARE if len(bank.plain_photos) else 0)
    photos = bank.plain_photos[rng.integers(max(1, len(bank.plain_photos)), size=int(is_unknown.sum()))]
    n[is_unknown], k[is_unknown] = photos[:, 0], photos[:, 1]
    rows, columns = _on_device(bank, n), _on_device(bank, k)
    tokens = bank.tokens[rows, columns, _on_device(bank, rng.integers(PROMPTS, size=size))]
    unknown = bank.unknown[_on_device(bank, rng.integers(len(bank.unknown), size=size))]
    tokens = torch.where(_on_device(bank, is_unknown)[:, None], unknown, tokens)
    cells, pixels = _window(bank.color.shape[-1], crop, rng)
    noise = bank.noise[rows, columns][cells].float()
    is_fresh = _on_device(bank, rng.random(size) > COUPLED_SHARE)
    noise = torch.where(is_fresh.view(-1, 1, 1, 1), torch.randn_like(noise), noise)
    depth, lines = (plane[rows][pixels] / 255 for plane in (bank.depth, bank.lines))
    return Batch(
        tokens,
        bank.target[rows, columns][cells].float(),
        bank.color[rows][cells].float(),
        noise,
        depth[:, None].expand(-1, 3, -1, -1),
        lines[:, None].expand(-1, 3, -1, -1),
        draw_moments(bank.own_colours[n, k], rng),
    )


def draw_moments(own_colours: NDArray[np.bool_], rng: np.random.Generator) -> Moments:
    """Draw where samples stand.

    Targets in the scene's colours can be told only from something that shows them: the viewport, or a
    picture not yet buried in noise. Targets in the prompt's colours start at or near pure noise.
    """
    size, kind = len(own_colours), rng.random(len(own_colours))
    is_img2img = rng.random(size) < np.where(own_colours, 0.65, 0.2)
    is_pure = ~is_img2img & ~own_colours & (kind < 0.45)
    start = np.where(own_colours, rng.integers(60, ALONE, size), rng.integers(ALONE, TIMESTEPS, size))
    later = np.where(rng.random(size) < 0.6, start, rng.integers(20, start + 1))
    freely = np.where(
        own_colours, rng.integers(10, 900, size), rng.integers(np.where(kind < 0.75, 400, 10), TIMESTEPS)
    )
    now = np.where(is_img2img, later, np.where(is_pure, TIMESTEPS - 1, freely))
    return Moments(np.where(is_img2img, start, now), now, is_img2img, is_pure)


def _on_device(bank: EncodedBank, numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers).to(bank.target.device)


Window = tuple[slice, ...]


def _window(side: int, crop: int, rng: np.random.Generator) -> tuple[Window, Window]:
    """Choose a window: its latent cells of (B, 4, s, s), and its pixels of (B, S, S)."""
    crop = min(crop or side, side)
    top, left = (2 * int(x) for x in rng.integers(0, (side - crop) // 2 + 1, 2))
    spans = [slice(top, top + crop), slice(left, left + crop)]
    down, across = (slice(DOWNSCALE * s.start, DOWNSCALE * s.stop) for s in spans)
    everything = slice(None)
    return (everything, everything, *spans), (everything, down, across)
