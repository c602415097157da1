"""A bank of training samples: crops of views with their controls and a few stylised targets each.

Making a target costs milliseconds; drawing it again in every epoch would cost more than the training
step that uses it. A bank is a folder of memory-mapped arrays: ``color`` (N, S, S, 3) u8, ``depth`` and
``lines`` (N, S, S) u8, ``target`` (N, K, S, S, 3) u8, and ``looks.json`` with each target's look. The
noise that target (n, k) was drawn from is `sample_noise(n, k, …)`.
"""

import argparse
import itertools
import json
import multiprocessing
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from training.controls import depth_control, random_line_control
from training.gbuffer import Shard, View, open_shards
from training.styles import STYLES, Look, random_look, stylise
from training.styles.fields import DOWNSCALE

LATENT_CHANNELS = 4


@dataclass(frozen=True)
class Bank:
    """A finished bank, memory-mapped."""

    color: np.ndarray
    depth: np.ndarray
    lines: np.ndarray
    target: np.ndarray
    looks: list[list[Look]]
    seed: int

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a bank's files."""
        planes = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r")
            for name in ("color", "depth", "lines", "target")
        }
        about = json.loads((folder / "looks.json").read_text("utf-8"))
        looks = [[Look(**look) for look in row] for row in about["looks"]]
        return cls(looks=looks, seed=about["seed"], **planes)

    def __len__(self) -> int:
        return len(self.color)

    @property
    def size(self) -> int:
        """Side of a picture, pixels."""
        return int(self.color.shape[1])


def sample_noise(bank_seed: int, sample: int, target: int, size: int) -> np.ndarray:
    """Return the latent noise of one target, (4, size / 4, size / 4) float32, always the same."""
    rng = np.random.default_rng((bank_seed, sample, target))
    return rng.standard_normal((LATENT_CHANNELS, size // DOWNSCALE, size // DOWNSCALE), np.float32)


def build_bank(
    scenes: Path,
    out: Path,
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
    shapes = {
        "color": (samples, size, size, 3),
        "depth": (samples, size, size),
        "lines": (samples, size, size),
        "target": (samples, targets, size, size, 3),
    }
    for name, shape in shapes.items():
        np.lib.format.open_memmap(part / f"{name}.npy", "w+", np.uint8, shape).flush()
    bounds = np.linspace(0, samples, workers + 1).astype(int).tolist()
    jobs = [(scenes, part, seed, tuple(styles), range(*pair)) for pair in itertools.pairwise(bounds)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        rows = [row for chunk in pool.starmap(_draw_range, jobs) for row in chunk]
    (part / "looks.json").write_text(json.dumps({"seed": seed, "looks": rows}), "utf-8")
    part.rename(out)


def _draw_range(
    scenes: Path, folder: Path, seed: int, styles: tuple[str, ...], numbers: range
) -> list[list[dict[str, object]]]:
    cv2.setNumThreads(1)
    shards = open_shards(scenes)
    planes = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r+")
        for name in ("color", "depth", "lines", "target")
    }
    targets, size = planes["target"].shape[1:3]
    rows = []
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        view, depth, lines = _draw_crop(shards, rng, size)
        planes["color"][number] = view.color
        planes["depth"][number] = np.rint(depth * 255)
        planes["lines"][number] = lines * 255
        looks = [
            random_look(rng, str(style), bool(rng.random() < 0.5))
            for style in _some_styles(rng, styles, targets)
        ]
        for k, look in enumerate(looks):
            planes["target"][number, k] = stylise(view, look, sample_noise(seed, number, k, size))
        rows.append([asdict(look) for look in looks])
    for plane in planes.values():
        plane.flush()
    return rows


def _some_styles(rng: np.random.Generator, styles: tuple[str, ...], count: int) -> list[str]:
    rounds = [rng.permutation(styles) for _ in range(-(-count // len(styles)))]
    return [str(style) for style in np.concatenate(rounds)[:count]]


def _draw_crop(
    shards: list[Shard], rng: np.random.Generator, size: int
) -> tuple[View, np.ndarray, np.ndarray]:
    """Pick a view and a window of it; the controls are made of the whole view, as hosts make them."""
    shard = shards[rng.integers(len(shards))]
    whole = shard.view(int(rng.integers(len(shard))))
    height, width = whole.shape
    side = min(size, height, width)
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    window = (slice(top, top + side), slice(left, left + side))
    crop = View(
        *(getattr(whole, name)[window] for name in ("color", "albedo", "normal", "object_id", "depth"))
    )
    return crop, depth_control(whole)[window], random_line_control(whole, rng)[window]


def main() -> None:
    """Build one bank from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.bank", description="Draw a bank of training samples."
    )
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = vars(parser.parse_args())
    build_bank(options.pop("scenes"), options.pop("out"), **options)


if __name__ == "__main__":
    main()
