"""Noise from a seed."""

import pytest
import torch

from bridge.diffusion.noise import NoiseSource, SeededNoise, initial_noise

SHAPE = (3, 4, 8, 8)


def source(seed: int = 5, sigmas: tuple[float, ...] = (10.0, 3.0, 1.0, 0.0)) -> NoiseSource:
    return NoiseSource(torch.zeros(1, 4, 32, 32), sigmas, seed)


def test_a_seed_is_torchs_seed() -> None:
    torch.manual_seed(42)
    expected = torch.randn(SHAPE)
    assert torch.equal(initial_noise(SHAPE, 42), expected)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_every_legal_seed_works(seed: int) -> None:
    assert initial_noise(SHAPE, seed).isfinite().all()
    assert source(seed).independent().isfinite().all()
    assert source(seed).between(10.0, 3.0).isfinite().all()


def test_batch_index_picks_the_noise_of_a_larger_batch() -> None:
    first, second, third = initial_noise(SHAPE, 1, [0, 1, 2])
    picked = initial_noise(SHAPE, 1, [2, 0, 2])
    assert torch.equal(picked, torch.stack((third, first, third)))
    assert not torch.equal(first, second)


def test_later_noise_differs_from_the_initial() -> None:
    noise = source()
    first, second = noise.independent(), noise.independent()
    initial = initial_noise(first.shape, 5)
    for one, other in ((first, second), (first, initial), (second, initial)):
        correlation = torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1]
        assert abs(float(correlation)) < 0.06  # 4096 values: a deviation of 0.016


def test_brownian_noise_has_variance_one_and_depends_on_the_seed_alone() -> None:
    step = source().between(10.0, 3.0)
    assert float(step.std()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(step, source().between(10.0, 3.0))
    assert not torch.equal(step, source(6).between(10.0, 3.0))


def test_more_steps_see_the_same_brownian_path() -> None:
    coarse = source().between(10.0, 1.0) * 9.0**0.5
    fine = source()
    parts = fine.between(10.0, 3.0) * 7.0**0.5 + fine.between(3.0, 1.0) * 2.0**0.5
    torch.testing.assert_close(coarse, parts, atol=1e-3, rtol=1e-3)


def test_a_brownian_path_does_not_move_beyond_the_runs_levels() -> None:
    beyond = source().between(10.0, 0.5) * 9.5**0.5
    torch.testing.assert_close(beyond, source().between(10.0, 1.0) * 9.0**0.5)


def test_a_run_may_begin_without_noise() -> None:
    latents = {"samples": torch.ones(SHAPE), "batch_index": [2, 0, 1]}
    assert not SeededNoise(4, is_silent=True).initial(latents).any()
    assert torch.equal(SeededNoise(4).initial(latents), initial_noise(SHAPE, 4, [2, 0, 1]))
