"""Write shards of random views: ``python -m training.scenes --out DIR --first-seed 1 --shards 10``.

A shard is a folder of ``.npy`` planes (see `training.scenes.capture.GBuffer`) with one picture size.
Shards that exist already are kept, so an interrupted run continues where it stopped.
"""

import argparse
import itertools
import os
import random
import shutil
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from training.scenes.capture import GBuffer, Viewport, start_blender
from training.scenes.layout import Stage
from training.scenes.meshes import MeshLibrary
from training.scenes.surfaces import make_materials
from training.scenes.views import random_views

ASPECTS = ((1.0, 1.0), (1.0, 1.0), (1.25, 0.8125), (0.8125, 1.25))
DOUBLED = 8
"""Every so many-th shard is drawn at twice the side, with a quarter of the views."""


def shard_size(seed: int, base: int) -> tuple[int, int]:
    """Pick the (width, height) of a shard: half are square, the rest landscape or portrait."""
    wide, high = ASPECTS[seed % len(ASPECTS)]
    base = base if seed % DOUBLED else 2 * base
    return int(base * wide) // 16 * 16, int(base * high) // 16 * 16


def write_shard(folder: Path, seed: int, views: int, base: int) -> None:
    """Render one shard into ``folder``; the folder appears only when it is complete."""
    rng = random.Random(seed)  # noqa: S311
    start_blender()
    stage = Stage(MeshLibrary(rng), make_materials(rng, 16), rng)
    viewport = Viewport(*shard_size(seed, base))
    views = views if seed % DOUBLED else max(1, views // 4)
    frames = list(itertools.islice(random_views(viewport, stage), views))
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for plane in fields(GBuffer):
        np.save(unfinished / f"{plane.name}.npy", np.stack([getattr(frame, plane.name) for frame in frames]))
    unfinished.rename(folder)


def main() -> None:
    """Parse the command line and write the missing shards."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--views", type=int, default=250, help="views in a shard")
    parser.add_argument("--size", type=int, default=256, help="side of a square view, pixels")
    options = parser.parse_args()
    for seed in range(options.first_seed, options.first_seed + options.shards):
        folder = options.out / f"scenes-{seed:04d}"
        if not folder.exists():
            started = time.perf_counter()
            write_shard(folder, seed, options.views, options.size)
            print(f"{folder.name}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # Blender reports live GPU objects at a normal exit as leaks.
    os._exit(0)
