"""A bank of training samples: crops of views with their controls and a few stylised targets each.

Making a target costs milliseconds; drawing it again in every epoch would cost more than the training
step that uses it. A bank is a folder of memory-mapped arrays, see `Bank`.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from training.controls import depth_control, random_line_control
from training.files import create_array
from training.gbuffer import Shard, View, open_shards
from training.processes import divided
from training.prompts import PROMPT_TOKENS, Prompter
from training.styles import STYLES, Look, random_look, stylise
from training.styles.fields import DOWNSCALE

LATENT_CHANNELS = 4
PROMPTS = 4
"""Wordings of each target's look."""

UNKNOWN_PROMPTS = 2_000
PLANES = ("color", "depth", "lines", "target", "noise", "tokens")


@dataclass(frozen=True)
class Bank:
    """A finished bank, memory-mapped: N samples of S pixels a side with K targets each.

    ``color`` (N, S, S, 3) u8; ``depth`` and ``lines`` (N, S, S) u8; ``target`` (N, K, S, S, 3) u8;
    ``noise`` (N, K, 4, S / 4, S / 4) float16, the latent noise that each target was drawn from;
    ``tokens`` (N, K, `PROMPTS`, 77) int32; ``unknown`` (M, 77) int32, prompts without a known word.
    """

    color: np.ndarray
    depth: np.ndarray
    lines: np.ndarray
    target: np.ndarray
    noise: np.ndarray
    tokens: np.ndarray
    unknown: np.ndarray
    looks: list[list[Look]]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a bank's files; what is written into the arrays stays in memory."""
        planes = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in (*PLANES, "unknown")}
        rows = json.loads((folder / "looks.json").read_text("utf-8"))
        return cls(looks=[[Look(**look) for look in row] for row in rows], **planes)

    def __len__(self) -> int:
        return len(self.color)

    @property
    def size(self) -> int:
        """Side of a picture, pixels."""
        return int(self.color.shape[1])


def sample_noise(seed: int, sample: int, target: int, size: int) -> np.ndarray:
    """Return the latent noise of one target, (4, size / 4, size / 4) float32, always the same."""
    # Zeros at the end of a key change nothing, and (seed, sample) draws the sample's view and looks.
    rng = np.random.default_rng((seed, sample, target, 1))
    return rng.standard_normal((LATENT_CHANNELS, size // DOWNSCALE, size // DOWNSCALE), np.float32)


def build_bank(
    scenes: Path,
    out: Path,
    tokenizer: Path,
    *,
    samples: int,
    size: int,
    targets: int,
    seed: int,
    workers: int,
    styles: Sequence[str] = STYLES,
) -> None:
    """Draw a bank into ``out``; the folder appears only when it is complete."""
    if out.exists():
        return
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    cells = size // DOWNSCALE
    for name, shape, dtype in (
        ("color", (samples, size, size, 3), np.uint8),
        ("depth", (samples, size, size), np.uint8),
        ("lines", (samples, size, size), np.uint8),
        ("target", (samples, targets, size, size, 3), np.uint8),
        ("noise", (samples, targets, LATENT_CHANNELS, cells, cells), np.float16),
        ("tokens", (samples, targets, PROMPTS, PROMPT_TOKENS), np.int32),
    ):
        create_array(part / f"{name}.npy", dtype, shape)
    arguments = (scenes, part, tokenizer, seed, tuple(styles))
    rows = [row for rows in divided(_draw_range, samples, workers, *arguments) for row in rows]
    np.save(part / "unknown.npy", _unknown_tokens(tokenizer, seed))
    (part / "looks.json").write_text(json.dumps(rows), "utf-8")
    part.rename(out)


def _draw_range(
    scenes: Path, folder: Path, tokenizer: Path, seed: int, styles: tuple[str, ...], numbers: range
) -> list[list[dict[str, object]]]:
    cv2.setNumThreads(1)
    prompter = Prompter(tokenizer)
    planes = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in PLANES}
    targets, size = planes["target"].shape[1:3]
    shards = [shard for shard in open_shards(scenes) if min(shard.planes["depth"].shape[1:]) >= size]
    rows = []
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        view, depth, lines = _draw_crop(shards, rng, size)
        planes["color"][number] = view.color
        planes["depth"][number] = np.rint(depth * 255)
        planes["lines"][number] = lines * 255
        looks = [random_look(rng, style, bool(rng.random() < 0.5)) for style in _some(rng, styles, targets)]
        for k, look in enumerate(looks):
            noise = sample_noise(seed, number, k, size).astype(np.float16)
            planes["noise"][number, k] = noise
            planes["target"][number, k] = stylise(view, look, noise.astype(np.float32))
        prompts = [prompter.write(look, rng) for look in looks for _ in range(PROMPTS)]
        planes["tokens"][number] = prompter.tokens(prompts).view(targets, PROMPTS, PROMPT_TOKENS).numpy()
        rows.append([asdict(look) for look in looks])
    for plane in planes.values():
        plane.flush()
    return rows


def _unknown_tokens(tokenizer: Path, seed: int) -> np.ndarray:
    rng, prompter = np.random.default_rng(seed), Prompter(tokenizer)
    tokens = prompter.tokens([prompter.write_unknown(rng) for _ in range(UNKNOWN_PROMPTS)])
    return tokens.numpy().astype(np.int32)


def _some(rng: np.random.Generator, styles: tuple[str, ...], count: int) -> list[str]:
    """Draw styles so that none comes twice before all came once."""
    rounds = [rng.permutation(styles) for _ in range(-(-count // len(styles)))]
    return [str(style) for style in np.concatenate(rounds)[:count]]


def _draw_crop(
    shards: list[Shard], rng: np.random.Generator, side: int
) -> tuple[View, np.ndarray, np.ndarray]:
    """Pick a view, mirrored or not, and a window of it; the controls see the whole view, as hosts' do."""
    shard = shards[rng.integers(len(shards))]
    whole = shard.view(int(rng.integers(len(shard))))
    if rng.random() < 0.5:
        whole = whole.mirrored()
    height, width = whole.shape
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    window = (slice(top, top + side), slice(left, left + side))
    return whole.cropped(window), depth_control(whole)[window], random_line_control(whole, rng)[window]
