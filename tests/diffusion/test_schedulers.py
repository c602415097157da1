"""Schedulers against closed forms, diffusers' schedulers and ComfyUI's numbers."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from bridge.diffusion import schedulers
from bridge.diffusion.schedulers import MAX_STEPS, SCHEDULERS
from bridge.diffusion.sigmas import NoiseSchedule, stable_diffusion_schedule
from bridge.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers

SCHEDULE = stable_diffusion_schedule()
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
REFERENCE = np.load(Path(__file__).with_name("comfyui") / "schedules.npz")
MODELS = {
    "sd": SCHEDULE,
    "zero_snr": stable_diffusion_schedule("v_prediction", is_zero_snr=True),
    "distilled": stable_diffusion_schedule("consistency"),
}


def make_sigmas(schedule: NoiseSchedule, scheduler: str, steps: int, strength: float) -> list[float]:
    return schedulers.make_sigmas(schedule, scheduler, steps, strength).tolist()


@pytest.mark.parametrize("name", REFERENCE)
def test_the_same_numbers_as_comfyui(name: str) -> None:
    model, scheduler, steps = name.split("/")
    ours, theirs = make_sigmas(MODELS[model], scheduler, int(steps), 1.0), REFERENCE[name]
    assert len(ours) == len(theirs)
    if scheduler == "kl_optimal" and steps == "1":  # 0 / 0 in ComfyUI
        assert ours == [pytest.approx(MODELS[model].sigma_max, rel=1e-3), 0.0]
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


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


def test_without_the_penultimate_level_a_run_is_as_long() -> None:
    ours = schedulers.make_sigmas(SCHEDULE, "karras", 4, 1.0, omits_penultimate=True).tolist()
    longer = make_sigmas(SCHEDULE, "karras", 5, 1.0)
    assert ours == [*longer[:4], 0.0]


def test_levels_without_a_model() -> None:
    """Made by ComfyUI 0.3.64: VPScheduler, LaplaceScheduler, PolyexponentialScheduler of four steps."""
    vp = schedulers.vp_sigmas(4, 19.9, 0.1, 0.001).tolist()
    laplace = schedulers.laplace_sigmas(4, 0.03, 14.6, 0.2, 0.5).tolist()
    polyexponential = schedulers.polyexponential_sigmas(4, 0.03, 14.6, 1.5).tolist()
    assert vp == pytest.approx([152.166977, 9.4031973, 1.4619718, 0.010485994, 0.0], rel=1e-5)
    assert laplace == pytest.approx([14.6, 1.4958955, 0.99727875, 0.03], rel=1e-5)
    assert polyexponential == pytest.approx([14.6, 0.87069255, 0.098691374, 0.03, 0.0], rel=1e-5)


def test_turbo_takes_tenths_of_the_schedule() -> None:
    expected = [*SCHEDULE.sigmas[[599, 499]].tolist(), 0.0]
    assert schedulers.turbo_sigmas(SCHEDULE, 2, 0.6).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedulers.karras_sigmas(4, 0.03, 14.6, 0.0),
        lambda: schedulers.karras_sigmas(4, 0.03, 5000.0, 0.01),
        lambda: schedulers.karras_sigmas(4, 0.03, 5000.0, 0.05),
        lambda: schedulers.vp_sigmas(4, 5000.0, 0.1, 0.001),
        lambda: schedulers.polyexponential_sigmas(4, 0.0, 14.6),
        lambda: schedulers.beta_sigmas(SCHEDULE, 4, 0.0),
        lambda: schedulers.with_first(torch.zeros(0), 3.0),
    ],
)
def test_levels_that_do_not_exist_are_refused(make: object) -> None:
    with pytest.raises(InputError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.hint


@pytest.mark.parametrize(
    ("strength", "first", "second"),
    [
        (0.5, [3, 2, 1], [1, 0.5, 0]),
        (1.0, [3], [3, 2, 1, 0.5, 0]),
        (0.0, [3, 2, 1, 0.5, 0], [0]),
        (0.02, [3, 2, 1, 0.5, 0], [0]),
    ],
)
def test_both_parts_of_a_split_hold_the_level_between(
    strength: float, first: list[float], second: list[float]
) -> None:
    parts = schedulers.split_at_strength(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]), strength)
    assert [part.tolist() for part in parts] == [first, second]


def test_flipped_levels_begin_a_little_above_zero() -> None:
    sigmas = torch.tensor([2.0, 1.0, 0.0])
    assert schedulers.flipped(sigmas).tolist() == pytest.approx([1e-4, 1.0, 2.0])
    assert schedulers.flipped(sigmas[:2]).tolist() == [1.0, 2.0]
    assert sigmas.tolist() == [2.0, 1.0, 0.0]


@pytest.mark.parametrize("spacing", ["linear", "cosine", "sine"])
def test_steps_between_two_levels_are_divided(spacing: str) -> None:
    sigmas = torch.tensor([14.0, 10.0, 5.0, 0.0])
    ours = schedulers.extended(sigmas, 2, 12.0, 6.0, spacing).tolist()  # type: ignore[arg-type]
    middle = {"linear": 7.5, "cosine": 10 - 5 * math.sin(math.pi / 4), "sine": 5 + 5 * math.cos(math.pi / 4)}
    assert ours == pytest.approx([14.0, 10.0, middle[spacing], 5.0, 0.0])
