"""ControlNets on conditioning, and what they add."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel

from bridge.diffusion import Control, ControlNetwork, DiffusionModel, Network, Prompt, add_control
from bridge.diffusion.control import SteeringNetwork, cover_negative, prepare, residuals
from bridge.diffusion.networks import empty_controlnet, empty_unet
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.errors import ModelError

SCHEDULE = stable_diffusion_schedule()
SHAPE = (1, 4, 8, 8)
PROMPT = Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(1)))
Make = Callable[..., ControlNetwork]


def picture(batch: int = 1, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.rand(batch, height, width, 3, generator=torch.Generator().manual_seed(2))


def test_residuals_are_those_of_diffusers_whole_network(model: DiffusionModel, make_controlnet: Make) -> None:
    image = picture()
    steering = prepare(Control(make_controlnet(), image, 0.5), model, SHAPE)
    sample, timestep = torch.randn(SHAPE), torch.tensor([500])
    down, middle = residuals([steering], sample, timestep, PROMPT.prompt_embeds) or ([], torch.zeros(0))

    whole = make_controlnet().network.module()
    whole.network.controlnet_cond_embedding = whole.picture_encoder
    assert isinstance(whole.network, ControlNetModel)
    expected_down, expected_middle = whole.network(
        sample, timestep, PROMPT.prompt_embeds, image.movedim(-1, 1), 0.5, return_dict=False
    )
    for mine, theirs in zip([*down, middle], [*expected_down, expected_middle], strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_several_are_added_up(model: DiffusionModel, make_controlnet: Make) -> None:
    one = prepare(Control(make_controlnet(7), picture()), model, SHAPE)
    other = prepare(Control(make_controlnet(8), picture(), 0.3), model, SHAPE)
    arguments = torch.randn(SHAPE), torch.tensor([500]), PROMPT.prompt_embeds
    both, first, second = (residuals(each, *arguments) for each in ([one, other], [one], [other]))
    assert both
    assert first
    assert second
    torch.testing.assert_close(both[1], first[1] + second[1])
    for mine, a, b in zip(both[0], first[0], second[0], strict=True):
        torch.testing.assert_close(mine, a + b)


def test_none_add_nothing() -> None:
    assert residuals([], torch.randn(SHAPE), torch.tensor([500]), PROMPT.prompt_embeds) is None


def test_a_batch_of_pictures_goes_with_a_batch_of_latents(
    model: DiffusionModel, make_controlnet: Make
) -> None:
    images = picture(2)
    network = make_controlnet()
    steering = prepare(Control(network, images), model, (3, *SHAPE[1:]))
    assert len(steering.embedding) == 3
    torch.testing.assert_close(steering.embedding[2], steering.embedding[0])
    # Two prompts, three pictures each: the pictures come round again for the second prompt.
    found = residuals([steering], torch.randn(6, 4, 8, 8), torch.full((6,), 5), torch.randn(6, 77, 16))
    assert found
    assert len(found[1]) == 6


def test_pictures_are_fitted_to_the_latents(model: DiffusionModel, make_controlnet: Make) -> None:
    network = make_controlnet()
    wide = picture(1, 32, 96)
    fitted = wide[:, :, 32:64].repeat_interleave(2, 1).repeat_interleave(2, 2)
    made = [prepare(Control(network, each), model, SHAPE) for each in (wide, fitted)]
    torch.testing.assert_close(made[0].embedding, made[1].embedding)


def test_start_and_end_are_fractions_of_the_schedule(model: DiffusionModel, make_controlnet: Make) -> None:
    control = Control(make_controlnet(), picture(), 1.0, 0.2, 0.6)
    steering = prepare(control, model, SHAPE)
    assert steering.start == pytest.approx(SCHEDULE.sigma_at(0.2))
    for sigma, active in (
        (SCHEDULE.sigma_max, False),
        (SCHEDULE.sigma_at(0.2), True),
        (SCHEDULE.sigma_at(0.4), True),
        (SCHEDULE.sigma_at(0.6), True),
        (SCHEDULE.sigma_at(0.61), False),
    ):
        assert steering.is_active(sigma) is active


def test_the_whole_range_is_always_active(model: DiffusionModel, make_controlnet: Make) -> None:
    steering = prepare(Control(make_controlnet(), picture()), model, SHAPE)
    assert steering.is_active(SCHEDULE.sigma_max)
    assert steering.is_active(SCHEDULE.sigma_min)


def test_a_scale_of_zero_leaves_conditioning_alone(make_controlnet: Make) -> None:
    assert add_control((PROMPT,), Control(make_controlnet(), picture(), 0.0)) == (PROMPT,)


def test_controls_pile_up_and_the_original_stays(make_controlnet: Make) -> None:
    first, second = (Control(make_controlnet(), picture()) for _ in range(2))
    [once] = add_control((PROMPT,), first)
    [twice] = add_control((once,), second)
    assert PROMPT.controls == ()
    assert once.controls == (first,)
    assert twice.controls == (first, second)


def test_negative_prompts_follow_only_where_asked(make_controlnet: Make) -> None:
    covering = Control(make_controlnet(), picture(), covers_negative=True)
    own = Control(make_controlnet(), picture())
    positive = add_control((PROMPT,), covering)
    assert cover_negative(positive, (PROMPT,))[0].controls == (covering,)
    assert cover_negative(positive, add_control((PROMPT,), own))[0].controls == (own,)
    assert cover_negative(add_control((PROMPT,), own), (PROMPT,))[0].controls == ()


def test_pictures_have_the_size_of_the_models_pixels(
    fine_model: DiffusionModel, make_controlnet: Make
) -> None:
    """At a latent factor of 4, a picture of 32 pixels a side is taken for 8 latents as it is."""
    network = make_controlnet(hint=(4, 8, 8))
    image = picture(1, 32, 32)
    steering = prepare(Control(network, image), fine_model, SHAPE)
    expected = network.network.module().picture_encoder(image.movedim(-1, 1))
    assert steering.embedding.shape[2:] == (8, 8)
    torch.testing.assert_close(steering.embedding, expected)


@pytest.mark.parametrize(
    "changes",
    [{"cross_attention_dim": 8}, {"block_out_channels": (16, 16)}, {"layers_per_block": 2}],
    ids=str,
)
def test_a_controlnet_of_another_family_is_refused(
    model: DiffusionModel, make_controlnet: Make, changes: dict[str, Any]
) -> None:
    config = {**model.unet.module().config, **changes}
    other = replace(model, unet=Network("other", lambda placement: empty_unet(config)))
    with pytest.raises(ModelError) as caught:
        prepare(Control(make_controlnet(), picture()), other, SHAPE)
    assert caught.value.code == "model_mismatch"


@pytest.mark.parametrize(("factor", "hint"), [(8, (4, 8, 8)), (4, (4, 8, 8, 8))])
def test_a_controlnet_of_another_latent_factor_is_refused(
    model: DiffusionModel, make_controlnet: Make, factor: int, hint: tuple[int, ...]
) -> None:
    control = Control(make_controlnet(hint=hint), picture())
    with pytest.raises(ModelError, match="tiny ControlNet") as caught:
        prepare(control, replace(model, latent_factor=factor), SHAPE)
    assert caught.value.code == "model_mismatch"


def test_the_picture_is_read_once() -> None:
    """The network that runs at every step has no picture encoder left."""
    whole = empty_controlnet({})
    count = sum(parameter.numel() for parameter in whole.controlnet_cond_embedding.parameters())
    steering = SteeringNetwork(whole)
    assert sum(p.numel() for p in steering.picture_encoder.parameters()) == count
    assert list(steering.network.controlnet_cond_embedding.parameters()) == []
