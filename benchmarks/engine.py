"""What the engine costs, and how fast the built-in model is against a plain diffusers pipeline.

    python -m benchmarks.engine [--rounds 10] [--size 256] [--threads 2] [--json FILE]

First the engine alone (``benchmarks.editing``). Then the preset *Stylize* on the demo frame against
``StableDiffusionControlNetImg2ImgPipeline`` with the same weights, control images, steps and size, in turn.
Ours includes what the pipeline is spared: unpacking the frame, making depth and canny, and packing the
picture.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionControlNetImg2ImgPipeline,
)
from PIL import Image

from benchmarks.editing import overhead
from bridge.builtin import demo_frame_file, expand_preset, model_folder
from bridge.engine import Cache, Folders, Job, execute
from bridge.graph import parse_workflow
from bridge.imaging import ControlOptions, load_frame, make_controls, open_frame, to_bytes
from bridge.nodes import load
from bridge.protocol import Frame


class Ours:
    """The preset through the engine, as a stream would run it: a new frame each time."""

    def __init__(self, folders: Folders, frame: Frame, size: int, threads: int) -> None:
        self._library = load({"device": "cpu", "dtype": "float32", "threads": threads})
        self._cache = Cache(2**30)
        self._folders = folders
        self._frame = frame
        self._size = size

    async def run(self, steps: int) -> None:
        """Make one picture."""
        values = {"prompt": "watercolor", "steps": steps, "width": self._size}
        workflow = expand_preset("stylize", values)
        sent: list[Any] = []
        # Something about the control images is new each time, as in a live view, so that nothing is cached.
        workflow["10"]["inputs"]["canny_low"] = 40 + time.perf_counter_ns() % 1000 / 1e6
        job = Job("benchmark", self._folders, emit=sent.append, workflow=workflow, frame=self._frame)
        await execute(parse_workflow(workflow), ["16"], self._library.registry, self._cache, job)
        assert sent[-1].planes[0].shape == (self._size, self._size, 3)


class Theirs:
    """The same weights in diffusers' own pipeline."""

    def __init__(self, frame: Frame, size: int) -> None:
        folder = model_folder()
        nets = [ControlNetModel.from_pretrained(folder / f"controlnet_{kind}") for kind in ("depth", "canny")]
        self._pipeline = StableDiffusionControlNetImg2ImgPipeline.from_pretrained(
            folder, controlnet=nets, safety_checker=None, torch_dtype=torch.float32
        )
        self._pipeline.scheduler = EulerDiscreteScheduler.from_config(self._pipeline.scheduler.config)
        self._pipeline.set_progress_bar_config(disable=True)
        controls = make_controls(open_frame(frame), ControlOptions(width=size))
        self._image = Image.fromarray(to_bytes(controls.color))
        self._controls = [_picture(controls.depth), _picture(controls.canny)]

    async def run(self, steps: int) -> None:
        """Make one picture."""
        self._pipeline(
            "watercolor",
            image=self._image,
            control_image=self._controls,
            num_inference_steps=steps,
            strength=1.0,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(0),
        )


def _picture(control: np.ndarray) -> Image.Image:
    pixels = to_bytes(control)
    return Image.fromarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))


async def compare(
    ours: Callable[[int], Awaitable[None]], theirs: Callable[[int], Awaitable[None]], steps: int, rounds: int
) -> tuple[float, float, float]:
    """Run both in turn; return median seconds of each, and the median ratio theirs / ours."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for name, run in (("ours", ours), ("theirs", theirs)):
            began = time.perf_counter()
            await run(steps)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    ratio = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
    return statistics.median(seconds["ours"]), statistics.median(seconds["theirs"]), ratio


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print both parts."""
    with tempfile.TemporaryDirectory() as home:
        folders = Folders(*[Path(home)] * 4)
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, torch {torch.__version__}")
        costs = await overhead(folders, max(200, options.rounds))
        for name, (wall, median, percentile_95) in costs.items():
            of_processor = (
                f"{median * 1000:.2f} ms of the processor, 95 % below {percentile_95 * 1000:.2f} ms"
            )
            print(f"{name}: {wall * 1000:.2f} ms a run; {of_processor}")
        frame = load_frame(demo_frame_file())
        ours, theirs = Ours(folders, frame, options.size, options.threads), Theirs(frame, options.size)
        ratios = {}
        for steps in (1, 4):
            mine, peer, ratios[steps] = await compare(ours.run, theirs.run, steps, options.rounds)
            print(
                f"{options.size}², {steps} step(s): ours {1 / mine:.2f} frames/s, "
                f"diffusers {1 / peer:.2f} frames/s, {ratios[steps]:.2f}×"
            )
    return {"overhead_s": costs, "ratio_to_diffusers": ratios}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    for package in (diffusers, transformers):
        package.utils.logging.set_verbosity_error()
        package.utils.logging.disable_progress_bar()
    figures = asyncio.run(measure(options))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
