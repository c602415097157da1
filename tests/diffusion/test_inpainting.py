"""Masks: what is protected, what the model sees of it, and when a soft mask lets go."""

import pytest
import torch
from torch import Tensor

from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.inpainting import MaskedDenoise, SoftMask, fit_mask
from bridge.diffusion.sigmas import stable_diffusion_schedule

SCHEDULE = stable_diffusion_schedule()
CLEAN, NOISE, LATENTS = torch.randn(3, 1, 4, 2, 4, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[[[1.0, 1.0, 0.5, 0.0]] * 2]])


class Halving:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    async def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        self.seen.append(latents)
        return latents / 2

    async def with_negative(self, latents: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        return await self(latents, sigma), latents / 4


async def test_what_a_mask_protects_is_noised_for_the_model_and_comes_back_clean() -> None:
    model = Halving()
    result = await MaskedDenoise(model, MASK, CLEAN, NOISE, SCHEDULE)(LATENTS, 3.0)
    around = CLEAN + 3 * NOISE
    torch.testing.assert_close(model.seen[0], LATENTS * MASK + around * (1 - MASK))
    torch.testing.assert_close(result, model.seen[0] / 2 * MASK + CLEAN * (1 - MASK))
    torch.testing.assert_close(result[..., 3], CLEAN[..., 3])


async def test_a_flow_sees_less_of_what_is_protected_the_more_noise_there_is() -> None:
    model = Halving()
    await MaskedDenoise(model, MASK, CLEAN, NOISE, flow_schedule(3.0))(LATENTS, 0.75)
    around = 0.25 * CLEAN + 0.75 * NOISE
    torch.testing.assert_close(model.seen[0], LATENTS * MASK + around * (1 - MASK))


def test_a_soft_mask_on_a_flow_lets_go_evenly_in_its_levels() -> None:
    soft = SoftMask(flow_schedule(3.0), [1.0, 0.7, 0.3, 0.0], 1.0)
    levels = [soft.at(MASK, sigma)[0, 0, 0].tolist() for sigma in (1.0, 0.7, 0.3)]
    assert levels == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]


async def test_the_negative_prompts_prediction_is_not_limited() -> None:
    model = Halving()
    masked = MaskedDenoise(model, MASK, CLEAN, NOISE, SCHEDULE)
    guided, negative = await masked.with_negative(LATENTS, 3.0)
    torch.testing.assert_close(guided, await masked(LATENTS, 3.0))
    torch.testing.assert_close(negative, model.seen[0] / 4)


@pytest.mark.parametrize("shape", [(16, 32), (1, 16, 32), (1, 1, 16, 32)])
def test_a_mask_is_brought_to_the_latents_size_and_batch(shape: tuple[int, ...]) -> None:
    mask = torch.zeros(shape)
    mask[..., 16:] = 1
    fitted = fit_mask(mask, torch.zeros(3, 4, 2, 4))
    assert fitted.shape == (3, 1, 2, 4)
    assert torch.equal(fitted[2, 0, 0], torch.tensor([0.0, 0, 1, 1]))


def test_a_soft_masks_values_are_the_steps_at_which_pixels_begin() -> None:
    sigmas = [SCHEDULE.sigma_max, float(SCHEDULE.sigmas[499]), SCHEDULE.sigma_min, 0.0]
    soft = SoftMask(SCHEDULE, sigmas, 1.0)
    levels = [soft.at(MASK, sigma)[0, 0, 0].tolist() for sigma in sigmas[:3]]
    assert levels == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize(("share", "expected"), [(0.5, [1, 1, 0.25, 0]), (0.0, [1, 1, 0, 0])])
def test_a_share_below_one_mixes_in_the_mask_itself(share: float, expected: list[float]) -> None:
    soft = SoftMask(SCHEDULE, [SCHEDULE.sigma_max, 1.0, 0.0], share)
    assert soft.at(MASK, SCHEDULE.sigma_max)[0, 0, 0].tolist() == expected


def test_a_run_within_one_timestep_changes_all_that_the_mask_touches() -> None:
    soft = SoftMask(SCHEDULE, [SCHEDULE.sigma_max, SCHEDULE.sigma_max], 1.0)
    assert soft.at(MASK, SCHEDULE.sigma_max)[0, 0, 0].tolist() == [1, 1, 1, 1]
