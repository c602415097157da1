"""Noise levels against closed forms and published tables."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.diffusion.sigmas import stable_diffusion_schedule

SCHEDULE = stable_diffusion_schedule()


def test_levels_are_those_of_stable_diffusion() -> None:
    assert SCHEDULE.sigma_min == pytest.approx(0.029167, abs=1e-6)
    assert SCHEDULE.sigma_max == pytest.approx(14.614641, abs=1e-5)
    assert len(SCHEDULE.sigmas) == 1000
    assert bool((SCHEDULE.sigmas.diff() > 0).all())


@given(timestep=st.integers(0, 999))
def test_a_trained_level_is_found_again(timestep: int) -> None:
    sigma = float(SCHEDULE.sigmas[timestep])
    assert SCHEDULE.timestep(sigma) == timestep
    assert float(SCHEDULE.levels_at(torch.tensor(timestep))) == pytest.approx(sigma, rel=1e-6)


def test_levels_between_timesteps_are_interpolated_in_their_logarithm() -> None:
    between = float(SCHEDULE.levels_at(torch.tensor(10.25)))
    expected = float(SCHEDULE.sigmas[10]) ** 0.75 * float(SCHEDULE.sigmas[11]) ** 0.25
    assert between == pytest.approx(expected, rel=1e-6)


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
    v_prediction = stable_diffusion_schedule("v_prediction")
    torch.testing.assert_close(SCHEDULE.denoised(noisy, noise, sigma), clean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(v_prediction.denoised(noisy, velocity, sigma), clean, atol=1e-4, rtol=1e-4)


def test_zero_snr_ends_in_almost_pure_noise() -> None:
    rescaled = stable_diffusion_schedule("v_prediction", is_zero_snr=True)
    assert rescaled.sigma_max > 4000
    assert rescaled.sigma_min == pytest.approx(SCHEDULE.sigma_min, rel=1e-4)


def test_a_level_half_way_belongs_to_the_timestep_of_the_rounded_logarithms() -> None:
    """ComfyUI takes logarithms before rounding; a third step of ``normal`` lies exactly between two."""
    for schedule, nearest in ((SCHEDULE, 500), (stable_diffusion_schedule(is_zero_snr=True), 499)):
        half_way = float(schedule.levels_at(torch.tensor(499.5)))
        assert schedule.timestep(half_way) == nearest


def test_a_consistency_model_knows_every_twentieth_level() -> None:
    distilled = stable_diffusion_schedule("consistency")
    assert torch.equal(distilled.sigmas, SCHEDULE.sigmas[19::20])
    assert distilled.timestep(distilled.sigma_max) == 999
    assert distilled.timestep(distilled.sigma_min) == 19
    assert float(distilled.levels_at(torch.tensor(39))) == pytest.approx(float(SCHEDULE.sigmas[39]))


def test_what_a_network_predicts() -> None:
    noisy, prediction = torch.randn(2, 1, 4, 8, 8)
    assert stable_diffusion_schedule("sample").denoised(noisy, prediction, 2.0) is prediction
    image = stable_diffusion_schedule("image")
    assert image.denoised(noisy, prediction, 2.0) is prediction
    assert (image.input_scale(2.0), SCHEDULE.input_scale(2.0)) == (1.0, pytest.approx(5**-0.5))


def test_a_consistency_model_keeps_less_of_noise_the_more_there_is() -> None:
    schedule = stable_diffusion_schedule("consistency")
    noisy, prediction = torch.randn(2, 1, 4, 8, 8)
    low = schedule.denoised(noisy, prediction, schedule.sigma_min)
    scaled = 10.0 * 19
    skip, out = 0.25 / (scaled**2 + 0.25), scaled / math.sqrt(scaled**2 + 0.25)
    torch.testing.assert_close(low, skip * noisy + out * (noisy - prediction * schedule.sigma_min))
