"""Contact sheets: the pictures to look at before believing a number."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from diffusers import AutoencoderKL

from training.bank import sample_noise
from training.denoiser import Networks
from training.gbuffer import Shard, View
from training.painter import Painter
from training.styles import STYLES, Look, stylise

SHOWN = ("suzanne", "default cube", "engine", "wuson", "bunny")
"""Held-out models, by the names that `training.scenes.frames` gives their frames."""

ROWS: tuple[tuple[str, dict[str, object]], ...] = (
    ("1 step", {"steps": 1}),
    ("4 steps", {"steps": 4}),
    ("denoise 0.6, 4 steps", {"steps": 4, "strength": 0.6, "from_viewport": True}),
)


def write_sheet(
    networks: Networks, autoencoder: AutoencoderKL, frames: Path, out: Path, tokenizer: Path
) -> None:
    """Write a picture with, for some frames, the viewport, every style's target, and what is painted.

    Raises:
        OSError: If ``out`` cannot be written.
    """
    painter = Painter(networks, autoencoder, tokenizer)
    shard, names = Shard.open(frames), json.loads((frames / "names.json").read_text("utf-8"))
    rows: list[np.ndarray] = []
    for number in shown_frames(names):
        view = shard.view(number)
        rows.append(np.hstack([view.color, *targets(view)]))
        for title, options in ROWS:
            painted = painter.paint(view, STYLES, **options)  # type: ignore[arg-type]
            rows.append(np.hstack([_label(title, view.color), *painted]))
    if not cv2.imwrite(str(out), np.vstack(rows)[..., ::-1]):
        raise OSError(f"contact sheet {out} could not be written")


def shown_frames(names: Sequence[str]) -> list[int]:
    """Pick the first frame of each model in `SHOWN`, or evenly spread ones where none of them is there."""
    wanted = [names.index(name) for name in SHOWN if name in names]
    spread = np.linspace(0, len(names) - 1, min(len(SHOWN), len(names)))
    return wanted or [round(number) for number in spread.tolist()]


def targets(view: View) -> list[np.ndarray]:
    """Draw a view in every unmodified style, in the style's own colours."""
    noise = sample_noise(0, 0, 0, max(view.shape))[:, : view.shape[0] // 4, : view.shape[1] // 4]
    return [stylise(view, Look(style, own_colours=False), noise) for style in STYLES]


def _label(text: str, like: np.ndarray) -> np.ndarray:
    blank = np.full_like(like, 40)
    cv2.putText(
        blank, text, (4, like.shape[0] // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA
    )
    return blank
