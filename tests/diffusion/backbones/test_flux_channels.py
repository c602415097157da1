"""What Flux's special models see where prompts bring nothing, or something of another size."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion import DiffusionModel, Prompt
from bridge.diffusion.backbones.backbone import Outset
from bridge.diffusion.backbones.flux_channels import flux_channels
from bridge.errors import UnsupportedModel
from bridge.models import Family

PROMPT = Prompt(torch.zeros(1, 5, 12))
SHAPE = (2, 16, 4, 4)


@pytest.fixture
def model(make_model: Callable[..., DiffusionModel]) -> DiffusionModel:
    return make_model(torch.nn.Identity(), Family.FLUX, shift_factor=0.1)


def seen(model: DiffusionModel, prompt: Prompt, taken: int, **outset: Any) -> Any:
    return flux_channels(prompt, model, Outset(SHAPE, **outset), taken)


def test_plain_models_see_none(model: DiffusionModel) -> None:
    assert seen(model, PROMPT, 16) is None
    inpainting = replace(PROMPT, concat_latents=torch.ones(1, 16, 4, 4), concat_mask=torch.ones(1, 1, 32, 32))
    assert seen(model, inpainting, 16) is None


def test_without_a_picture_empty_latents_are_seen(model: DiffusionModel) -> None:
    torch.testing.assert_close(seen(model, PROMPT, 32), torch.full(SHAPE, -0.05))


def test_a_picture_of_another_size_is_cut_and_scaled(model: DiffusionModel) -> None:
    wide = torch.zeros(1, 16, 2, 6)
    wide[..., 2:4] = 1.0
    shown = replace(PROMPT, concat_latents=wide)
    torch.testing.assert_close(seen(model, shown, 32), torch.full(SHAPE, 0.45))


def test_without_a_mask_all_is_made_anew(model: DiffusionModel) -> None:
    channels = seen(model, PROMPT, 96)
    assert channels.shape == (2, 80, 4, 4)
    assert bool((channels[:, 16:] == 1).all())


def test_a_mask_keeps_its_pixels(model: DiffusionModel) -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 9, 18] = 1.0
    [(batch, channel, row, column)] = seen(model, replace(PROMPT, concat_mask=mask), 96)[:1, 16:].nonzero()
    assert (batch, channel, row, column) == (0, 1 * 8 + 2, 1, 2)


def test_the_runs_noise_mask_stands_in(model: DiffusionModel) -> None:
    noise_mask = torch.zeros(1, 64, 64)
    noise_mask[:, :32] = 1.0
    masks = seen(model, PROMPT, 96, noise_mask=noise_mask)[:, 16:]
    assert bool((masks[:, :, 0] == 1).all())
    assert not bool(masks[:, :, 3].any())


def test_an_unknown_number_is_refused(model: DiffusionModel) -> None:
    with pytest.raises(UnsupportedModel, match="takes 48 channels") as caught:
        seen(model, PROMPT, 48)
    assert "fill (96)" in caught.value.hint
