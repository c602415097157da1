"""Training samples of the denoiser: what is noised, when, with which prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from training.bank import Bank, sample_noise
from training.prompts import Prompter
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
    """A bank and its latents."""

    bank: Bank
    target: np.ndarray
    color: np.ndarray
    plain_photos: np.ndarray
    """(M, 2) numbers of the samples that show an unmodified photo in the prompt's colours."""

    def __len__(self) -> int:
        return len(self.target)

    @classmethod
    def open(cls, bank: Path, latents: Path) -> Self:
        """Map a bank and what `training.latents.encode_bank` made of it."""
        opened = Bank.open(bank)
        plain = Look("photo", own_colours=False)
        target, color = (np.load(latents / f"{name}.npy", mmap_mode="r") for name in ("target", "color"))
        rows = enumerate(opened.looks[: len(target)])
        photos = [(n, k) for n, row in rows for k, look in enumerate(row) if look == plain]
        return cls(opened, target, color, np.array(photos))


@dataclass(frozen=True)
class Moment:
    """Where on the way from noise to picture a sample stands."""

    start: int
    """Timestep at which sampling began."""
    now: int
    is_img2img: bool
    is_pure_noise: bool = False


@dataclass(frozen=True)
class Sample:
    """One sample. Latents are (4, h, w), unit variance; controls (3, 4 h, 4 w), 0..1."""

    prompt: str
    clean: Tensor
    viewport: Tensor
    noise: Tensor
    depth: Tensor
    lines: Tensor
    moment: Moment


def draw_sample(bank: EncodedBank, prompter: Prompter, rng: np.random.Generator, crop: int = 0) -> Sample:
    """Draw a sample; ``crop`` is the side, in latent cells, of the window that is used, 0 for all."""
    if rng.random() < UNKNOWN_SHARE and len(bank.plain_photos):
        n, k = (int(x) for x in bank.plain_photos[rng.integers(len(bank.plain_photos))])
        prompt = prompter.write_unknown(rng)
    else:
        n, k = int(rng.integers(len(bank))), int(rng.integers(bank.target.shape[1]))
        prompt = prompter.write(bank.bank.looks[n][k], rng)
    moment = draw_moment(bank.bank.looks[n][k].own_colours, rng)
    noise = sample_noise(bank.bank.seed, n, k, bank.bank.size)
    if rng.random() > COUPLED_SHARE:
        noise = rng.standard_normal(noise.shape, np.float32)
    cells, pixels = _window(bank.color.shape[-1], crop, rng)
    latents = (
        torch.from_numpy(plane[cells].astype(np.float32))
        for plane in (bank.target[n, k], bank.color[n], noise)
    )
    controls = (
        torch.from_numpy(plane[n][pixels] / np.float32(255)) for plane in (bank.bank.depth, bank.bank.lines)
    )
    depth, lines = (control.expand(3, -1, -1) for control in controls)
    return Sample(prompt, *latents, depth, lines, moment)


def draw_moment(own_colours: bool, rng: np.random.Generator) -> Moment:
    """Draw where a sample stands.

    Targets in the scene's colours can be told only from something that shows them: the viewport, or a
    picture not yet buried in noise. Targets in the prompt's colours start at or near pure noise.
    """
    if rng.random() < (0.65 if own_colours else 0.2):
        start = int(rng.integers(60, ALONE) if own_colours else rng.integers(ALONE, TIMESTEPS))
        now = start if rng.random() < 0.6 else int(rng.integers(20, start + 1))
        return Moment(start, now, is_img2img=True)
    if own_colours:
        now = int(rng.integers(10, 900))
        return Moment(now, now, is_img2img=False)
    kind = rng.random()
    if kind < 0.45:
        return Moment(TIMESTEPS - 1, TIMESTEPS - 1, is_img2img=False, is_pure_noise=True)
    now = int(rng.integers(400 if kind < 0.75 else 10, TIMESTEPS))
    return Moment(now, now, is_img2img=False)


def _window(
    side: int, crop: int, rng: np.random.Generator
) -> tuple[tuple[slice, slice, slice], tuple[slice, slice]]:
    """Choose a window: its latent cells, and its pixels."""
    crop = min(crop or side, side)
    top, left = (2 * int(x) for x in rng.integers(0, (side - crop) // 2 + 1, 2))
    spans = [slice(top, top + crop), slice(left, left + crop)]
    down, across = (slice(DOWNSCALE * s.start, DOWNSCALE * s.stop) for s in spans)
    return (slice(None), *spans), (down, across)  # type: ignore[return-value]
