"""What a sampling step costs beside the network itself, and beside a step of diffusers' pipeline.

    python -m benchmarks.sampling [--family sd15] [--size 256] [--rounds 12] [--device auto] [--dtype auto]

One UNet of full size with random weights takes all three: a bare forward pass over two prompts, our step
(guidance, noise schedule, Euler, one turn at the device), and a step of the pipeline. The pipeline drives,
and after each of its steps the other two run, so that whatever else the machine does meets all three alike.
On a CPU the process's CPU time counts, on a GPU the time until it is done. The bounds hold in 95 of 100
resamplings of the rounds.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from bridge.diffusion import (
    SAMPLERS,
    DiffusionModel,
    Network,
    Placement,
    Prompt,
    choose_placement,
    set_placement,
    set_up_torch,
    stable_diffusion_schedule,
)
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.networks import empty_unet, scaling_factor, unet_config
from bridge.diffusion.noise import NoiseSource
from bridge.engine import Folders, Job, running
from bridge.models import Family, UNetLayout

LAYOUTS = {
    "sd15": (Family.SD1, UNetLayout(4, (320, 640, 1280, 1280), (1, 1, 1, 0), 1, (0, 1, 1, 1), 2, 768)),
    "sdxl": (
        Family.SDXL,
        UNetLayout(4, (320, 640, 1280), (0, 2, 10), 10, (10, 2, 0), 2, 2048, True, 2816),
    ),
}
"""Family → the shape of its published UNet."""

GUIDANCE_SCALE = 7.5
POOLED_WIDTH = 1280
RESAMPLINGS = 2000


def random_unet(family: Family, layout: UNetLayout, where: Placement) -> Any:
    """Return a UNet whose weights keep signals at their size, on the device."""
    generator = torch.Generator(where.device).manual_seed(0)
    unet = empty_unet(unet_config(layout, family)).to_empty(device=where.device)
    for parameter in unet.parameters():
        parameter.data.normal_(generator=generator).mul_(parameter[0].numel() ** -0.5)
    unet = unet.to(where.dtype, memory_format=where.memory_format)
    return unet.requires_grad_(False).eval()


class Ours:
    """Our own run, a step at a time."""

    def __init__(self, model: DiffusionModel, embeds: Mapping[str, torch.Tensor], size: int) -> None:
        self._job = Job("benchmark", Folders(*[Path(tempfile.gettempdir())] * 4))
        positive = [Prompt(embeds["positive"], embeds["pooled"])]
        negative = [Prompt(embeds["negative"], embeds["pooled"])]
        shape = (1, 4, size // 8, size // 8)
        self._runner = asyncio.Runner()
        noisy = torch.randn(shape).to(model.unet.placement.device)
        sigmas = torch.linspace(14.0, 0.1, 1000).tolist()
        denoise = Denoiser(model, positive, negative, GUIDANCE_SCALE, shape)
        self._steps = SAMPLERS["euler"].for_schedule(model.schedule)(
            denoise, noisy, sigmas, NoiseSource(noisy, sigmas, 0)
        )

    def step(self) -> None:
        """Take one step."""

        async def one() -> None:
            async with running(self._job, "1"):
                await anext(self._steps)

        self._runner.run(one())


def pipeline_of(unet: Any, family: Family) -> Any:
    """Return diffusers' pipeline around the UNet; the other networks take no part."""
    vae = AutoencoderKL(block_out_channels=(4, 4, 4, 4), norm_num_groups=1, latent_channels=4)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    if family is Family.SDXL:
        pipeline = StableDiffusionXLPipeline(vae, None, None, None, None, unet, scheduler)
    else:
        pipeline = StableDiffusionPipeline(
            vae, None, None, unet, scheduler, None, None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of each round's forward pass, step of ours, and step of the pipeline."""
    family, layout = LAYOUTS[options.family]
    where = choose_placement(options.device, options.dtype)
    set_up_torch(where, options.threads)
    set_placement(where)
    unet = random_unet(family, layout, where)
    network: Network[Any] = Network("the UNet", lambda placement: unet)
    model = DiffusionModel(network, stable_diffusion_schedule(), scaling_factor(family), 8, family=family)
    embeds = {name: torch.randn(1, 77, layout.context_width) for name in ("positive", "negative")} | {
        "pooled": torch.randn(1, POOLED_WIDTH)
    }
    forward = forward_of(unet, embeds, options.size)
    ours = Ours(model, embeds, options.size)
    clock = clock_of(where)
    rounds: dict[str, list[float]] = {"forward": [], "ours": [], "pipeline": []}
    resumed = clock()

    def after_step(pipeline: Any, index: int, timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
        nonlocal resumed
        rounds["pipeline"].append(clock() - resumed)
        for name, call in (("forward", forward), ("ours", ours.step)):
            began = clock()
            call()
            rounds[name].append(clock() - began)
        resumed = clock()
        return kept

    pooled = {}
    if family is Family.SDXL:
        pooled = {
            name: embeds["pooled"].to(where.device, where.dtype)
            for name in ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        }
    with torch.inference_mode():
        pipeline_of(unet, family)(
            prompt_embeds=embeds["positive"].to(where.device, where.dtype),
            negative_prompt_embeds=embeds["negative"].to(where.device, where.dtype),
            **pooled,
            num_inference_steps=options.rounds + 1,
            guidance_scale=GUIDANCE_SCALE,
            height=options.size,
            width=options.size,
            output_type="latent",
            callback_on_step_end=after_step,
        )
    return {name: seconds[1:] for name, seconds in rounds.items()}  # the first round warms up


def forward_of(unet: Any, embeds: Mapping[str, torch.Tensor], size: int) -> Callable[[], None]:
    """Return a call of the bare network on two prompts at once."""
    context = torch.cat([embeds["negative"], embeds["positive"]]).to(unet.device, unet.dtype)
    sample = torch.randn(2, 4, size // 8, size // 8).to(unet.device, unet.dtype)
    timestep = torch.full((2,), 500, device=unet.device)
    added = None
    if unet.config.addition_embed_type:
        pooled = embeds["pooled"].repeat(2, 1).to(unet.device, unet.dtype)
        sizes = torch.tensor([[size, size, 0, 0, size, size]] * 2).to(unet.device, unet.dtype)
        added = {"text_embeds": pooled, "time_ids": sizes}

    @torch.inference_mode()
    def call() -> None:
        unet(sample, timestep, encoder_hidden_states=context, added_cond_kwargs=added, return_dict=False)

    return call


def clock_of(where: Placement) -> Callable[[], float]:
    """Return what tells the time that counts on a device."""
    if where.device.type == "cpu":
        return time.process_time

    def synchronized() -> float:
        torch.cuda.synchronize(where.device)
        return time.perf_counter()

    return synchronized


def ratio_with_bounds(numerators: list[float], denominators: list[float]) -> tuple[float, float, float]:
    """Return the median of the paired ratios, and what it lies between in 95 of 100 resamplings."""
    ratios = np.array(numerators) / np.array(denominators)
    drawn = np.random.default_rng(0).choice(ratios, (RESAMPLINGS, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--family", choices=LAYOUTS, default="sd15")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = measure(options)
    for name, seconds in rounds.items():
        print(f"{name:9} {statistics.median(seconds):8.3f} s a step")
    results: dict[str, Any] = {"rounds": rounds}
    for other in ("forward", "pipeline"):
        ratio, low, high = ratio_with_bounds(rounds["ours"], rounds[other])
        results[f"ours / {other}"] = ratio, low, high
        print(f"ours / {other:9} {ratio:.3f} (95 %: {low:.3f} to {high:.3f})")
    if options.json:
        options.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
