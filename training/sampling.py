"""Samplers for contact sheets and evaluation: small and independent of the engine's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.denoiser import Networks
from training.schedule import TIMESTEPS, noise_level, signal, trailing_timesteps

Denoise = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Request:
    """A batch of pictures to draw; every tensor has the batch first.

    ``viewport`` are scaled latents of the picture that img2img starts from, None for an empty start.
    ``depth`` and ``lines`` are (B, 3, H, W) in 0..1.
    """

    prompts: Tensor
    depth: Tensor | None = None
    lines: Tensor | None = None
    scales: tuple[float, float] = (1.0, 1.0)
    viewport: Tensor | None = None
    strength: float = 1.0
    steps: int = 4
    sampler: str = "euler"
    guidance_scale: float = 1.0
    negative: Tensor | None = None
    seeds: Sequence[int] = (1,)


@torch.no_grad()
def draw(networks: Networks, request: Request, side: tuple[int, int]) -> Tensor:
    """Return scaled latents (B, 4, *side) for a request; one seed is used for the whole batch."""
    batch = len(request.prompts)
    seeds = list(request.seeds) * (batch if len(request.seeds) == 1 else 1)
    noise = torch.cat([_noise(seed, side) for seed in seeds])
    timesteps = trailing_timesteps(request.steps, request.strength)
    first = _sigma(timesteps[0])
    start = torch.zeros_like(noise) if request.viewport is None else request.viewport
    latents = start + noise * first
    if request.viewport is None:
        latents = noise * (1 + first**2) ** 0.5
    denoise = _denoiser(networks, request)
    return SAMPLERS[request.sampler](latents, timesteps, denoise)


def _noise(seed: int, side: tuple[int, int]) -> Tensor:
    return torch.randn((1, 4, *side), generator=torch.Generator().manual_seed(seed))


def _sigma(timestep: int) -> float:
    at = torch.tensor([timestep])
    return float(noise_level(at) / signal(at))


def _denoiser(networks: Networks, request: Request) -> Denoise:
    embeds = networks.encode_prompts(request.prompts)
    against = None
    if request.guidance_scale != 1.0:
        assert request.negative is not None
        against = networks.encode_prompts(request.negative).expand_as(embeds)

    def denoise(latents: Tensor, timestep: int) -> Tensor:
        now = torch.full((len(latents),), timestep)
        a, s = signal(now), noise_level(now)
        noised = a * latents
        controls = (request.depth, request.lines, request.scales)
        v = networks(noised, now, embeds, *controls)
        if against is not None:
            other = networks(noised, now, against, *controls)
            v = other + request.guidance_scale * (v - other)
        return a * noised - s * v

    return denoise


def _euler(latents: Tensor, timesteps: list[int], denoise: Denoise) -> Tensor:
    for now, then in _spans(timesteps):
        clean = denoise(latents, now)
        latents = clean + (latents - clean) * (then / _sigma(now))
    return latents


def _lcm(latents: Tensor, timesteps: list[int], denoise: Denoise) -> Tensor:
    generator = torch.Generator().manual_seed(TIMESTEPS)
    for now, then in _spans(timesteps):
        clean = denoise(latents, now)
        latents = clean + then * torch.randn(latents.shape, generator=generator)
    return latents


def _dpmpp_2m(latents: Tensor, timesteps: list[int], denoise: Denoise) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022."""
    before: Tensor | None = None
    last_step = 0.0
    for now, then in _spans(timesteps):
        clean = denoise(latents, now)
        if then == 0:
            return clean
        sigma = _sigma(now)
        step = torch.log(torch.tensor(sigma / then)).item()
        guess = clean
        if before is not None:
            ratio = last_step / step
            guess = (1 + 1 / (2 * ratio)) * clean - before / (2 * ratio)
        latents = (then / sigma) * latents + (1 - then / sigma) * guess
        before, last_step = clean, step
    return latents


def _spans(timesteps: list[int]) -> list[tuple[int, float]]:
    return list(zip(timesteps, [*(_sigma(t) for t in timesteps[1:]), 0.0], strict=True))


SAMPLERS: dict[str, Callable[[Tensor, list[int], Denoise], Tensor]] = {
    "euler": _euler,
    "lcm": _lcm,
    "dpmpp_2m": _dpmpp_2m,
}
