"""Contact sheets: the pictures to look at before believing a number."""

from pathlib import Path

import cv2
import numpy as np
from diffusers import AutoencoderKL

from training.bank import sample_noise
from training.denoiser import Networks
from training.gbuffer import Shard, View
from training.painter import Painter
from training.styles import STYLES, Look, stylise

SHOWN = (0, 20, 27, 33, 43)
"""Frames of the held-out models: Suzanne, the default cube, an engine, a bull, a bunny."""

ROWS: tuple[tuple[str, dict[str, object]], ...] = (
    ("1 step", {"steps": 1}),
    ("4 steps", {"steps": 4}),
    ("denoise 0.6, 4 steps", {"steps": 4, "strength": 0.6, "from_viewport": True}),
)


def write_sheet(
    networks: Networks, autoencoder: AutoencoderKL, frames: Path, out: Path, tokenizer: Path, count: int = 3
) -> None:
    """Write a picture with, for some frames, the viewport, every style's target, and what is painted."""
    painter = Painter(networks, autoencoder, tokenizer)
    shard = Shard.open(frames)
    rows: list[np.ndarray] = []
    for number in [n for n in SHOWN if n < len(shard)][:count]:
        view = shard.view(number)
        rows.append(np.hstack([view.color, *targets(view)]))
        for title, options in ROWS:
            painted = painter.paint(view, STYLES, **options)  # type: ignore[arg-type]
            rows.append(np.hstack([_label(title, view.color), *painted]))
    cv2.imwrite(str(out), np.vstack(rows)[..., ::-1])


def targets(view: View, own_colours: bool = False) -> list[np.ndarray]:
    """Draw a view in every unmodified style."""
    noise = sample_noise(0, 0, 0, max(view.shape))[:, : view.shape[0] // 4, : view.shape[1] // 4]
    return [stylise(view, Look(style, own_colours=own_colours), noise) for style in STYLES]


def _label(text: str, like: np.ndarray) -> np.ndarray:
    blank = np.full_like(like, 40)
    cv2.putText(
        blank, text, (4, like.shape[0] // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA
    )
    return blank
