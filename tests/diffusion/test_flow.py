"""Flows: levels and shifts against closed forms, diffusers and ComfyUI's numbers; samplers on them.

Where clean latents are normal with deviation 1, the best denoiser of a flow is
D(x, sigma) = x (1 − sigma) / ((1 − sigma)² + sigma²), and the ODE keeps x / sqrt((1 − sigma)² + sigma²).
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bridge.diffusion.flow import FAINTEST, FlowSchedule, flow_schedule, flux_mu, flux_schedule
from bridge.diffusion.noise import NoiseSource
from bridge.diffusion.samplers import (
    SAMPLERS,
    Steps,
    dpmpp_2s_ancestral,
    euler_ancestral,
    euler_ancestral_cfg_pp,
)
from bridge.diffusion.schedulers import SCHEDULERS, make_sigmas
from bridge.errors import InputError
from tests.diffusion.closed_form import Bent, Normal

COMFYUI = Path(__file__).with_name("comfyui")
LEVELS, ENDS = (np.load(COMFYUI / f"flow_{name}.npz") for name in ("schedules", "samplers"))
SD3 = flow_schedule(3.0)
MODELS = {
    "sd3": SD3,
    "aura": flow_schedule(1.73),
    "schnell": flow_schedule(1.0),
    "flux": flux_schedule(),
    "flux_small": flux_schedule(0.5),
}
FRACTIONS = (0.0, 1e-4, 0.2, 0.5, 0.8, 1.0)
RATIO = ("dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "er_sde", "seeds_2", "seeds_3", "sa_solver")
NAMES = [name for name in SAMPLERS if not name.endswith("_gpu")]


class Best(Normal):
    """The denoiser of normally distributed latents on a flow."""

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        return latents * (1 - sigma) / ((1 - sigma) ** 2 + sigma**2)


async def follow(
    name: str,
    sigmas: list[float],
    denoiser: Normal,
    start: Tensor,
    schedule: FlowSchedule = SD3,
    seed: int = 5,
) -> Tensor:
    latents = start
    solve = SAMPLERS[name].for_schedule(schedule)
    async for step in solve(denoiser, start, sigmas, NoiseSource(start, sigmas, seed)):
        latents = step.latents
    return latents


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def levels(scheduler: str, steps: int) -> list[float]:
    return make_sigmas(SD3, scheduler, steps, 1.0).tolist()


@given(shift=st.floats(0.01, 100.0), timestep=st.floats(0.0, 1000.0))
def test_a_shift_multiplies_the_odds_of_noise(shift: float, timestep: float) -> None:
    even = timestep / 1000
    expected = shift * even / (1 + (shift - 1) * even)
    [sigma] = flow_schedule(shift).levels_at(torch.tensor([timestep])).tolist()
    assert sigma == pytest.approx(expected, rel=1e-4, abs=1e-30)


@pytest.mark.parametrize("shift", [0.37, 1.0, 1.73, 3.0, 11.1])
def test_the_highest_level_is_noise_alone(shift: float) -> None:
    schedule = flow_schedule(shift)
    assert (schedule.sigma_max, schedule.sigma_at(0.0), schedule.sigma_at(1.0)) == (1.0, 1.0, 0.0)
    assert len(schedule.sigmas) == 1000
    assert bool((schedule.sigmas.diff() > 0).all())


def test_fluxs_shift_is_a_power_of_e() -> None:
    schedule = flux_schedule(1.15)
    even = torch.arange(1, 10_001, dtype=torch.float64) / 10_000
    expected = math.exp(1.15) / (math.exp(1.15) + 1 / even - 1)
    torch.testing.assert_close(schedule.sigmas, expected.float())


def test_fluxs_shift_grows_with_the_picture() -> None:
    assert flux_mu(256, 256) == pytest.approx(0.5)
    assert flux_mu(1024, 1024) == pytest.approx(1.15)
    assert flux_mu(1024, 512, base=1.0, most=2.0) == pytest.approx(1 + (2048 - 256) / (4096 - 256))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_even_steps_are_those_of_diffusers(shift: float) -> None:
    """diffusers begins and ends where we do, at the levels 1 and shift / (999 + shift)."""
    peer = FlowMatchEulerDiscreteScheduler(shift=shift)
    peer.set_timesteps(7)
    schedule = flow_schedule(shift)
    ours = make_sigmas(schedule, "normal", 7, 1.0)
    torch.testing.assert_close(ours, peer.sigmas.cpu())
    assert [schedule.timestep(float(sigma)) for sigma in ours[:-1]] == pytest.approx(peer.timesteps.tolist())


@pytest.mark.parametrize("mu", [0.5, 1.15])
def test_fluxs_steps_are_those_of_diffusers(mu: float) -> None:
    peer = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    peer.set_timesteps(sigmas=np.linspace(1.0, 1 / 4, 4), mu=mu)
    torch.testing.assert_close(make_sigmas(flux_schedule(mu), "simple", 4, 1.0), peer.sigmas.cpu())


@pytest.mark.parametrize("name", LEVELS)
def test_the_same_levels_as_comfyui(name: str) -> None:
    model, scheduler, *steps = name.split("/")
    schedule = MODELS[model]
    if scheduler == "fractions":
        ours = [schedule.sigma_at(fraction) for fraction in FRACTIONS]
    else:
        ours = make_sigmas(schedule, scheduler, int(*steps), 1.0).tolist()
    if name.endswith("kl_optimal/1"):  # 0 / 0 in ComfyUI
        assert ours == [1.0, 0.0]
    else:
        np.testing.assert_allclose(ours, LEVELS[name], rtol=1e-5)


@pytest.mark.parametrize("shift", [0.0, -1.0, math.inf, math.nan])
def test_a_shift_that_leaves_no_levels_is_refused(shift: float) -> None:
    with pytest.raises(InputError) as caught:
        flow_schedule(shift)
    assert caught.value.hint


@pytest.mark.parametrize("mu", [1e5, -1e5])
def test_a_picture_too_large_for_its_shift_is_refused(mu: float) -> None:
    with pytest.raises(InputError):
        flux_schedule(mu)


@given(sigma=st.floats(0.0, 1.0))
def test_the_clean_latents_are_found_in_what_they_were_noised_to(sigma: float) -> None:
    clean, noise = torch.randn(2, 1, 16, 2, 2)
    noisy = SD3.add_noise(clean, noise, sigma)
    torch.testing.assert_close(noisy, (1 - sigma) * clean + sigma * noise, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(SD3.denoised(noisy, noise - clean, sigma), clean, atol=1e-5, rtol=1e-5)
    assert SD3.input_scale(sigma) == 1.0


def test_latents_of_noise_alone_can_be_taken_up_again() -> None:
    """What a run leaves is divided by the signal; the next one, which adds no noise, multiplies by it."""
    noise = draw(1, 16, 2, 2)
    left = noise / SD3.signal(1.0)
    assert torch.equal(SD3.add_noise(left, torch.zeros_like(noise), 1.0), noise)
    assert SD3.signal(1.0) == FAINTEST


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["whole", "middle"])
async def test_the_same_numbers_as_comfyui(name: str, part: str) -> None:
    """Down to 0 along ``simple``, from noise alone, and a part of ``normal`` that ends in noise."""
    sigmas = levels("simple", 8) if part == "whole" else levels("normal", 10)[2:8]
    ours = await follow(name, sigmas, Bent(), draw(1, 16, 2, 2))
    theirs = ENDS[f"{name}/{part}"]
    if not (name.startswith("sa_solver") and part == "middle"):  # ComfyUI's stops one level too early
        error = np.linalg.norm(ours.numpy() - theirs) / np.linalg.norm(theirs)
        assert error < (1e-4 if name.startswith("uni_pc") else 1e-5)  # to 0.001 in float32


@pytest.mark.parametrize("name", ["euler", "heun", "dpm_2", "dpmpp_2m", "sa_solver", "gradient_estimation"])
async def test_deterministic_samplers_solve_the_ode(name: str) -> None:
    """From noise to the latents of deviation 1 that it stands for: themselves."""
    start = draw(1, 16, 16, 16)
    latents = await follow(name, levels("simple", 60), Best(), start)
    if name != "sa_solver":
        assert float((latents - start).norm() / start.norm()) < 0.05
    assert float(latents.std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", *RATIO])
async def test_stochastic_samplers_keep_the_distribution(name: str) -> None:
    sigmas = levels("normal", 60)[:41]
    latents = await follow(name, sigmas, Best(), draw(1, 16, 32, 32))
    expected = math.hypot(1 - sigmas[-1], sigmas[-1])
    assert float(latents.std()) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
async def test_the_model_is_asked_at_the_levels_of_the_run(name: str) -> None:
    """Exactly: prompts are limited to levels that runs go through."""
    sigmas, denoiser = levels("simple", 6)[1:], Bent()
    await follow(name, sigmas, denoiser, draw(1, 16, 2, 2))
    if name not in ("dpm_fast", "dpm_adaptive"):  # which go their own ways
        assert set(sigmas[:-1]) <= set(denoiser.calls)


@pytest.mark.parametrize("name", NAMES)
async def test_rising_levels_stay_finite(name: str) -> None:
    """Unsampling, up to noise alone, of which ComfyUI makes no numbers."""
    rising = [1e-4, *levels("normal", 6)[::-1][1:]]
    assert rising[-1] == 1.0
    latents = await follow(name, rising, Best(), draw(1, 16, 2, 2))
    assert latents.isfinite().all()


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m"])
async def test_a_picture_is_found_again_from_its_noise(name: str) -> None:
    down = levels("normal", 100)
    start = draw(1, 16, 8, 8)
    noise = await follow(name, [1e-4, *down[::-1][1:]], Best(), start)
    again = await follow(name, down, Best(), noise)
    assert float((again - start).norm() / start.norm()) < 0.05


@pytest.mark.parametrize("solve", [euler_ancestral, dpmpp_2s_ancestral, euler_ancestral_cfg_pp])
@pytest.mark.parametrize("eta", [0.5, 100.0])
async def test_ancestral_samplers_take_any_amount_of_noise(solve: Callable[..., Steps], eta: float) -> None:
    sigmas, start = levels("simple", 5), draw(1, 16, 4, 4)
    noise = NoiseSource(start, sigmas, 5)
    steps = [step async for step in solve(Best(), start, sigmas, noise, schedule=SD3, eta=eta)]
    assert steps[-1].latents.isfinite().all()


async def test_without_fresh_noise_ancestral_samplers_are_plain_ones() -> None:
    sigmas, start = levels("simple", 5), draw(1, 16, 4, 4)
    plain = await follow("euler", sigmas, Bent(), start)
    noise = NoiseSource(start, sigmas, 5)
    steps = [step async for step in euler_ancestral(Bent(), start, sigmas, noise, schedule=SD3, eta=0.0)]
    torch.testing.assert_close(steps[-1].latents, plain)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(steps=st.integers(1, 60), shift=st.floats(0.1, 20.0))
def test_a_run_descends_from_noise_to_zero(scheduler: str, steps: int, shift: float) -> None:
    sigmas = make_sigmas(flow_schedule(shift), scheduler, steps, 1.0)
    assert float(sigmas[-1]) == 0.0
    assert float(sigmas.max()) <= 1.0
    assert bool((sigmas.diff() <= 0).all())
