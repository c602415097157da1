"""Samplers against closed forms, in a world where the best denoiser is known.

Where clean latents are normal with deviation 1, the best denoiser is D(x, sigma) = x / (1 + sigma²), and
the probability-flow ODE has the solution x(sigma) = x(sigma₀) · sqrt((1 + sigma²) / (1 + sigma₀²)).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
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
from bridge.diffusion.samplers import SAMPLERS, Tolerance, dpm_adaptive
from bridge.diffusion.schedulers import make_sigmas
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.errors import ExecutionError, InputError
from tests.diffusion.closed_form import Bent, Normal

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers

SCHEDULE = stable_diffusion_schedule()
SHAPE = (1, 4, 16, 16)
START = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * math.sqrt(1 + SCHEDULE.sigma_max**2)
REFERENCE = np.load(Path(__file__).with_name("comfyui") / "samplers.npz")
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


async def run(
    name: str, sigmas: Sequence[float], denoiser: Normal | None = None, seed: int = 3
) -> tuple[Tensor, int]:
    latents, steps = START, 0
    noise = NoiseSource(START, sigmas, seed)
    solve = SAMPLERS[name].for_schedule(SCHEDULE)
    async for step in solve(denoiser or Normal(), START, sigmas, noise):
        latents, steps = step.latents, steps + 1
    return latents, steps


def levels(scheduler: str, steps: int) -> list[float]:
    return make_sigmas(SCHEDULE, scheduler, steps, 1.0).tolist()


def exact(sigma: float) -> Tensor:
    return START * math.sqrt((1 + sigma**2) / (1 + SCHEDULE.sigma_max**2))


@pytest.mark.parametrize(
    ("name", "tolerance"), [("euler", 0.05), ("ddim", 0.05), ("heun", 0.003), ("dpmpp_2m", 0.006)]
)
async def test_deterministic_samplers_solve_the_ode(name: str, tolerance: float) -> None:
    sigmas = levels("karras", 40)
    latents, _ = await run(name, sigmas)
    error = torch.linalg.norm(latents - exact(0.0)) / torch.linalg.norm(exact(0.0))
    assert float(error) < tolerance


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde"])
async def test_stochastic_samplers_keep_the_distribution(name: str) -> None:
    sigmas = levels("karras", 40)
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


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not name.endswith("_gpu")])
@pytest.mark.parametrize("part", ["whole", "middle"])
async def test_the_same_numbers_as_comfyui(name: str, part: str) -> None:
    """Down to 0 along ``karras``, and a part of ``normal`` that ends in noise; a batch of two."""
    sigmas = levels("karras", 8) if part == "whole" else levels("normal", 10)[2:8]
    start = torch.randn((2, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    start = start * math.sqrt(1 + sigmas[0] ** 2)
    solve = SAMPLERS[name].for_schedule(SCHEDULE)
    steps = [step async for step in solve(Bent(), start, sigmas, NoiseSource(start, sigmas, 5))]
    if part == "middle":
        assert error(steps[-1].denoised, f"{name}/middle/denoised") < 2e-4
    if not (name.startswith("sa_solver") and part == "middle"):  # ComfyUI's stops one level too early
        assert error(steps[-1].latents, f"{name}/{part}") < 2e-4


def error(ours: Tensor, name: str) -> float:
    """Float32 against our float64 coefficients: most are 1e-7, UniPC's last step to 0.001 is 1e-4."""
    return float(np.linalg.norm(ours.numpy() - REFERENCE[name]) / np.linalg.norm(REFERENCE[name]))


@pytest.mark.parametrize("name", ["sa_solver", "sa_solver_pece"])
async def test_adams_solvers_end_at_the_level_asked_for(name: str) -> None:
    """Two halves are about as good as the whole, which they are not if the first ends elsewhere."""
    sigmas = levels("karras", 30)
    errors = []
    for cut in (len(sigmas) - 1, 26):
        latents = START
        for part in (sigmas[: cut + 1], sigmas[cut:]):
            noise = NoiseSource(START, sigmas, 3)
            async for step in SAMPLERS[name].for_schedule(SCHEDULE)(Normal(), latents, part, noise):
                latents = step.latents
        errors.append(float((latents - exact(0.0)).std()))
    assert errors[1] == pytest.approx(errors[0], rel=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
async def test_steps_add_up_to_the_whole_run(name: str) -> None:
    sigmas = levels("normal", 6)
    done = 0.0
    solve = SAMPLERS[name].for_schedule(SCHEDULE)
    async for step in solve(Normal(), START, sigmas, NoiseSource(START, sigmas, 3)):
        done = done + 1 if step.position is None else step.position
    assert done == pytest.approx(6)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("euler", 6),
        ("heun", 11),
        ("dpm_2", 11),
        ("dpmpp_2m", 6),
        ("seeds_3", 16),
        ("uni_pc", 6),
        ("dpm_fast", 6),
    ],
)
async def test_model_calls_of_a_run_of_six_steps(name: str, calls: int) -> None:
    denoiser = Normal()
    await run(name, levels("normal", 6), denoiser)
    assert len(denoiser.calls) == calls


@pytest.mark.parametrize("name", SAMPLERS)
async def test_one_step_gives_what_the_denoiser_says(name: str) -> None:
    latents, _ = await run(name, [SCHEDULE.sigma_max, 0.0])
    torch.testing.assert_close(latents, START / (1 + SCHEDULE.sigma_max**2), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
async def test_rising_levels_stay_finite(name: str) -> None:
    latents, _ = await run(name, [1e-4, *levels("normal", 6)[::-1][1:]])
    assert latents.isfinite().all()


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde", "lcm"])
async def test_the_seed_decides_the_noise(name: str) -> None:
    sigmas = levels("normal", 5)
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


class Broken(Normal):
    """A denoiser whose weights have gone bad."""

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        return latents * math.nan


class Restless(Normal):
    """A denoiser that says something else whenever it is asked."""

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        return torch.randn(latents.shape, generator=torch.Generator().manual_seed(len(self.calls)))


async def adapt(denoiser: Normal, tolerance: Tolerance) -> Tensor:
    sigmas = [10.0, 0.1, 0.0]
    noise = NoiseSource(START, sigmas, 3)
    steps = dpm_adaptive(denoiser, START, sigmas, noise, tolerance=tolerance)
    return [step.latents async for step in steps][-1]


async def test_adaptive_steps_end_where_the_model_gives_no_numbers() -> None:
    with pytest.raises(ExecutionError) as caught:
        await adapt(Broken(), Tolerance())
    assert caught.value.code == "nan_output"


@pytest.mark.parametrize(
    "tolerance",
    [Tolerance(relative=1e-6, absolute=1e-6), Tolerance(relative=0.0, absolute=1e-6, acceptance=0.0)],
)
async def test_adaptive_steps_end_where_none_is_accurate_enough(tolerance: Tolerance) -> None:
    with pytest.raises(InputError, match="accurate"):
        await adapt(Restless(), tolerance)


@pytest.mark.parametrize(
    "options", [{"first_step": 0.0}, {"acceptance": 2.58}, {"relative": 0.0, "absolute": 0.0}]
)
def test_tolerances_that_no_step_meets_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError) as caught:
        Tolerance(**options)  # type: ignore[arg-type]
    assert caught.value.hint


@pytest.mark.parametrize("options", [{"integral": 100.0}, {"absolute": 0.0}])
async def test_adaptive_steps_arrive_with_strange_tolerances(options: dict[str, float]) -> None:
    latents = await adapt(Normal(), Tolerance(**options))  # type: ignore[arg-type]
    expected = START * math.sqrt((1 + 0.1**2) / (1 + 10.0**2))
    assert float(torch.linalg.norm(latents - expected) / torch.linalg.norm(expected)) < 0.05
