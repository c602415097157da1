"""Samplers against closed forms, in a world where the best denoiser is known.

Where clean latents are normal with deviation 1, the best denoiser is D(x, sigma) = x / (1 + sigma²), and
the probability-flow ODE has the solution x(sigma) = x(sigma₀) · sqrt((1 + sigma²) / (1 + sigma₀²)).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers import SAMPLERS
from bridge.diffusion.sigmas import make_sigmas, stable_diffusion_schedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers

SCHEDULE = stable_diffusion_schedule()
SHAPE = (1, 4, 16, 16)
START = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * math.sqrt(1 + SCHEDULE.sigma_max**2)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


class Normal:
    """The denoiser of normally distributed latents; remembers the noise levels it was asked about."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        return latents / (1 + sigma**2)


async def run(
    name: str, sigmas: Sequence[float], denoiser: Normal | None = None, seed: int = 3
) -> tuple[Tensor, int]:
    latents, steps = START, 0
    noise = NoiseSource(START, sigmas, seed)
    async for step in SAMPLERS[name](denoiser or Normal(), START, sigmas, noise):
        latents, steps = step.latents, steps + 1
    return latents, steps


def exact(sigma: float) -> Tensor:
    return START * math.sqrt((1 + sigma**2) / (1 + SCHEDULE.sigma_max**2))


@pytest.mark.parametrize(
    ("name", "tolerance"), [("euler", 0.05), ("ddim", 0.05), ("heun", 0.003), ("dpmpp_2m", 0.006)]
)
async def test_deterministic_samplers_solve_the_ode(name: str, tolerance: float) -> None:
    sigmas = make_sigmas(SCHEDULE, "karras", 40, 1.0)
    latents, _ = await run(name, sigmas)
    error = torch.linalg.norm(latents - exact(0.0)) / torch.linalg.norm(exact(0.0))
    assert float(error) < tolerance


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde"])
async def test_stochastic_samplers_keep_the_distribution(name: str) -> None:
    sigmas = make_sigmas(SCHEDULE, "karras", 40, 1.0)
    spread = [float((await run(name, sigmas, seed=seed))[0].std()) for seed in range(4)]
    assert sum(spread) / 4 == pytest.approx(1.0, abs=0.08)


async def test_lcm_noises_each_prediction_afresh() -> None:
    sigmas = [10.0, 2.0, 0.5, 0.0]
    noise = NoiseSource(START, sigmas, 3)
    expected = START
    for sigma, next_sigma in pairwise(sigmas):
        expected = expected / (1 + sigma**2) + (noise.independent() * next_sigma if next_sigma else 0)
    latents, _ = await run("lcm", sigmas)
    torch.testing.assert_close(latents, expected)


@pytest.mark.parametrize("name", SAMPLERS)
async def test_a_step_is_reported_for_every_level_and_the_model_called_once_each(name: str) -> None:
    sigmas = make_sigmas(SCHEDULE, "normal", 6, 1.0)
    denoiser = Normal()
    _, steps = await run(name, sigmas, denoiser)
    assert steps == 6
    calls = (
        [sigma for level in sigmas[:-1] for sigma in (level, level)][1:] if name == "heun" else sigmas[:-1]
    )
    assert denoiser.calls == calls


@pytest.mark.parametrize("name", SAMPLERS)
async def test_one_step_gives_what_the_denoiser_says(name: str) -> None:
    latents, _ = await run(name, [SCHEDULE.sigma_max, 0.0])
    torch.testing.assert_close(latents, START / (1 + SCHEDULE.sigma_max**2), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
async def test_repeated_levels_do_no_harm(name: str) -> None:
    latents, _ = await run(name, [8.0, 8.0, 2.0, 2.0, 0.5, 0.0])
    assert latents.isfinite().all()


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde", "lcm"])
async def test_the_seed_decides_the_noise(name: str) -> None:
    sigmas = make_sigmas(SCHEDULE, "normal", 5, 1.0)
    first, _ = await run(name, sigmas, seed=1)
    again, _ = await run(name, sigmas, seed=1)
    other, _ = await run(name, sigmas, seed=2)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def epsilon_of(noisy: Tensor, sigma: float) -> Tensor:
    """What an epsilon model would say that denoises as ``Normal`` does."""
    return (noisy - noisy / (1 + sigma**2)) / sigma


@pytest.mark.parametrize(
    ("name", "scheduler"), [("euler", EulerDiscreteScheduler), ("heun", HeunDiscreteScheduler)]
)
async def test_like_diffusers(name: str, scheduler: type) -> None:
    peer = scheduler(**BETAS, timestep_spacing="linspace")
    peer.set_timesteps(6)
    calls = peer.sigmas.tolist()
    levels = [*calls[::2]] if name == "heun" else calls
    latents = START
    for timestep, sigma in zip(peer.timesteps, calls, strict=False):
        peer.scale_model_input(latents, timestep)
        latents = peer.step(epsilon_of(latents, sigma), timestep, latents).prev_sample
    ours, _ = await run(name, levels)
    torch.testing.assert_close(ours, latents, atol=1e-3, rtol=1e-3)


async def test_dpmpp_2m_like_diffusers() -> None:
    """diffusers works on x / sqrt(1 + sigma²); its midpoint rule of second order is the same method."""
    peer = DPMSolverMultistepScheduler(
        **BETAS,
        algorithm_type="dpmsolver++",
        solver_order=2,
        lower_order_final=False,
        final_sigmas_type="zero",
    )
    peer.set_timesteps(6)
    sigmas = peer.sigmas.tolist()
    latents = START / math.sqrt(1 + sigmas[0] ** 2)
    for timestep, sigma in zip(peer.timesteps, sigmas, strict=False):
        noisy = latents * math.sqrt(1 + sigma**2)
        latents = peer.step(epsilon_of(noisy, sigma), timestep, latents).prev_sample
    ours, _ = await run("dpmpp_2m", sigmas)
    torch.testing.assert_close(ours, latents, atol=2e-3, rtol=2e-3)


async def test_ddim_like_diffusers() -> None:
    peer = DDIMScheduler(
        **BETAS, clip_sample=False, set_alpha_to_one=True, timestep_spacing="leading", steps_offset=1
    )
    peer.set_timesteps(5)
    levels = [float(SCHEDULE.sigmas[timestep]) for timestep in peer.timesteps]
    latents = START / math.sqrt(1 + levels[0] ** 2)
    for timestep, sigma in zip(peer.timesteps, levels, strict=True):
        noisy = latents * math.sqrt(1 + sigma**2)
        latents = peer.step(epsilon_of(noisy, sigma), timestep, latents).prev_sample
    ours, _ = await run("ddim", [*levels, 0.0])
    torch.testing.assert_close(ours, latents, atol=1e-3, rtol=1e-3)


async def test_euler_ancestral_adds_the_noise_that_diffusers_adds() -> None:
    peer = EulerAncestralDiscreteScheduler(**BETAS)
    peer.set_timesteps(5)
    sigmas = peer.sigmas.tolist()
    generator = torch.Generator().manual_seed(4)  # our noise is drawn from seed + 1
    latents = START
    for timestep, sigma in zip(peer.timesteps, sigmas, strict=False):
        peer.scale_model_input(latents, timestep)
        latents = peer.step(epsilon_of(latents, sigma), timestep, latents, generator=generator).prev_sample
    ours, _ = await run("euler_ancestral", sigmas, seed=3)
    torch.testing.assert_close(ours, latents, atol=1e-3, rtol=1e-3)
