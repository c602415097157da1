import pytest
import torch

from training.sampling import SAMPLERS
from training.schedule import trailing_timesteps


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_samplers_arrive_at_what_a_perfect_denoiser_predicts(sampler, steps):
    picture = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    end = SAMPLERS[sampler](
        picture + 14.6 * noise, trailing_timesteps(steps), lambda latents, timestep: picture
    )
    assert torch.allclose(end, picture, atol=1e-4)
