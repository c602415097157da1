"""Schedules against closed forms, published tables and diffusers' schedulers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from bridge.diffusion.sigmas import (
    MAX_STEPS,
    SCHEDULERS,
    NoiseSchedule,
    make_sigmas,
    stable_diffusion_schedule,
)
from bridge.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers

SCHEDULE = stable_diffusion_schedule()
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def test_levels_are_those_of_stable_diffusion() -> None:
    assert SCHEDULE.sigma_min == pytest.approx(0.029167, abs=1e-6)
    assert SCHEDULE.sigma_max == pytest.approx(14.614641, abs=1e-5)
    assert len(SCHEDULE.sigmas) == 1000
    assert bool((SCHEDULE.sigmas.diff() > 0).all())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(steps=st.integers(1, 60), strength=st.floats(0.05, 1.0))
def test_a_run_descends_from_noise_to_zero(scheduler: str, steps: int, strength: float) -> None:
    sigmas = make_sigmas(SCHEDULE, scheduler, steps, strength)
    assert sigmas[-1] == 0.0
    assert all(high >= low for high, low in pairwise(sigmas))
    assert sigmas[0] <= SCHEDULE.sigma_max * (1 + 1e-6)
    assert all(math.isfinite(sigma) for sigma in sigmas)
    if scheduler not in ("ddim_uniform", "beta") or strength < 0.999:
        assert len(sigmas) <= steps + 1
    if scheduler not in ("ddim_uniform", "beta"):
        assert len(sigmas) == steps + 1


@given(timestep=st.integers(0, 999))
def test_a_trained_level_is_found_again(timestep: int) -> None:
    sigma = float(SCHEDULE.sigmas[timestep])
    assert SCHEDULE.timestep(sigma) == timestep
    assert float(SCHEDULE.levels_at(torch.tensor(timestep))) == pytest.approx(sigma, rel=1e-6)


def test_levels_between_timesteps_are_interpolated_in_their_logarithm() -> None:
    between = float(SCHEDULE.levels_at(torch.tensor(10.25)))
    expected = float(SCHEDULE.sigmas[10]) ** 0.75 * float(SCHEDULE.sigmas[11]) ** 0.25
    assert between == pytest.approx(expected, rel=1e-6)


def test_normal_is_linear_in_timesteps_as_in_diffusers() -> None:
    peer = EulerDiscreteScheduler(**BETAS, timestep_spacing="linspace")  # interpolates sigma itself
    peer.set_timesteps(7)
    assert make_sigmas(SCHEDULE, "normal", 7, 1.0) == pytest.approx(peer.sigmas.tolist(), rel=2e-3)


def test_karras_follows_the_published_formula() -> None:
    steps, rho = 5, 7
    low, high = SCHEDULE.sigma_min, SCHEDULE.sigma_max
    expected = [
        (high ** (1 / rho) + step / (steps - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        for step in range(steps)
    ]
    assert make_sigmas(SCHEDULE, "karras", steps, 1.0)[:-1] == pytest.approx(expected, rel=1e-5)


def test_exponential_has_one_ratio() -> None:
    sigmas = make_sigmas(SCHEDULE, "exponential", 6, 1.0)[:-1]
    ratios = [low / high for high, low in pairwise(sigmas)]
    assert ratios == pytest.approx([ratios[0]] * 5, rel=1e-5)


@pytest.mark.parametrize(
    ("scheduler", "timesteps"),
    [
        ("simple", [999, 799, 599, 399, 199]),
        ("ddim_uniform", [801, 601, 401, 201, 1]),
        ("sgm_uniform", [999, 799.2, 599.4, 399.6, 199.8]),
        ("normal", [999, 749.25, 499.5, 249.75, 0]),
    ],
)
def test_spacing_in_timesteps(scheduler: str, timesteps: list[float]) -> None:
    expected = SCHEDULE.levels_at(torch.tensor(timesteps)).tolist()
    assert make_sigmas(SCHEDULE, scheduler, 5, 1.0)[:-1] == pytest.approx(expected, rel=1e-5)


def test_ddim_uniform_may_have_a_level_more() -> None:
    assert len(make_sigmas(SCHEDULE, "ddim_uniform", 7, 1.0)) == 9  # strides of 142 from 1: eight levels


def test_beta_takes_quantiles_of_the_beta_distribution() -> None:
    steps = 8
    quantiles = beta_distribution.ppf(1 - np.linspace(0, 1, steps, endpoint=False), 0.6, 0.6)
    expected = SCHEDULE.sigmas[np.rint(quantiles * 999)].tolist()
    assert make_sigmas(SCHEDULE, "beta", steps, 1.0)[:-1] == expected


def test_strength_runs_all_steps_on_the_tail_of_a_longer_schedule() -> None:
    whole = make_sigmas(SCHEDULE, "normal", int(5 / 0.6), 1.0)
    assert make_sigmas(SCHEDULE, "normal", 5, 0.6) == whole[-6:]


def test_no_strength_leaves_nothing_to_do() -> None:
    assert make_sigmas(SCHEDULE, "karras", 20, 0.0) == []


def test_a_schedule_too_long_is_refused_not_computed() -> None:
    with pytest.raises(InputError, match="strength") as caught:
        make_sigmas(SCHEDULE, "normal", 10_000, 0.5 * 10_000 / MAX_STEPS)
    assert caught.value.code == "out_of_range"


def test_fractions_of_the_schedule() -> None:
    assert SCHEDULE.sigma_at(0.0) == math.inf
    assert SCHEDULE.sigma_at(1.0) == 0.0
    assert SCHEDULE.sigma_at(0.5) == pytest.approx(float(SCHEDULE.levels_at(torch.tensor(499.5))), rel=1e-6)


def test_latents_at_the_highest_level_are_pure_noise_after_scaling() -> None:
    noise, latents = torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)
    sigma = SCHEDULE.sigma_max
    start = SCHEDULE.add_noise(latents, noise, sigma)
    torch.testing.assert_close(start * SCHEDULE.input_scale(sigma), noise)
    lower = SCHEDULE.add_noise(latents, noise, 3.0)
    torch.testing.assert_close(lower, noise * 3.0)


@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_both_prediction_types_find_the_clean_latents(sigma: float) -> None:
    clean, noise = torch.randn(2, 1, 4, 8, 8)
    noisy = clean + sigma * noise
    velocity = (noise - sigma * clean) / math.sqrt(1 + sigma**2)
    v_prediction = NoiseSchedule(SCHEDULE.sigmas, "v_prediction")
    torch.testing.assert_close(SCHEDULE.denoised(noisy, noise, sigma), clean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(v_prediction.denoised(noisy, velocity, sigma), clean, atol=1e-4, rtol=1e-4)


def test_zero_snr_ends_in_almost_pure_noise() -> None:
    rescaled = stable_diffusion_schedule("v_prediction", is_zero_snr=True)
    assert rescaled.sigma_max > 4000
    assert rescaled.sigma_min == pytest.approx(SCHEDULE.sigma_min, rel=1e-4)
