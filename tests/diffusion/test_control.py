"""ControlNets on conditioning, and what they add."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel

from bridge.diffusion import (
    Area,
    Control,
    ControlNetwork,
    DiffusionModel,
    Network,
    Prompt,
    add_control,
    memory_errors,
)
from bridge.diffusion.control import (
    AdapterSteering,
    NetworkSteering,
    cover_negative,
    prepare,
)
from bridge.diffusion.networks import empty_unet
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.steering import Residuals, Steering, Step, residuals
from bridge.errors import ModelError, OutOfMemory
from bridge.models import Family

SCHEDULE = stable_diffusion_schedule()
SHAPE = (1, 4, 8, 8)
PROMPT = Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(1)))
STEP = Step(torch.randn(SHAPE), torch.tensor([500]), PROMPT.prompt_embeds)
Make = Callable[..., ControlNetwork]


def picture(batch: int = 1, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.rand(batch, height, width, 3, generator=torch.Generator().manual_seed(2))


def embedding_of(steering: Steering) -> torch.Tensor:
    assert isinstance(steering, NetworkSteering)
    return steering.embedding


def test_residuals_are_those_of_diffusers_whole_network(model: DiffusionModel, make_controlnet: Make) -> None:
    image = picture()
    found = residuals([prepare(Control(make_controlnet(), image, 0.5), model, SHAPE)], STEP)

    whole = make_controlnet().network.module()
    whole.network.controlnet_cond_embedding = whole.picture_encoder
    assert isinstance(whole.network, ControlNetModel)
    expected_down, expected_middle = whole.network(
        STEP.sample, STEP.timestep, STEP.prompt_embeds, image.movedim(-1, 1), 0.5, return_dict=False
    )
    for mine, theirs in zip([*found.skips, found.middle], [*expected_down, expected_middle], strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_several_are_added_up(model: DiffusionModel, make_controlnet: Make) -> None:
    one = prepare(Control(make_controlnet(7), picture()), model, SHAPE)
    other = prepare(Control(make_controlnet(8), picture(), 0.3), model, SHAPE)
    both, first, second = (residuals(each, STEP) for each in ([one, other], [one], [other]))
    assert first.middle is not None
    torch.testing.assert_close(both.middle, first.middle + second.middle)
    for mine, a, b in zip(both.skips, first.skips, second.skips, strict=True):
        torch.testing.assert_close(mine, a + b)


def test_none_add_nothing() -> None:
    assert residuals([], STEP) == Residuals()
    assert Residuals().arguments() == {}


def test_a_batch_of_pictures_goes_with_a_batch_of_latents(
    model: DiffusionModel, make_controlnet: Make
) -> None:
    images = picture(2)
    network = make_controlnet()
    steering = prepare(Control(network, images), model, (3, *SHAPE[1:]))
    assert isinstance(steering, NetworkSteering)
    assert len(steering.embedding) == 3
    torch.testing.assert_close(steering.embedding[2], steering.embedding[0])
    # Two prompts, three pictures each: the pictures come round again for the second prompt.
    step = Step(torch.randn(6, 4, 8, 8), torch.full((6,), 5), torch.randn(6, 77, 16))
    found = residuals([steering], step)
    assert found.middle is not None
    assert len(found.middle) == 6


def test_an_adapters_features_fill_the_batch(model: DiffusionModel) -> None:
    """Behind the middle block diffusers leaves out what has another shape than the batch."""
    steering = AdapterSteering(model.unet, 1.0, 10.0, 0.0, (torch.rand(1, 16, 8, 8), torch.rand(1, 32, 4, 4)))
    step = Step(torch.randn(4, 4, 8, 8), torch.full((4,), 5), torch.randn(4, 77, 16))
    given = residuals([steering], step).arguments()
    assert list(given) == ["down_intrablock_additional_residuals"]
    assert [len(level) for level in given["down_intrablock_additional_residuals"]] == [4, 4]


def test_pictures_are_fitted_to_the_latents(model: DiffusionModel, make_controlnet: Make) -> None:
    network = make_controlnet()
    wide = picture(1, 32, 96)
    fitted = wide[:, :, 32:64].repeat_interleave(2, 1).repeat_interleave(2, 2)
    made = [embedding_of(prepare(Control(network, each), model, SHAPE)) for each in (wide, fitted)]
    torch.testing.assert_close(made[0], made[1])


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
    assert expected.shape[2:] == (8, 8)
    torch.testing.assert_close(embedding_of(steering), expected)


@pytest.mark.parametrize(
    "changes",
    [{"cross_attention_dim": 8}, {"block_out_channels": (16, 16)}, {"layers_per_block": 2}],
    ids=str,
)
def test_a_controlnet_of_another_shape_is_refused(
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


def test_a_controlnet_of_another_family_than_the_prompts_is_refused_where_it_is_added(
    make_controlnet: Make,
) -> None:
    control = Control(make_controlnet(), picture())
    with pytest.raises(ModelError, match=r"tiny ControlNet was made for .* 1\.x; .* for SDXL") as caught:
        add_control((Prompt(torch.zeros(1, 77, 2048)),), control)
    assert caught.value.code == "model_mismatch"
    add_control((Prompt(torch.zeros(1, 77, 768)), Prompt(torch.zeros(1, 77, 16))), control)


def test_a_controlnet_of_another_family_is_refused_with_both_named(
    model: DiffusionModel, make_controlnet: Make
) -> None:
    network = replace(make_controlnet(), families=(Family.SDXL,))
    with pytest.raises(ModelError, match=r"made for SDXL; .* is Stable Diffusion 1\.x") as caught:
        prepare(Control(network, picture()), model, SHAPE)
    assert caught.value.code == "model_mismatch"


def test_a_pooled_residual_is_added_to_a_whole_one() -> None:
    whole = Residuals((torch.ones(1, 2, 4, 4),), torch.ones(1, 2, 2, 2))
    pooled = Residuals((torch.ones(1, 2, 1, 1),), torch.ones(1, 2, 1, 1))
    for found in (whole + pooled, pooled + whole):
        assert torch.equal(found.skips[0], torch.full((1, 2, 4, 4), 2.0))


@pytest.mark.parametrize("where", ["reading a control image", "a step"])
def test_full_memory_is_one_error(
    model: DiffusionModel, make_controlnet: Make, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    control = make_controlnet()
    if where == "a step":
        steering = prepare(Control(control, picture()), model, SHAPE)
        monkeypatch.setattr(control.network.module().network, "forward", full)
        with pytest.raises(OutOfMemory, match="denoising"), memory_errors("denoising"):
            residuals([steering], STEP)
    else:
        monkeypatch.setattr(control.network.module().picture_encoder, "forward", full)
        monkeypatch.setattr(control.network, "drop", lambda: None)
        with pytest.raises(OutOfMemory, match=where):
            prepare(Control(control, picture()), model, SHAPE)


def test_several_covering_prompts_give_round_by_round(make_controlnet: Make) -> None:
    first, second = (
        add_control((PROMPT,), Control(make_controlnet(), picture(), covers_negative=True))[0]
        for _ in range(2)
    )
    one, two = (replace(PROMPT, prompt_embeds=PROMPT.prompt_embeds * n) for n in (1, 2))
    covered = cover_negative((first, second), (one, two))
    assert [prompt.controls for prompt in covered] == [first.controls, second.controls]
    assert [prompt.controls for prompt in cover_negative((first, second), (one,))] == [second.controls]


def test_prompts_in_a_window_neither_give_nor_take_controls(make_controlnet: Make) -> None:
    [covering] = add_control((PROMPT,), Control(make_controlnet(), picture(), covers_negative=True))
    area = Area(64, 64, 0, 0)
    assert cover_negative((replace(covering, area=area),), (PROMPT,)) == (PROMPT,)
    inside = replace(PROMPT, area=area)
    assert cover_negative((covering,), (inside,)) == (inside,)
